"""No decision knows the future: proven for the shipped strategies, and a strategy that cheats is caught."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from services.backtest.tests.runs import run, walk

from pitwire.backtest.core.candles import Bar, Candles
from pitwire.backtest.core.engine import Run
from pitwire.backtest.core.lookahead import check_lookahead, cut_times, rows_until
from pitwire.strategy import Decision, Hold, Target
from pitwire.strategy.strategies.mean_reversion import MeanReversion, MeanReversionParams
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams


class Clairvoyant:
    """Looks up the next close in the columns behind its candle."""

    def on_candle(self, candle: Bar, portfolio: Any) -> Decision:
        series, row = candle.candles, candle.row
        rises = row + 1 < len(series) and series.close[row + 1] > series.close[row]
        return (
            Target(Decimal(1 if rises else 0), "I know") if rises is not portfolio.holds(series.name) else Hold("kept")
        )


def momentum() -> Momentum:
    return Momentum(MomentumParams(fast=3, slow=8, threshold_percent=0, cooldown=0))


def reversion() -> MeanReversion:
    return MeanReversion(MeanReversionParams(length=10, edge_percent_min=0))


@pytest.mark.parametrize("make", [momentum, reversion])
def test_shipped_strategies_decide_the_same_wherever_the_data_ends(make: Any) -> None:
    series = [walk(600), walk(500, seed=2, instrument_id="ETH-USDT.sim", first=50)]
    whole = run(series, make())
    checked = check_lookahead(series, whole, lambda shorter: run(shorter, make()))
    assert checked.differences == ()
    assert (checked.cuts >= 20, checked.decisions > 100) == (True, True)


def test_a_strategy_that_looks_ahead_is_caught_and_told_where() -> None:
    series = [walk(200)]

    def again(shorter: Sequence[Candles]) -> Run:
        return run(shorter, Clairvoyant())

    checked = check_lookahead(series, again(series), again)
    assert checked.differences
    assert "with later candles: APPROVED" in checked.differences[0].text


def test_data_is_cut_after_candles_that_have_closed() -> None:
    series = walk(10)
    close_ns = series.open_ns[3] + series.step_ns
    assert (rows_until(series, close_ns), rows_until(series, close_ns - 1), rows_until(series, 0)) == (4, 3, 0)


def test_a_run_of_one_candle_has_no_cut_that_matters() -> None:
    assert cut_times(run([walk(1)], momentum()), 20) == (walk(1).open_ns[0] + 1,)
