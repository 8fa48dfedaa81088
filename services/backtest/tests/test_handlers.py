"""A job from files to its document: as a function, and on recorded candles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from services.backtest.tests.runs import recorded

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.job import Job
from pitwire.backtest.handlers.running import prove_no_lookahead, run_job
from pitwire.common.clock import ManualClock
from pitwire.common.errors import ConfigError

HERE = Path(__file__).parent
OWN = """
from decimal import Decimal
from pitwire.strategy import Hold, Params, Target

class AlwaysParams(Params):
    quantity: Decimal = Decimal("0.5")

class Always:
    def __init__(self, params: AlwaysParams) -> None:
        self.params = params

    def on_candle(self, candle, portfolio):
        return Target(self.params.quantity, "always")
"""


def csv(folder: Path, closes: list[float], name: str = "BTCUSDT_1m.csv") -> str:
    start = 1_704_067_200_000
    rows = [f"{start + 60_000 * n},{c},{c + 1},{c - 1},{c},5" for n, c in enumerate(closes)]
    path = folder / name
    path.write_text("\n".join(["open_time_ms,open,high,low,close,volume", *rows]) + "\n")
    return str(path)


def job(data: str | list[str], kind: str, **changed: Any) -> Job:
    params = changed.pop("params", {})
    words = [data] if isinstance(data, str) else data
    return Job.model_validate(
        {"strategies": [{"name": "one", "type": kind, "params": params}], "data": words, **changed}
    )


def test_a_strategy_of_ones_own_runs_by_its_path(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    outcome = run_job(
        job(csv(tmp_path, [100.0, 101, 102]), "own.py:Always", params={"quantity": "0.25"}),
        sources=Files((tmp_path,)),
        clock=ManualClock(),
    )
    document = outcome.document
    assert list(document) == ["metrics", "trades", "equity", "bars", "seconds"]
    assert [(trade["side"], trade["quantity"], trade["price"]) for trade in document["trades"]] == [
        ("BUY", "0.25", "101")
    ]
    assert document["bars"] == len(document["equity"]) == 3


def test_the_limits_of_a_job_are_the_gates(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    narrow = {
        "order_value_max": "10",
        "position_value_max": "10",
        "open_positions_max": 1,
        "daily_loss_max_percent": "5",
        "drawdown_max_percent": "5",
        "instruments_allowed": ["ETH-USDT.sim"],
    }
    outcome = run_job(
        job(csv(tmp_path, [100.0, 101, 102]), "own.py:Always", limits=narrow),
        sources=Files((tmp_path,)),
        clock=ManualClock(),
    )
    assert outcome.document["metrics"]["denials"] == {"ORDER_VALUE_EXCEEDED": 3}


def test_an_instrument_that_is_not_in_the_data_is_refused(tmp_path: Path) -> None:
    wrong = Job.model_validate(
        {
            "strategies": [{"name": "one", "type": "momentum", "instruments": ["ETH-USDT.sim"]}],
            "data": [csv(tmp_path, [100.0])],
        }
    )
    with pytest.raises(ConfigError, match=r"ETH-USDT\.sim is not among the data; there is BTC-USDT\.sim"):
        run_job(wrong, sources=Files(()), clock=ManualClock())


@pytest.mark.parametrize("kind", ["momentum", "mean_reversion"])
def test_recorded_candles_of_2024_give_the_document_and_no_look_ahead(kind: str) -> None:
    files = [str(path) for path in recorded("binance_spot_2024/*USDT_1h_*")]
    outcome = run_job(job(files, kind), sources=Files(()), clock=ManualClock())
    document = outcome.document
    assert document["bars"] == 4 * 5_376
    assert len(document["equity"]) == 5_376
    assert document["metrics"]["trades"] > 20
    assert set(document["metrics"]["denials"]) <= {"INSUFFICIENT_BALANCE"}, "four instruments share one capital"
    assert document["metrics"]["alarms"] == []
    few = job(files[:1], kind)
    checked = prove_no_lookahead(run_job(few, sources=Files(()), clock=ManualClock()), Files(()))
    assert checked.decisions > 0
    assert checked.differences == ()
