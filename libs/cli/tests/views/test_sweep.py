"""`pitwire sweep`: all cores, ranked, goes on after kill -9 with each run exactly once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from pitwire.cli.views.backtest import Asked
from pitwire.cli.views.sweep import Space, run_sweep, workers_of
from pitwire.common.errors import UsageError

ROOT = Path(__file__).parents[4]
DEADLINE_S = 120
HEAD = 1
"""Lines before the results: what they are of."""


@pytest.fixture
def data(tmp_path: Path) -> str:
    rows = [f"{1_704_067_200_000 + 60_000 * n},{c},{c + 1},{c - 1},{c},5" for n in range(900) for c in [100 + n % 40]]
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text("\n".join(["open_time_ms,open,high,low,close,volume", *rows]) + "\n")
    return str(path)


def words(data: str, results: Path) -> list[str]:
    command = [sys.executable, "-m", "pitwire.cli", "sweep", "--strategy", "momentum", "--data", data]
    return [
        *command,
        "-g",
        "fast=3:8",
        "-g",
        "slow=9,15",
        "--results",
        str(results),
        "--workers",
        "2",
        "-o",
        "json",
    ]


@pytest.mark.timeout(3 * DEADLINE_S)
def test_a_sweep_that_was_killed_goes_on_and_has_each_run_once(data: str, tmp_path: Path) -> None:
    results = tmp_path / "results.jsonl"
    first = subprocess.Popen(words(data, results), stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + DEADLINE_S
    while not (results.exists() and results.read_bytes().count(b"\n") >= HEAD + 2):
        assert time.monotonic() < deadline
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    done_before = results.read_bytes().count(b"\n") - HEAD
    second = subprocess.run(words(data, results), capture_output=True, text=True)
    assert second.returncode == 0, second.stderr
    document = orjson.loads(second.stdout)
    sets = [tuple(run["params"].values()) for run in document["runs"]]
    assert len(sets) == len(set(sets)) == 12
    assert results.read_bytes().count(b"\n") == HEAD + 12
    assert document["bars"] <= (12 - done_before) * 900, "finished runs are not run again"
    ranks = [run["metrics"]["sharpe"] for run in document["runs"] if run.get("metrics", {}).get("sharpe") is not None]
    assert ranks == sorted(ranks, reverse=True)


def asked(data: str, *strategies: str) -> Asked:
    return Asked(strategies, (data,), (), "100000", {}, None, ROOT / "pitwire.toml")


@pytest.mark.parametrize("word", ["fast", "=3", "fast="])
def test_a_grid_that_says_nothing_is_refused(data: str, word: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        run_sweep(asked(data, "momentum"), Space((word,), None, 1, "sharpe", None, 1))


def test_a_sweep_varies_one_strategy(data: str) -> None:
    with pytest.raises(UsageError, match="give --strategy once"):
        run_sweep(asked(data, "momentum", "mean_reversion"), Space(("fast=3",), None, 1, "sharpe", None, 1))


@pytest.mark.parametrize(("word", "found"), [(None, (None, False)), ("3", (3, False)), ("bus", (None, True))])
def test_workers_are_counted_or_those_on_the_bus(word: str | None, found: tuple[int | None, bool]) -> None:
    assert workers_of(word) == found


@pytest.mark.parametrize("word", ["0", "257", "-1", "many", ""])
def test_other_words_for_workers_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="expected a number from 1 to 256, or bus"):
        workers_of(word)
