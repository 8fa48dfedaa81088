"""Timers: on the market clock, with the events a strategy has a method for, and not before the history is there."""

from __future__ import annotations

from decimal import Decimal

from pitwire.common.enums import Side
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.market import Candle, Trade
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing.journal import BTC, ETH, START_NS, STRATEGY, Journal
from pitwire.common.testing.market import MARKET_START_NS, MINUTE_NS, candle, definition, quote, trade
from pitwire.strategy import Hold, Order, Portfolio
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.outputs import Cause, Outputs
from pitwire.strategy.core.runner import Runner


def runner(strategy: object, *instruments: str) -> Runner:
    instruments = instruments or (BTC,)
    journal = Journal()
    journal.start()
    spec = Spec(STRATEGY, "main", Decimal(10_000), instruments, "1m", ttl_ns=2_000_000_000)
    return Runner(spec, strategy, journal.state, InstrumentRegistry(tuple(map(definition, instruments))))


def cause() -> Cause:
    return Cause(START_NS)


def fresh(minute: int, close: str = "100", instrument_id: str = BTC) -> Candle:
    return candle(minute, close, ts_recv_ns=START_NS, instrument_id=instrument_id)


def sides(outputs: Outputs) -> list[Side]:
    return [intent.side for intent in outputs.intents if isinstance(intent, OrderIntent)]


def test_no_timer_runs_on_ticks_before_the_history_is_there() -> None:
    class Timed:
        timer_seconds = 60
        history = 2

        def on_timer(self, ts_market_ns: int, portfolio: Portfolio) -> Order:
            return Order(side=Side.BUY, quantity=Decimal(1), reason="tick")

    run = runner(Timed())
    early = [
        run.on_tick(quote("100", "101", ts_event_ns=MARKET_START_NS + minute * MINUTE_NS, ts_recv_ns=START_NS), cause())
        for minute in range(3)
    ]
    assert [sides(each) for each in early] == [[], [], []]
    assert [sides(run.on_candle(fresh(minute), cause())) for minute in range(3)] == [[], [], [Side.BUY]]


def test_a_timer_buys_nothing_of_an_instrument_that_is_warming_up_though_another_is_warm() -> None:
    class Timed:
        timer_seconds = 60
        history = 2

        def on_candle(self, candle: Candle, portfolio: Portfolio) -> None: ...

        def on_timer(self, ts_market_ns: int, portfolio: Portfolio) -> list[Order]:
            return [Order(Side.BUY, Decimal(1), "due", instrument_id=name) for name in (BTC, ETH)]

    for live in (True, False):
        run = runner(Timed(), BTC, ETH)

        def shown(each: Candle, run: Runner = run, live: bool = live) -> list[str]:
            run.portfolio.prices[each.instrument_id] = each.close
            outputs = run.on_candle(each, cause()) if live else run.on_bar(each, lambda _: cause())
            intents = outputs.intents if outputs else []
            return [intent.instrument_id for intent in intents if isinstance(intent, OrderIntent)]

        eth = [fresh(minute, instrument_id=ETH) for minute in range(3)]
        assert [shown(each) for each in (fresh(0), *eth)] == [[], [], [], [ETH]]
        assert [shown(fresh(minute)) for minute in (1, 3)] == [[], [BTC, ETH]]


def test_a_timer_fires_with_events_its_strategy_has_a_method_for_and_with_no_others() -> None:
    """Who else runs in the process, and asks for ticks, changes neither its timers nor the prices it sizes by."""

    class Timed:
        timer_seconds = 60

        def __init__(self) -> None:
            self.at: list[int] = []

        def on_timer(self, ts_market_ns: int, portfolio: Portfolio) -> Hold:
            self.at.append((ts_market_ns - MARKET_START_NS) // MINUTE_NS)
            return Hold("tick")

    class Hearing(Timed):
        def on_trade(self, trade: Trade, portfolio: Portfolio) -> None:
            return None

    deaf, hearing = Timed(), Hearing()
    for strategy in (deaf, hearing):
        run = runner(strategy)
        run.on_candle(fresh(0), cause())
        run.on_tick(trade(1, "90", ts_event_ns=MARKET_START_NS + 2 * MINUTE_NS, ts_recv_ns=START_NS), cause())
        run.on_candle(fresh(2), cause())
    assert (deaf.at, hearing.at) == ([3], [2, 3])
    run = runner(deaf)
    run.on_candle(fresh(0, "100"), cause())
    run.on_tick(trade(1, "90", ts_recv_ns=START_NS), cause())
    assert run.portfolio.prices == {BTC: 100}
