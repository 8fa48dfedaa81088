"""House rules on what is committed: no address of a registry, no path of a machine, a lock that fits the projects."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LOCKS = ("requirements.lock", "requirements-check.lock", "requirements-ccxt.lock")
# With a character class each, so that this file does not contain what it looks for.
FORBIDDEN = re.compile(r"pypi[.]org|pythonhosted[.]org|npmjs[.](org|com)|/w[o]rk/|/r[o]ot/|/h[o]me/\w")
BINARY = {".png", ".gz", ".ico", ".woff2", ".zst", ".parquet"}


def locked(root: Path, lock: str) -> dict[str, Version]:
    pins = re.findall(r"^([\w.-]+)==([^\s;]+)", (root / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): Version(version) for name, version in pins}


def asked_for(root: Path) -> list[tuple[str, Requirement]]:
    """Where, and what: every requirement that a project file states."""
    asked: list[tuple[str, Requirement]] = []
    for path in [root / "pyproject.toml", *root.glob("libs/*/pyproject.toml"), *root.glob("services/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text())
        name = path.relative_to(root).as_posix()
        words = [
            *project.get("project", {}).get("dependencies", []),
            *project.get("build-system", {}).get("requires", []),
        ]
        words += project.get("dependency-groups", {}).get("dev", [])
        asked += [(name, Requirement(word)) for word in words]
    return [(name, requirement) for name, requirement in asked if not requirement.name.startswith("pitwire-")]


def test_no_file_names_a_registry_or_a_path_of_a_machine(files: list[Path], root: Path) -> None:
    strays = [
        f"{path.relative_to(root)}: {match.group()}"
        for path in files
        if path.suffix not in BINARY
        for match in [FORBIDDEN.search(path.read_text(encoding="utf-8"))]
        if match
    ]
    assert not strays, "\n".join(strays)


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_has_hashes_and_no_addresses(root: Path, lock: str) -> None:
    text = (root / lock).read_text()
    entries = re.split(r"\n(?=\S)", text.strip())
    assert "://" not in text
    assert [entry.split()[0] for entry in entries if not re.match(r"[\w.-]+==\S+.*\\\n    --hash=sha256:", entry)] == []


def test_the_lock_holds_everything_that_the_projects_ask_for(root: Path) -> None:
    pins = locked(root, "requirements.lock")
    missing = [
        f"{where} asks for {requirement}; the lock has {pins.get(canonicalize_name(requirement.name), 'none')}"
        for where, requirement in asked_for(root)
        if canonicalize_name(requirement.name) not in pins
        or not requirement.specifier.contains(pins[canonicalize_name(requirement.name)], prereleases=True)
    ]
    assert not missing, "\n".join([*missing, "run `make lock`"])


def test_the_lock_of_the_checks_agrees_with_the_other(root: Path) -> None:
    pins, checks = locked(root, "requirements.lock"), locked(root, "requirements-check.lock")
    wanted = tomllib.loads((root / "pyproject.toml").read_text())["dependency-groups"]["check"]
    assert [word for word in wanted if not Requirement(word).specifier.contains(checks[Requirement(word).name])] == []
    assert {
        name: (pins[name], checks[name]) for name in pins.keys() & checks.keys() if pins[name] != checks[name]
    } == {}


def test_continuous_integration_runs_the_tests(root: Path) -> None:
    run = root / ".ci" / "run"
    assert run.stat().st_mode & 0o111
    assert run.read_text().rstrip().endswith("make test")
