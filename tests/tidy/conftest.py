"""What the house rules look at: the files of the project as Git would commit them."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SKIPPED = {"__pycache__", "node_modules", "build", "dist"}
HIDDEN_BUT_OURS = {".ci", ".github"}


@dataclass(frozen=True)
class Source:
    """One Python file: `name` is its path from the root of the project."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def is_product(self) -> bool:
        """Shipped code, not a test or a benchmark."""
        return "/src/" in self.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.name)


def project_files() -> list[Path]:
    """Every file that belongs to the project, none that a tool or a run left behind."""
    found: list[Path] = []
    pending = [ROOT]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            hidden = path.name.startswith(".") and path.name not in HIDDEN_BUT_OURS
            if path.is_dir():
                if not hidden and path.name not in SKIPPED and not path.name.endswith(".egg-info"):
                    pending.append(path)
            elif path.name not in {"uv.lock", ".coverage", ".git"}:
                found.append(path)
    return found


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def files() -> list[Path]:
    return project_files()


@pytest.fixture(scope="session")
def sources(files: list[Path]) -> list[Source]:
    return [Source(path) for path in files if path.suffix == ".py"]
