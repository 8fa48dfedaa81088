"""From a job to an engine: shares of capital, limits, instruments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from services.backtest.tests.runs import Scripted, walk

from pitwire.backtest.core.assembly import engine_of
from pitwire.backtest.core.job import Job
from pitwire.common.errors import ConfigError

ETH = "ETH-USDT.sim"
NARROW = {
    "order_value_max": "10",
    "position_value_max": "10",
    "open_positions_max": 1,
    "daily_loss_max_percent": "5",
    "drawdown_max_percent": "5",
    "instruments_allowed": ["SOL-USDT.sim"],
}


def job(*strategies: dict[str, Any], **changed: Any) -> Job:
    named = [{"name": f"s{number}", "type": "momentum", **each} for number, each in enumerate(strategies)]
    return Job.model_validate({"strategies": named, "data": ["x.csv"], **changed})


def test_capital_is_shared_in_equal_parts_unless_a_strategy_has_its_own() -> None:
    asked = job({}, {"capital": "70000"}, {}, capital="100000")
    state = engine_of(asked, [walk(3)], lambda each: Scripted({})).state
    assert [state.strategy_capital(f"s{n}") for n in range(3)] == [Decimal("33333.33"), 70_000, Decimal("33333.33")]
    assert state.cash == 100_000


def test_limits_hold_for_the_instruments_of_the_run_and_marks_may_be_two_candles_old() -> None:
    series = [walk(3), walk(3, instrument_id=ETH)]
    wide = engine_of(job({}), series, lambda each: Scripted({})).state.limits
    narrow = engine_of(job({}, limits=NARROW), series, lambda each: Scripted({})).state.limits
    assert wide is not None
    assert narrow is not None
    assert wide.instruments_allowed == narrow.instruments_allowed == (series[0].name, ETH)
    assert [wide.order_value_max, narrow.order_value_max] == [Decimal(100_000_000), Decimal(10)]
    assert wide.mark_age_max_ms == 120_000


def test_an_instrument_without_candles_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"ETH-USDT\.sim is not among the data"):
        engine_of(job({"instruments": [ETH]}), [walk(3)], lambda each: Scripted({}))
