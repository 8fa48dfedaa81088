"""Parameter sets: every combination once, the same draw for the same seed; finished runs survive a kill."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.backtest.adapters.bench import Bench
from pitwire.backtest.adapters.files import Files
from pitwire.backtest.adapters.pool import run_all
from pitwire.backtest.adapters.results import Results
from pitwire.backtest.core.job import Job
from pitwire.backtest.core.sweep import drawn, grid, key_of, values_of
from pitwire.common.errors import UsageError

SPACE = {"fast": ("3", "5"), "slow": ("9", "12", "20")}


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("5,10,20", "5 10 20"),
        ("10:30:10", "10 20 30"),
        ("0:0.3:0.1", "0 0.1 0.2 0.3"),
        ("1:3", "1 2 3"),
        ("a,a,b", "a b"),
    ],
)
def test_values_are_listed_or_counted(word: str, values: str) -> None:
    assert values_of(word) == tuple(values.split())


@pytest.mark.parametrize("word", ["", "1:9:0", "9:1:1", "1:2:3:4", "1:1e99:1", "a:b"])
def test_values_that_say_nothing_are_refused(word: str) -> None:
    with pytest.raises(UsageError, match="expected"):
        values_of(word)


def test_a_grid_is_every_combination_once() -> None:
    assert [" ".join(each.values()) for each in grid(SPACE)] == ["3 9", "3 12", "3 20", "5 9", "5 12", "5 20"]


def test_too_many_combinations_are_refused_with_the_way_out() -> None:
    with pytest.raises(UsageError, match="draw some of them with --random"):
        grid({name: tuple(map(str, range(1_000))) for name in "abc"})


@given(count=st.integers(1, 10), seed=st.integers(0, 100))
def test_a_draw_is_of_different_combinations_and_the_same_for_the_same_seed(count: int, seed: int) -> None:
    found = drawn(SPACE, count, seed=seed)
    assert found == drawn(SPACE, count, seed=seed)
    assert len({key_of(each) for each in found}) == len(found) == min(count, 6)
    assert all(each in grid(SPACE) for each in found)


def test_finished_runs_are_read_back_and_a_torn_last_line_is_run_again(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = Results(path, job="j")
    for number in range(3):
        results.add({"params": {"n": str(number)}, "metrics": {"sharpe": number}})
    results.close()
    path.write_bytes(path.read_bytes()[:-5])
    again = Results(path, job="j")
    assert list(again.rows) == ['{"n":"0"}', '{"n":"1"}']
    again.add({"params": {"n": "2"}})
    again.close()
    assert path.read_bytes().count(b"\n") == 1 + 3
    last = Results(path, job="j")
    last.close()
    assert last.sweep == results.sweep
    assert list(last.rows) == ['{"n":"0"}', '{"n":"1"}', '{"n":"2"}']


def test_results_of_another_job_are_not_mixed_in(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    Results(path, job="j").close()
    with pytest.raises(UsageError, match="of another strategy, data, capital or fills"):
        Results(path, job="k")


def test_a_file_of_something_else_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("my notes\n")
    with pytest.raises(UsageError, match="not the results of a sweep"):
        Results(path, job="j")
    assert path.read_text() == "my notes\n"


def test_a_run_of_a_sweep_is_the_run_of_its_parameters(tmp_path: Path) -> None:
    rows = [f"{1_704_067_200_000 + 60_000 * n},{c},{c + 1},{c - 1},{c},5" for n in range(300) for c in [100 + n % 40]]
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text("\n".join(["open_time_ms,open,high,low,close,volume", *rows]) + "\n")
    job = Job.model_validate(
        {"strategies": [{"name": "m", "type": "momentum", "params": {"cooldown": 0}}], "data": [str(path)]}
    )
    bench = Bench(job, Files(()), 2)
    fine, refused = bench.run({"fast": "3", "slow": "9"}), bench.run({"fast": "9", "slow": "3"})
    assert fine["metrics"]["trades"] > 2
    assert fine == bench.run({"fast": "3", "slow": "9"})
    assert "fast is 9, expected less than slow" in refused["error"]
    todo = [{"fast": "3", "slow": "9"}, {"fast": "9", "slow": "3"}]
    assert list(run_all(job, Files(()), todo, workers=2)) == [fine, refused]
