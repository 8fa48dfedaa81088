"""The data folder of `pitwire up`: one numbered folder per run, the oldest ones removed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from pitwire.common.errors import ConfigError

RUNS: Final = "runs"
CACHE: Final = "cache"
RUNS_KEPT_MAX: Final = 5
"""Finished runs whose journal, database and logs stay for a look; a refused one leaves nothing and counts for none."""


def runs_in(data_dir: Path) -> list[Path]:
    """Every run there is, oldest first."""
    folder = data_dir / RUNS
    if not folder.is_dir():
        return []
    return sorted((path for path in folder.iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def newest_run(data_dir: Path) -> Path | None:
    """The run that was started last; None when there was none."""
    runs = runs_in(data_dir)
    return runs[-1] if runs else None


def open_run(data_dir: Path, *, keep: bool) -> Path:
    """The folder for this run: a fresh one, or with `keep` the newest again. Call it under the data folder's lock."""
    runs = runs_in(data_dir)
    if keep:
        if not runs:
            raise ConfigError(where="--keep", what=f"{data_dir} holds no earlier run to go on with")
        return runs[-1]
    drop_oldest(data_dir)
    number = int(runs[-1].name) + 1 if runs else 1
    folder = data_dir / RUNS / str(number)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def drop_oldest(data_dir: Path) -> None:
    """Keeps the newest `RUNS_KEPT_MAX` runs. Done when a run ends, so that one that is refused pushes none out."""
    runs = runs_in(data_dir)
    for old in runs[: max(0, len(runs) - RUNS_KEPT_MAX)]:
        shutil.rmtree(old)


def forget_run(folder: Path) -> None:
    """Removes the folder of a run that was refused, so that `keep` goes on with the one before it."""
    shutil.rmtree(folder)
