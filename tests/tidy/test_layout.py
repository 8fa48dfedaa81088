"""House rules on the shape of the project: know one member, know all; nothing untested; contracts hold."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Protocol

README_LINES_MAX = 60

# Modules that need no test of their own, by name, and why.
EXEMPT: dict[str, str] = {
    "ports": "Protocols only: there is nothing to run",
    "shell": "a Protocol only; its two forms are tested: the real one, and the fake wherever handlers are",
    "__init__": "gathers names",
    "__main__": "composition root: integration tests run it as a process",
}
EXEMPT_FOLDERS: dict[str, str] = {"/migrations/": "steps of one whole, which the tests of migrating run up and down"}


class Source(Protocol):
    """A file of `conftest.Source`."""

    @property
    def name(self) -> str: ...
    @property
    def path(self) -> Path: ...
    @property
    def tree(self) -> ast.Module: ...
    @property
    def is_product(self) -> bool: ...


def members(root: Path) -> list[Path]:
    return sorted(path.parent for part in ("libs", "services") for path in root.glob(f"{part}/*/pyproject.toml"))


def test_every_member_has_the_same_shape(root: Path) -> None:
    odd: list[str] = []
    for member in members(root):
        project = tomllib.loads((member / "pyproject.toml").read_text())
        package = "pitwire." + member.name.replace("-", "_")
        folder = member / "src" / Path(*package.split("."))
        facts = {
            "is named after its folder": project["project"]["name"] == f"pitwire-{member.name}",
            "builds with uv_build": project["build-system"]["build-backend"] == "uv_build",
            "builds its own package": project["tool"]["uv"]["build-backend"]["module-name"] == package,
            "wants the same Python": project["project"]["requires-python"] == ">=3.11",
            "holds no tool settings": set(project["tool"]) == {"uv"},
            "is typed": (folder / "py.typed").exists(),
            "leaves the namespace open": not (member / "src" / "pitwire" / "__init__.py").exists(),
            "has tests": any((member / "tests").glob("**/test_*.py")),
            "has a short README": 3 <= len((member / "README.md").read_text().splitlines()) <= README_LINES_MAX,
        }
        odd += [f"{member.name}: not true that it {fact}" for fact, holds in facts.items() if not holds]
    assert not odd, "\n".join(odd)


def test_every_service_can_be_started_alone(root: Path) -> None:
    services = [member for member in members(root) if member.parent.name == "services"]
    assert [s.name for s in services if not list(s.glob("src/pitwire/*/__main__.py"))] == []


def test_the_page_of_every_service_of_the_bus_says_what_goes_in_and_out_and_what_it_keeps(root: Path) -> None:
    pages = {
        path.parent.name: path.read_text(encoding="utf-8")
        for path in root.glob("services/*/README.md")
        if path.parent.name != "venue-sim"
    }
    lacking = {
        name: [word for word in ("**In:**", "**Out:**", "**State:**") if word not in text]
        for name, text in pages.items()
    }
    assert {name: words for name, words in lacking.items() if words} == {}


def test_every_module_is_tested(sources: list[Source]) -> None:
    """By a test named after it, by a test that imports it, or as part of a neighbour that a test imports."""
    tested: set[str] = set()
    for source in sources:
        if source.path.name.startswith(("test_", "conftest")):
            tested |= imported(source.tree) | {f"{member_of(source.name)}:{source.path.stem.removeprefix('test_')}"}
    for source in [s for s in sources if s.is_product and module_name(s.name) in tested]:
        folder = source.name.split("/src/")[1].rpartition("/")[0].replace("/", ".")
        tested |= {name for name in imported(source.tree) if name.rpartition(".")[0] == folder}
    untested = [
        source.name
        for source in sources
        if source.is_product
        and source.path.stem not in EXEMPT
        and not any(folder in source.name for folder in EXEMPT_FOLDERS)
        and module_name(source.name) not in tested
        and f"{member_of(source.name)}:{source.path.stem}" not in tested
    ]
    assert not untested, "\n".join(untested)


def test_import_contracts_hold(root: Path) -> None:
    program = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", program, "--no-cache"], cwd=root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def member_of(name: str) -> str:
    return "/".join(name.split("/")[:2])


def module_name(name: str) -> str:
    return name.split("/src/")[1].removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def imported(tree: ast.Module) -> set[str]:
    """Every module that a test names in an import, be it as the module or as a name in its package."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found
