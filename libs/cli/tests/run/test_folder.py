"""Run folders: a fresh number each time, old ones removed, the newest one again with keep."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.cli.run.folder import RUNS_KEPT_MAX, newest_run, open_run, runs_in
from pitwire.common.errors import ConfigError


def test_each_run_gets_the_next_number(tmp_path: Path) -> None:
    assert [open_run(tmp_path, keep=False).name for _ in range(3)] == ["1", "2", "3"]


def test_keeps_the_named_number_of_finished_runs_beside_the_new_one(tmp_path: Path) -> None:
    for _ in range(RUNS_KEPT_MAX + 12):
        open_run(tmp_path, keep=False)
    left = [int(path.name) for path in runs_in(tmp_path)]
    assert left == list(range(12, 12 + RUNS_KEPT_MAX + 1))


def test_keep_opens_the_newest_run_by_number_not_by_name(tmp_path: Path) -> None:
    for number in ("9", "10"):
        (tmp_path / "runs" / number).mkdir(parents=True)
    assert open_run(tmp_path, keep=True).name == "10"


def test_keep_without_an_earlier_run_is_refused_and_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no earlier run"):
        open_run(tmp_path, keep=True)
    assert newest_run(tmp_path) is None


def test_a_run_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert open_run(tmp_path, keep=False).stat().st_mode & 0o077 == 0
