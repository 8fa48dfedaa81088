"""A host that shows bars one by one, as a backtest does, gets the intents that live would get from the same candles."""

from __future__ import annotations

import math
import random
from decimal import Decimal

import pytest

from pitwire.common import money
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.market import Candle
from pitwire.common.testing.journal import BTC, START_NS, STRATEGY, Journal
from pitwire.common.testing.market import candle, definition
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.outputs import Cause
from pitwire.strategy.core.runner import Runner
from pitwire.strategy.strategies.mean_reversion import MeanReversion, MeanReversionParams
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams


def momentum() -> Momentum:
    return Momentum(MomentumParams(fast=3, slow=8, threshold_percent=0, cooldown=0))


def reversion() -> MeanReversion:
    return MeanReversion(MeanReversionParams(length=10, edge_percent_min=0))


def closes(count: int) -> list[Candle]:
    rng, price, found = random.Random(5), 100.0, list[Candle]()
    for minute in range(count):
        price *= math.exp(rng.gauss(0, 0.01))
        found.append(candle(minute, f"{price:.2f}", ts_recv_ns=START_NS))
    return found


def runner(strategy: object, *, explains: bool) -> Runner:
    journal = Journal()
    journal.start()
    spec = Spec(STRATEGY, "main", Decimal(10_000), (BTC,), "1m", ttl_ns=2_000_000_000)
    return Runner(spec, strategy, journal.state, InstrumentRegistry((definition(BTC),)), explains=explains)


@pytest.mark.parametrize("make", [momentum, reversion])
def test_bars_give_the_intents_that_candles_give(make: type) -> None:
    live, tested = runner(make(), explains=True), runner(make(), explains=False)
    found = 0
    for each in closes(600):
        one = live.on_candle(each, Cause(START_NS))
        tested.portfolio.prices[each.instrument_id] = each.close
        two = tested.on_bar(each, lambda _: Cause(START_NS))
        intents = [] if two is None else two.intents
        assert intents == one.intents
        assert two is None or two.traces == []
        found += len(intents)
        if one.intents:  # nobody decides here: both forget what they asked for, and go on
            for other in (live, tested):
                other.on_wall_time(START_NS + 10**12)
    assert found > 3


def test_a_ratio_rounded_up_is_never_below_the_true_one() -> None:
    third = money.ratio_up(Decimal(1), Decimal(3))
    assert money.product(third, Decimal(3)) > 1
    assert money.ratio_up(Decimal(6), Decimal(3)) == 2
    assert money.ratio_up(Decimal(0), Decimal(3)) == 0
