"""One running strategy: what it is shown, what follows from its answers, and what is said about both."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import DataQuality, OrderType, Side
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.money import canonical
from pitwire.common.schemas.market import BookUpdate, Candle, Quote, Trade
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.common.testing.journal import BTC, ETH, START_NS, STRATEGY, Journal, order_intent
from pitwire.common.testing.market import MARKET_START_NS, MINUTE_NS, candle, definition, quote, trade
from pitwire.strategy import Cancel, Hold, Order, Portfolio, Target
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.outputs import Cause, Outputs, shown
from pitwire.strategy.core.runner import CANDLE_AGE_MAX_NS, TICK_AGE_MAX_NS, Runner

Answers = Callable[[Any, Portfolio], Any]


class Scripted:
    """Answers candles and ticks with what the test says, and writes down what it was shown."""

    def __init__(self, answer: Answers, history: int = 0) -> None:
        self.history = history
        self.answer = answer
        self.shown: list[Any] = []

    def on_candle(self, candle: Candle, portfolio: Portfolio) -> Any:
        self.shown.append(candle)
        return self.answer(candle, portfolio)

    def on_quote(self, quote: Quote, portfolio: Portfolio) -> Any:
        self.shown.append(quote)
        return self.answer(quote, portfolio)

    def on_trade(self, trade: Trade, portfolio: Portfolio) -> Any:
        self.shown.append(trade)
        return self.answer(trade, portfolio)

    def on_book(self, book: BookUpdate, portfolio: Portfolio) -> Any:
        self.shown.append(book)
        return self.answer(book, portfolio)


def always(decision: Any) -> Answers:
    return lambda _event, _portfolio: decision


def runner(strategy: object, *, journal: Journal | None = None, instruments: tuple[str, ...] = (BTC, ETH)) -> Runner:
    if journal is None:
        journal = Journal()
        journal.start()
    registry = InstrumentRegistry(tuple(definition(name) for name in instruments))
    spec = Spec(STRATEGY, "main", Decimal(10_000), instruments, "1m", ttl_ns=2_000_000_000)
    return Runner(spec, strategy, journal.state, registry)


def cause(now_ns: int = START_NS, **changed: Any) -> Cause:
    return Cause(now_ns, **changed)


def fresh(minute: int, close: str | float = "100", **changed: Any) -> Candle:
    return candle(minute, close, ts_recv_ns=START_NS, **changed)


def told(outputs: Outputs) -> list[str]:
    return [f"{trace.signal} {trace.reason}" for trace in outputs.traces]


def orders(outputs: Outputs) -> list[str]:
    return [f"{i.side} {canonical(i.quantity)}" for i in outputs.intents if isinstance(i, OrderIntent)]


# -- what a strategy is shown ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (fresh(1, closed=False), []),
        (fresh(1, interval="5m"), []),
        (fresh(1, instrument_id="XRP-USDT.sim"), []),
        (fresh(0), []),
        (fresh(1, quality=DataQuality.SUSPECT), ["HOLD candle is SUSPECT: not used"]),
        (fresh(1, quality=DataQuality.GAP), ["HOLD candle is GAP: not used"]),
    ],
)
def test_only_closed_new_good_candles_of_its_own_are_shown(wrong: Candle, reason: list[str]) -> None:
    """S-45: the same, possibly open, candle was evaluated every second. I-34."""
    strategy = Scripted(always(Hold("seen")))
    run = runner(strategy)
    run.on_candle(fresh(0), cause())
    assert told(run.on_candle(wrong, cause())) == reason
    assert strategy.shown == [fresh(0)]


def test_every_candle_is_shown_once_and_its_answer_told() -> None:
    strategy = Scripted(always(Hold("nothing to do", {"z": 1.23456789012, "q": Decimal("1.50")})))
    run = runner(strategy)
    outputs = run.on_candle(fresh(0), cause(ts_event_ns=7))
    trace = outputs.traces[0]
    assert (trace.signal, trace.reason, trace.values) == ("HOLD", "nothing to do", {"z": "1.23456789", "q": "1.5"})
    assert (trace.strategy, trace.account, trace.instrument_id, trace.ts_event_ns) == (STRATEGY, "main", BTC, 7)
    assert told(run.on_candle(fresh(1), cause())) == ["HOLD nothing to do"]
    assert told(run.on_candle(fresh(1), cause())) == []


def test_a_strategy_that_says_nothing_is_told_to_have_said_nothing() -> None:
    assert told(runner(Scripted(always(None))).on_candle(fresh(0), cause())) == ["HOLD no decision"]


def test_too_little_history_is_a_state_shown_and_not_an_error() -> None:
    """S-52."""
    strategy = Scripted(always(Target(Decimal(1), "buy")), history=3)
    run = runner(strategy)
    outputs = [run.on_candle(fresh(n), cause()) for n in range(4)]
    assert [told(each)[0] for each in outputs[:2]] == ["WARMING_UP 1 of 3 candles", "WARMING_UP 2 of 3 candles"]
    assert [orders(each) for each in outputs] == [[], [], ["BUY 1"], []]
    assert told(run.on_candle(fresh(0, instrument_id=ETH), cause())) == ["WARMING_UP 1 of 3 candles"]


def test_nothing_is_bought_of_an_instrument_that_is_warming_up_though_the_candle_of_another_asks() -> None:
    def buys_eth(event: Candle, _: Portfolio) -> Target | None:
        return Target(Decimal(1), "pair", instrument_id=ETH) if event.instrument_id == BTC else None

    run = runner(Scripted(buys_eth, history=2))
    run.on_candle(fresh(0, instrument_id=ETH), cause())
    run.on_candle(fresh(0), cause())
    early = run.on_candle(fresh(1), cause())
    assert orders(early) == []
    assert told(early) == ["HOLD pair; no order: warming up with 1 of 2 candles, only exits and cancels pass"]
    run.on_candle(fresh(1, instrument_id=ETH), cause())
    assert orders(run.on_candle(fresh(2), cause())) == ["BUY 1"]


def test_history_before_the_start_warms_up_and_never_trades() -> None:
    strategy = Scripted(always(Target(Decimal(1), "buy")), history=3)
    run = runner(strategy)
    warm = run.warm_up([candle(n, instrument_id=name) for n in range(3) for name in (BTC, ETH)], cause())
    assert (warm.intents, told(warm), len(strategy.shown)) == ([], [], 6)
    assert orders(run.on_candle(fresh(3), cause())) == ["BUY 1"]


def test_what_is_still_missing_after_the_start_is_told() -> None:
    run = runner(Scripted(always(None), history=3))
    assert told(run.warm_up([candle(0)], cause())) == ["WARMING_UP 1 of 3 candles", "WARMING_UP 0 of 3 candles"]


def test_on_start_gets_the_history_at_once() -> None:
    class Started:
        history = 2
        got: tuple[Candle, ...] = ()

        def on_start(self, history: tuple[Candle, ...]) -> None:
            self.got = history

        def on_candle(self, candle: Candle, portfolio: Portfolio) -> Hold:
            return Hold(f"knows {len(self.got)}")

    run = runner(Started())
    bad = candle(1, quality=DataQuality.SUSPECT)
    run.warm_up([candle(0), bad, candle(2), candle(2)], cause())
    assert told(run.on_candle(fresh(3), cause())) == ["HOLD knows 2"]


@pytest.mark.parametrize(
    ("late", "reason"),
    [
        (fresh(0, backfilled=True), "HOLD candles from history warm up only"),
        (candle(0, ts_recv_ns=START_NS - CANDLE_AGE_MAX_NS - 1), "HOLD candle is 10 s late: warms up only"),
    ],
)
def test_a_backfilled_or_late_candle_warms_up_only(late: Candle, reason: str) -> None:
    strategy = Scripted(always(Target(Decimal(1), "buy")))
    outputs = runner(strategy).on_candle(late, cause())
    assert (outputs.intents, told(outputs), strategy.shown) == ([], [reason], [late])


def test_a_long_backfill_is_told_once() -> None:
    run = runner(Scripted(always(None)))
    found = [run.on_candle(candle(n, backfilled=True), cause()) for n in range(50)]
    assert sum(len(each.traces) for each in found) == 1


def test_quotes_trades_and_books_reach_who_wants_them_when_fresh_and_good() -> None:
    """S-53: callbacks that existed and were never called. S-50."""
    strategy = Scripted(always(None))
    run = runner(strategy)
    book = BookUpdate(
        instrument_id=BTC, epoch="e1", sequence=1, ts_event_ns=START_NS, ts_recv_ns=START_NS,
        snapshot=True, first_update_id=1, last_update_id=1,
    )  # fmt: skip
    good = [quote("99", "101", ts_recv_ns=START_NS), trade(1, "100", ts_recv_ns=START_NS), book]
    crossed = quote("101", "99", ts_recv_ns=START_NS, quality=DataQuality.CROSSED)
    stale = trade(2, "100", ts_recv_ns=START_NS - TICK_AGE_MAX_NS - 1)
    ticks: list[Any] = [*good, crossed, stale]
    for tick in ticks:
        run.on_tick(tick, cause())
    assert strategy.shown == good


def test_a_tick_is_no_reason_to_repeat_a_reason() -> None:
    run = runner(Scripted(always(Hold("spread too wide"))))
    found = [run.on_tick(quote("99", "101", ts_recv_ns=START_NS), cause()) for _ in range(20)]
    assert sum(len(each.traces) for each in found) == 1


def test_timers_run_on_the_market_clock_once_however_much_time_passed() -> None:
    """S-57: bursts after a stall."""

    class Timed:
        timer_seconds = 120

        def __init__(self) -> None:
            self.at: list[int] = []

        def on_timer(self, ts_market_ns: int, portfolio: Portfolio) -> Hold:
            self.at.append((ts_market_ns - MARKET_START_NS) // MINUTE_NS)
            return Hold("tick")

    strategy = Timed()
    run = runner(strategy)
    for minute in (0, 1, 2, 3, 50, 51, 52, 53):
        run.on_candle(fresh(minute), cause())
    assert strategy.at == [2, 4, 51, 52, 54]


def test_what_is_told_at_the_start_carries_the_time_of_the_newest_candle_or_the_clock_where_there_is_none() -> None:
    """`pitwire why` once showed 1970."""
    run = runner(Scripted(always(None), history=5), instruments=(BTC,))
    (trace,) = run.warm_up([candle(0), candle(1)], cause()).traces
    assert (trace.signal, trace.ts_event_ns) == ("WARMING_UP", MARKET_START_NS + 2 * MINUTE_NS)
    (trace,) = runner(Scripted(always(None), history=5), instruments=(BTC,)).warm_up([], cause()).traces
    assert trace.ts_event_ns == START_NS


# -- what follows from its answers -----------------------------------------------------------------------------------


def test_an_intent_carries_number_validity_basis_reason_and_trace() -> None:
    run = runner(Scripted(always(Target(Decimal("1.23456"), "because"))))
    seen = cause(subject="md.x", epoch="e1", sequence=9, ts_event_ns=5, trace="00-aa-bb-01")
    intent = run.on_candle(fresh(0), seen).intents[0]
    assert isinstance(intent, OrderIntent)
    assert (intent.account, intent.strategy, intent.intent_no) == ("main", STRATEGY, 1)
    assert (intent.side, intent.quantity, intent.order_type) == (Side.BUY, Decimal("1.2345"), OrderType.MARKET)
    assert (intent.valid_until_ns, intent.ts_ns) == (START_NS + 2_000_000_000, START_NS)
    assert (intent.basis.subject, intent.basis.epoch, intent.basis.sequence) == ("md.x", "e1", 9)
    assert (intent.basis.ts_event_ns, intent.reason, intent.trace) == (5, "because", "00-aa-bb-01")


def test_a_repeated_target_orders_once() -> None:
    """S-46: repeated BUYs pyramid."""
    run = runner(Scripted(always(Target(Decimal(1), "up"))))
    found = [run.on_candle(fresh(n), cause()) for n in range(5)]
    assert [orders(each) for each in found] == [["BUY 1"], [], [], [], []]
    assert told(found[4]) == ["HOLD up; no order: target is held or on its way"]


def test_the_trace_of_an_order_names_target_and_intent() -> None:
    trace = runner(Scripted(always(Target(Decimal(1), "up")))).on_candle(fresh(0), cause()).traces[0]
    assert (trace.signal, trace.target_position, trace.intent_no) == ("BUY", Decimal(1), 1)


def test_equity_is_capital_with_profit_fees_and_open_positions() -> None:
    """S-47: the balance was a constant."""
    journal = Journal()
    journal.start(capital="10000")
    first = journal.approve(order_intent(1, Side.BUY, "10"))
    journal.fill(first, "10", "100", fee="1", fee_currency="USDT")
    journal.marks()
    seen: list[Decimal] = []
    run = runner(Scripted(lambda _, portfolio: seen.append(portfolio.equity)), journal=journal)
    run.on_candle(fresh(0, "100"), cause())
    run.on_candle(fresh(1, "130"), cause())
    assert seen == [Decimal(9_999), Decimal(10_299)]


def test_a_single_order_is_rounded_to_tick_and_lot() -> None:
    """S-48."""
    wish = Order(
        Side.SELL,
        Decimal("0.55555"),
        "quote",
        order_type=OrderType.LIMIT,
        limit_price=Decimal("100.001"),
        post_only=True,
    )
    intent = runner(Scripted(always(wish))).on_candle(fresh(0), cause()).intents[0]
    assert isinstance(intent, OrderIntent)
    assert (intent.quantity, intent.limit_price, intent.post_only) == (Decimal("0.5555"), Decimal("100.01"), True)


def test_a_cancel_becomes_a_cancel_intent() -> None:
    intent = runner(Scripted(always(Cancel("ABC", "stale")))).on_candle(fresh(0), cause()).intents[0]
    assert isinstance(intent, CancelIntent)
    assert (intent.orig_client_order_id, intent.reason, intent.intent_no) == ("ABC", "stale", 1)


def test_several_decisions_are_numbered_in_their_order() -> None:
    def answer(_: Any, __: Portfolio) -> Iterable[Any]:
        yield Target(Decimal(1), "one")
        yield Target(Decimal(2), "two", instrument_id=ETH)

    run = runner(Scripted(answer))
    run.portfolio.prices[ETH] = Decimal(100)
    found = run.on_candle(fresh(0), cause()).intents
    assert [(i.intent_no, i.instrument_id) for i in found if isinstance(i, OrderIntent)] == [(1, BTC), (2, ETH)]


def test_what_cannot_be_ordered_is_told_with_the_reason() -> None:
    far = runner(Scripted(always(Target(Decimal(1), "up", instrument_id="XRP-USDT.sim"))))
    reason = "HOLD up; no order: XRP-USDT.sim is not among the instruments of this strategy"
    assert told(far.on_candle(fresh(0), cause())) == [reason]
    small = runner(Scripted(always(Target(Decimal("0.0101"), "up"))))
    assert told(small.on_candle(fresh(0), cause())) == [
        "HOLD up; no order: worth 1.01, the venue takes no order below 5"
    ]
    early = runner(Scripted(always(Target(Decimal(1), "up", instrument_id=ETH))))
    assert told(early.on_candle(fresh(0), cause())) == ["HOLD up; no order: no price seen yet"]


@pytest.mark.parametrize(
    ("halt", "expect"),
    [
        ({"scope": "ALL"}, [f"HOLD {way}; no order: trading is halted by h1" for way in ("in", "out")]),
        (
            {"scope": "STRATEGY", "target": f"main/{STRATEGY}", "state": "REDUCING"},
            ["HOLD in; no order: only reductions may pass, by h1", "SELL out"],
        ),
        ({"scope": "STRATEGY", "target": "main/other"}, ["BUY in", "SELL out"]),
    ],
)
def test_a_halt_stops_orders_and_reducing_lets_exits_through(halt: dict[str, str], expect: list[str]) -> None:
    journal = Journal()
    journal.start()
    journal.fill(journal.approve(order_intent(1, Side.BUY, "1", instrument_id=ETH)), "1", "100")
    journal.halt("h1", **halt)
    journal.marks()
    wishes = iter([Target(Decimal(1), "in"), Target(Decimal(0), "out", instrument_id=ETH)])
    run = runner(Scripted(lambda _event, _portfolio: next(wishes)), journal=journal)
    run.portfolio.prices[ETH] = Decimal(100)
    assert [line for n in range(2) for line in told(run.on_candle(fresh(n), cause()))] == expect


def test_nothing_is_kept_that_grows_with_the_market() -> None:
    """S-51: the list of candles grew for ever."""
    run = runner(Scripted(always(Hold("flat"))))

    def feed(first: int) -> None:
        strategy = run._strategy
        assert isinstance(strategy, Scripted)
        for minute in range(first, first + 2_000):
            run.on_candle(fresh(minute), cause())
            strategy.shown.clear()

    feed(0)
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    feed(2_000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert grown < 20_000


def test_figures_are_shown_as_people_read_them() -> None:
    assert [shown(x) for x in (0.1 + 0.2, Decimal("1E+3"), 7, "text", None)] == ["0.3", "1000", "7", "text", "None"]
