"""`pitwire backtest`: its words, its document, its exit codes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from pitwire.cli.commands import research
from pitwire.cli.output import Table
from pitwire.cli.views.backtest import Asked, job_of, run_backtest
from pitwire.common.errors import UsageError

CONFIG = Path(__file__).parents[4] / "pitwire.toml"
CHEAT = """
from decimal import Decimal
from pitwire.strategy import Target

class Cheat:
    def on_candle(self, candle, portfolio):
        series, row = candle.candles, candle.row
        rises = row + 1 < len(series) and series.close[row + 1] > series.close[row]
        return Target(Decimal(1 if rises else 0), "I know")
"""


@pytest.fixture
def data(tmp_path: Path) -> str:
    closes = [100.0 + (n % 40) / 2 for n in range(900)]
    rows = [f"{1_704_067_200_000 + 60_000 * n},{c},{c + 1},{c - 1},{c},5" for n, c in enumerate(closes)]
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text("\n".join(["open_time_ms,open,high,low,close,volume", *rows]) + "\n")
    return str(path)


def asked(data: str, *strategies: str, **changed: Any) -> Asked:
    values: dict[str, Any] = {
        "strategies": strategies or ("momentum",),
        "data": (data,),
        "params": ("fast=3", "slow=9"),
        "capital": "100000",
        "fills": {"taker_bps": "10", "volume_share": None},
        "account": None,
        "config": CONFIG,
    }
    return Asked(**(values | changed))


def pitwire(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "pitwire.cli", "backtest", *words], capture_output=True, text=True)


def test_the_command_prints_one_document(data: str) -> None:
    words = ("--strategy", "momentum", "--data", data, "--param", "fast=3", "--param", "slow=9", "--fees-bps", "1")
    done = pitwire(*words, "--slippage-bps", "2", "-o", "json")
    assert done.returncode == 0, done.stderr
    document = orjson.loads(done.stdout)
    assert list(document) == ["metrics", "trades", "equity", "bars", "seconds"]
    assert document["bars"] == 900
    assert document["trades"]


def test_people_get_figures_and_the_last_fills(data: str) -> None:
    reply = run_backtest(asked(data))
    assert any("candles in" in part for part in reply.parts if isinstance(part, str))
    assert reply.code == 0
    fills = next(part for part in reply.parts if isinstance(part, Table) and "fills" in part.title)
    realised = [row[-1] for row in fills.rows]
    assert any("." in cell for cell in realised)
    assert max(len(cell.partition(".")[2]) for cell in realised) <= 8, "as many digits as the other commands show"


def test_bad_data_is_named_and_exits_with_two(tmp_path: Path) -> None:
    path = tmp_path / "BTCUSDT_1m.csv"
    path.write_text("open_time_ms,open,high,low,close,volume\n1704067200000,1,1,2,1,1\n")
    done = pitwire("--strategy", "momentum", "--data", str(path), "-o", "json")
    assert done.returncode == 2
    assert "line 2: open 1 or close 1 lies outside low 2 to high 1" in orjson.loads(done.stdout)["error"]["text"]


def test_a_look_into_the_future_exits_with_one(data: str, tmp_path: Path) -> None:
    (tmp_path / "cheat.py").write_text(CHEAT)
    own = f"{tmp_path / 'cheat.py'}:Cheat"
    done = pitwire("--strategy", own, "--data", data, "--check-lookahead", "-o", "json")
    assert done.returncode == 1
    assert orjson.loads(done.stdout)["differences"]


def test_an_honest_strategy_passes_the_check(data: str) -> None:
    reply = run_backtest(asked(data), check_lookahead=True)
    assert reply.code == 0
    assert isinstance(reply.document, dict)
    assert reply.document["differences"] == []


def test_parameters_go_to_the_strategy_they_name(data: str) -> None:
    job = job_of(asked(data, "momentum", "mean_reversion", params=("momentum.fast=4", "mean_reversion.length=30")))
    assert [dict(each.params) for each in job.strategies] == [{"fast": "4"}, {"length": "30"}]


@pytest.mark.parametrize("param", ["fast", "=3", "other.fast=3"])
def test_a_parameter_that_names_nothing_is_refused(data: str, param: str) -> None:
    with pytest.raises(UsageError, match="expected name=value or strategy.name=value"):
        job_of(asked(data, params=(param,)))


def test_the_limits_of_an_account_can_be_used(data: str) -> None:
    job = job_of(asked(data, account="main"))
    assert job.limits is not None
    assert job.limits.order_value_max == 10_000
    with pytest.raises(UsageError, match="--account nobody: not in"):
        job_of(asked(data, account="nobody"))


def test_a_wrong_assumption_is_named(data: str) -> None:
    with pytest.raises(UsageError, match=r"fills\.limit_fill"):
        job_of(asked(data, fills={"limit_fill": "magic"}))


def test_the_help_says_what_is_assumed_and_what_is_printed() -> None:
    text = pitwire("--help").stdout
    assert research.backtest.__doc__ is not None
    assert all(option in text for option in ("--fees-bps", "--slippage-bps", "--limit-fill", "--check-lookahead"))
