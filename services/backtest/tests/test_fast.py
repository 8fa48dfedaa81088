"""The compiled path gives the engine's trades, bar by bar, or says that only the engine can.

Recorded files are compared as far as `ROWS`; with PITWIRE_CAMPAIGN in the environment, whole.
"""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest
from services.backtest.tests.runs import CAPITAL, limits, recorded, walk

from pitwire.backtest.adapters.bench import COMPILED_FROM, Bench
from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.assembly import engine_of, why_not_compiled
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run
from pitwire.backtest.core.fast import FastPath
from pitwire.backtest.core.fills import FeeTier, FillModel
from pitwire.backtest.core.job import Job, StrategyJob
from pitwire.strategy.core.arrays import ArrayForm

FILES: Final = Files((Path(),))
WHOLE: Final = "PITWIRE_CAMPAIGN" in os.environ
ROWS: Final = 600
LEFT_MAX: Final = 2
LEFT_MAX_WHOLE: Final = 8
"""Files with a run left to the engine: in a whole one it is likelier that an order stands on the edge of a lot."""

EVERY_CROSS: Final = {"fast": 5, "slow": 12, "threshold_percent": 0.0, "cooldown": 0}
OFTEN: Final = {"length": 10, "entry_deviations": 1.0, "stop_deviations": 1.5, "edge_percent_min": 0.0}
SETS: Final[list[tuple[str, dict[str, Any]]]] = [
    ("momentum", {}),
    ("momentum", EVERY_CROSS),
    ("momentum", EVERY_CROSS | {"threshold_percent": 0.02, "cooldown": 7, "size_percent": "33.3"}),
    ("mean_reversion", {}),
    ("mean_reversion", OFTEN),
    ("mean_reversion", OFTEN | {"risk_percent": "0.01", "size_percent_max": "90"}),
]


def job_of(kind: str, params: dict[str, Any], **changed: Any) -> Job:
    strategy = StrategyJob(name="s", type=kind, params=params)
    return Job(strategies=(strategy,), data=("-",), capital=CAPITAL, **changed)


def form_of(job: Job) -> ArrayForm:
    strategy: Any = FILES.strategy(job.strategies[0])
    found: ArrayForm = strategy.arrays()
    return found


def compiled(series: Candles, job: Job) -> Run | None:
    return FastPath(series, job.fills, job.capital).run(form_of(job), "s")


def check_same(series: Candles, job: Job) -> int:
    """Both paths, compared in all that they leave behind; gives the number of fills."""
    by_events, by_arrays = engine_of(job, [series], FILES.strategy).run(), compiled(series, job)
    assert by_arrays is not None
    assert by_arrays.trades == by_events.trades
    assert by_arrays.equity == by_events.equity
    for figure in ("open_ns", "bars", "intents", "exposed", "denials", "alarms", "limit_breaches"):
        assert getattr(by_arrays, figure) == getattr(by_events, figure), figure
    return len(by_events.trades)


@pytest.mark.parametrize(("kind", "params"), SETS)
def test_a_random_walk_gives_the_trades_of_the_engine(kind: str, params: dict[str, Any]) -> None:
    assert check_same(walk(3_000, seed=7), job_of(kind, params)) > 5


@pytest.mark.parametrize(("kind", "params"), [("momentum", EVERY_CROSS), ("mean_reversion", OFTEN)])
def test_spread_slippage_and_fees_are_those_of_the_engine(kind: str, params: dict[str, Any]) -> None:
    model = FillModel(spread_bps=Decimal(3), slippage_bps=Decimal("1.7"), taker_bps=Decimal("7.5"))
    assert check_same(walk(2_000, seed=3), job_of(kind, params, fills=model)) > 50


@pytest.mark.timeout(0 if WHOLE else 120)
def test_recorded_candles_give_the_trades_of_the_engine() -> None:
    """A quantity that is exactly whole (20 % of 100,000 at a price of 1) is left to the engine: a stablecoin or two."""
    fills, left = 0, list[str]()
    for path in [each for each in recorded("**/*.csv*") if "quote" not in each.name]:
        series = FILES.candles([str(path)])[0]
        series = series if WHOLE else series.until(ROWS)
        for kind, params in SETS if WHOLE else (SETS[1], SETS[4]):
            job = job_of(kind, params)
            if compiled(series, job) is None:
                left.append(f"{path.name} {kind} {params}")
            else:
                fills += check_same(series, job)
    assert fills >= 1_000
    assert len({name.partition(" ")[0] for name in left}) <= (LEFT_MAX_WHOLE if WHOLE else LEFT_MAX), left


def test_what_a_balance_may_not_pay_for_is_for_the_engine() -> None:
    assert compiled(walk(2_000), job_of("momentum", EVERY_CROSS | {"size_percent": 100})) is None


def test_a_quantity_that_floats_cannot_tell_from_the_next_is_for_the_engine() -> None:
    """A capital of so many lots that a double has no digits left for the question."""
    job = job_of("momentum", EVERY_CROSS)
    assert FastPath(walk(2_000), job.fills, Decimal(10) ** 14).run(form_of(job), "s") is None


def test_orders_below_the_venues_minimum_are_not_made() -> None:
    small = walk(2_000, seed=2)
    small.instrument = small.instrument.model_copy(update={"min_notional": CAPITAL})
    assert check_same(small, job_of("momentum", EVERY_CROSS)) == 0


def test_more_digits_than_whole_ticks_can_hold_are_refused() -> None:
    series = walk(100)
    series.close[50] = 1.0 / 3.0
    with pytest.raises(ValueError, match="more than 10 decimals"):
        FastPath(series, FillModel(), CAPITAL)


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"limits": limits()}, "limits"),
        ({"fills": FillModel(latency_ms=1)}, "latency"),
        ({"fills": FillModel(volume_share=0.1)}, "volume"),
        ({"fills": FillModel(impact_bps=Decimal(1))}, "volume"),
        (
            {"fills": FillModel(tiers=(FeeTier(volume_min=CAPITAL, maker_bps=Decimal(0), taker_bps=Decimal(1)),))},
            "traded before",
        ),
        ({}, ""),
    ],
)
def test_what_only_the_engine_can_do_has_a_reason(changed: dict[str, Any], why: str) -> None:
    found = why_not_compiled(job_of("momentum", {}, **changed), [walk(10)])
    assert why in found
    assert bool(found) is bool(why)


def test_a_short_sweep_is_not_worth_a_compiler() -> None:
    bench = Bench(job_of("momentum", EVERY_CROSS), FILES, runs=2)
    bench.__dict__["candles"] = [walk(100)]
    assert bench.run({})["path"] == "events"


def test_several_instruments_are_for_the_engine() -> None:
    assert "several" in why_not_compiled(job_of("momentum", {}), [walk(10), walk(10, instrument_id="ETH-USDT.sim")])


def test_a_row_of_a_sweep_says_which_path_made_it_and_has_the_same_figures() -> None:
    series = walk(2_000)
    rows = []
    for changed in ({}, {"limits": limits()}):
        bench = Bench(job_of("momentum", EVERY_CROSS, **changed), FILES, runs=COMPILED_FROM)
        bench.__dict__["candles"] = [series]
        rows.append(bench.run({"slow": "20"}))
    assert [row["path"] for row in rows] == ["arrays", "events"]
    assert rows[0]["metrics"] == rows[1]["metrics"]
