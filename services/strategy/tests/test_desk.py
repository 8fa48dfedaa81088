"""The strategies of one account over its journal: answers, fills, orders, restarts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from typing_extensions import override

from pitwire.common.enums import DenialCode, OrderType, Side
from pitwire.common.errors import InvariantBroken
from pitwire.common.fills import Fill
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.order_state import OrderState
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.ledger import Denied
from pitwire.common.schemas.market import Candle
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing.journal import BTC, START_NS, STRATEGY, Entry, Journal, order_intent
from pitwire.common.testing.market import candle, definition
from pitwire.strategy import Cancel, Hold, Order, Portfolio, Target
from pitwire.strategy.core.desk import Desk, as_covered
from pitwire.strategy.core.intents import EXPIRED_GRACE_NS
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.outputs import Cause, Outputs
from pitwire.strategy.core.runner import Runner

OTHER = "other"


class Holder:
    """Wants one unit; writes down its fills and orders."""

    def __init__(self, quantity: str = "1") -> None:
        self.quantity = Decimal(quantity)
        self.seen: list[str] = []

    def on_candle(self, candle: Candle, portfolio: Portfolio) -> Target:
        return Target(self.quantity, "wanted")

    def on_fill(self, fill: Fill, portfolio: Portfolio) -> Hold:
        held = portfolio.position(fill.instrument_id).quantity
        self.seen.append(f"fill {fill.quantity}, holds {held}")
        return Hold("filled")

    def on_order(self, order: OrderState, portfolio: Portfolio) -> None:
        self.seen.append(f"order {order.status}, working {portfolio.working_quantity(order.instrument_id)}")


class World:
    """A journal, and a desk that reads it from the beginning."""

    def __init__(self, *strategies: Holder, journal: Journal | None = None) -> None:
        self.journal = journal or Journal()
        if journal is None:
            self.journal.start()
        self.strategies = strategies or (Holder(),)
        self.desk = self._desk()
        self._read = 0
        self.outputs = Outputs()
        self.catch_up()
        self.desk.go_live()

    def _desk(self) -> Desk:
        state = AccountState("main", "USDT")
        registry = InstrumentRegistry((definition(BTC),))
        return Desk(
            state,
            [
                Runner(Spec(name, "main", Decimal(1_000), (BTC,), "1m", 2_000_000_000), strategy, state, registry)
                for name, strategy in zip((STRATEGY, OTHER), self.strategies, strict=False)
            ],
        )

    def catch_up(self, now_ns: int = START_NS) -> Outputs:
        """Reads what the journal has by now; returns what followed."""
        outputs = Outputs()
        for entry in self.journal.entries[self._read :]:
            outputs.add(self._feed(entry, now_ns))
        self._read = len(self.journal.entries)
        return outputs

    def _feed(self, entry: Entry, now_ns: int) -> Outputs:
        event: Any = entry.event
        if entry.is_ledger:
            return self.desk.on_ledger(entry.sequence, event, entry.raw, Cause(now_ns))
        self.desk.on_covered(entry.sequence, event)
        return Outputs()

    def candle(self, minute: int, now_ns: int = START_NS) -> list[OrderIntent]:
        seen = candle(minute, ts_recv_ns=now_ns)
        found = [i for r in self.desk.active() for i in r.on_candle(seen, Cause(now_ns)).intents]
        return [intent for intent in found if isinstance(intent, OrderIntent)]


def told(outputs: Outputs) -> list[str]:
    return [f"{trace.signal} {trace.reason}" for trace in outputs.traces]


def test_from_intent_to_position_the_same_target_orders_once() -> None:
    """S-46, with the order undecided, approved, working, part filled, filled."""
    world = World()
    (intent,) = world.candle(0)
    assert world.candle(1) == []
    verdict = world.journal.approve(intent)
    world.catch_up()
    assert world.candle(2) == []
    world.journal.submitting(verdict)
    world.journal.fill(verdict, "0.4", "100")
    world.journal.marks()
    world.catch_up()
    assert world.candle(3) == []
    world.journal.fill(verdict, "0.6", "100")
    world.journal.marks()
    world.catch_up()
    assert world.candle(4) == []
    assert world.desk.runners[0].portfolio.position(BTC).quantity == 1


def test_a_target_partly_filled_by_an_order_that_ended_is_completed() -> None:
    world = World()
    verdict = world.journal.approve(world.candle(0)[0])
    world.journal.submitting(verdict)
    world.journal.fill(verdict, "0.4", "100")
    world.journal.report(verdict, "EXPIRED", cum_quantity="0.4")
    world.journal.marks()
    world.catch_up()
    assert [intent.quantity for intent in world.candle(1)] == [Decimal("0.6")]


def test_fills_and_orders_reach_their_own_strategy_when_they_are_booked() -> None:
    """S-53: on_order_filled was never called."""
    mine, theirs = Holder(), Holder()
    world = World(mine, theirs)
    verdict = world.journal.approve(world.candle(0)[0])
    world.journal.submitting(verdict)
    world.journal.fill(verdict, "1", "100")
    world.catch_up()
    assert mine.seen == ["order PENDING_NEW, working 1"]
    world.journal.marks()
    outputs = world.catch_up()
    assert mine.seen[1:] == ["fill 1, holds 1", "order PENDING_NEW, working 0", "order FILLED, working 0"]
    assert theirs.seen == []
    assert "HOLD filled" in told(outputs)


class Protective(Holder):
    """Needs more history than there is; answers each fill with a stop, a cancel and a wish for more."""

    history = 3

    @override
    def on_fill(self, fill: Fill, portfolio: Portfolio) -> Any:
        return [
            Order(Side.SELL, fill.quantity, "stop", order_type=OrderType.STOP_LOSS, stop_price=Decimal(90)),
            Cancel(fill.client_order_id, "rest"),
            Order(Side.BUY, Decimal(1), "more"),
        ]


def test_while_warming_up_fills_are_told_and_only_exits_and_cancels_follow() -> None:
    """An order of the life before fills: the position can be protected, and nothing is bought on half a history."""
    journal = Journal()
    journal.start()
    verdict = journal.approve(order_intent(1, "BUY", "2"))
    journal.submitting(verdict)
    world = World(Protective(), journal=journal)
    assert world.candle(0) == []
    journal.fill(verdict, "1", "100")
    journal.marks()
    outputs = world.catch_up()
    assert [type(intent).__name__ for intent in outputs.intents] == ["OrderIntent", "CancelIntent"]
    assert getattr(outputs.intents[0], "side", None) is Side.SELL
    assert told(outputs)[-1] == "HOLD more; no order: warming up with 1 of 3 candles, only exits and cancels pass"
    world.candle(1)
    world.candle(2)
    journal.fill(verdict, "1", "100")
    journal.marks()
    assert [getattr(i, "side", None) for i in world.catch_up().intents] == [Side.SELL, None, Side.BUY]


def test_each_strategy_has_its_own_sub_ledger() -> None:
    world = World(Holder("1"), Holder("2"))
    mine, theirs = world.candle(0)
    assert (mine.strategy, theirs.strategy, mine.intent_no, theirs.intent_no) == (STRATEGY, OTHER, 1, 1)
    verdict = world.journal.approve(mine)
    world.journal.fill(verdict, "1", "100")
    world.journal.marks()
    world.catch_up()
    held = [runner.portfolio.position(BTC).quantity for runner in world.desk.runners]
    working = [runner.portfolio.working_quantity(BTC) for runner in world.desk.runners]
    assert (held, working) == ([Decimal(1), Decimal(0)], [Decimal(0), Decimal(2)])


def test_a_denial_is_told_with_code_limit_and_observed_value_and_asked_again_later() -> None:
    world = World()
    (intent,) = world.candle(0)
    world.journal.decide(
        Denied(
            strategy=STRATEGY,
            intent_no=1,
            code=DenialCode.ORDER_VALUE_EXCEEDED,
            limit=Decimal(50),
            observed=Decimal(100),
            detail="at mark 100",
            intent=intent,
        )
    )
    outputs = world.catch_up()
    assert told(outputs) == ["HOLD intent 1 denied ORDER_VALUE_EXCEEDED, limit 50, observed 100 (at mark 100)"]
    assert outputs.traces[0].intent_no == 1
    assert [again.intent_no for again in world.candle(1)] == [2]


def test_a_restart_goes_on_by_numbers_and_holdings_of_the_journal() -> None:
    world = World()
    verdict = world.journal.approve(world.candle(0)[0])
    world.journal.fill(verdict, "1", "100")
    world.journal.marks()
    restarted = World(Holder("3"), journal=world.journal)
    (intent,) = restarted.candle(1)
    assert (intent.intent_no, intent.quantity) == (2, Decimal(2))


def test_journal_from_before_the_start_is_not_told_to_strategies() -> None:
    world = World()
    verdict = world.journal.approve(world.candle(0)[0])
    world.journal.fill(verdict, "1", "100")
    world.journal.marks()
    fresh = Holder()
    World(fresh, journal=world.journal)
    assert fresh.seen == []


def test_a_number_taken_by_the_process_before_is_given_up_and_the_target_ordered_anew() -> None:
    """The earlier process published intent 1 and died; the gate decided it only now."""
    earlier = order_intent(1, Side.BUY, "0.7")
    world = World()
    assert [intent.intent_no for intent in world.candle(0)] == [1]
    world.journal.approve(earlier)
    outputs = world.catch_up()
    (again,) = outputs.intents
    assert isinstance(again, OrderIntent)
    assert (again.intent_no, again.quantity) == (2, Decimal("0.3"))


def test_a_number_taken_is_not_repeated_after_its_validity() -> None:
    world = World()
    (mine,) = world.candle(0)
    world.journal.approve(order_intent(1, Side.BUY, "0.7"))
    outputs = world.catch_up(now_ns=mine.valid_until_ns)
    assert outputs.intents == []
    assert told(outputs)[-1] == "HOLD intent 1: the number was taken before, not repeated"


def test_an_intent_nobody_answers_is_given_up_with_an_alarm_and_wanted_again() -> None:
    world = World()
    (intent,) = world.candle(0)
    late = intent.valid_until_ns + EXPIRED_GRACE_NS
    outputs = world.desk.on_wall_time(late)
    assert [alarm.code for alarm in outputs.alarms] == ["INTENT_UNANSWERED"]
    assert [again.intent_no for again in world.candle(1, late)] == [1]


def test_a_broken_journal_stops_the_account_and_tells_why() -> None:
    world = World()
    world.journal.write(type(world.journal.entries[-1].event), day="2023-11-15", start_equity=Decimal(1))  # type: ignore[arg-type] # a record of the ledger
    entry = world.journal.entries[-1]
    event: Any = entry.event
    with pytest.raises(InvariantBroken):
        world.desk.on_ledger(entry.sequence, event.model_copy(update={"prev_hash": "x"}), entry.raw, Cause(START_NS))
    outputs = world.desk.stop("chain broken")
    assert [alarm.code for alarm in outputs.alarms] == ["ACCOUNT_STOPPED"]
    assert world.desk.stop("again").alarms == []
    assert (list(world.desk.active()), world.candle(5)) == ([], [])


def test_a_halt_that_cannot_be_read_stops_orders() -> None:
    world = World()
    world.journal.halt("placeholder", "STRATEGY", "main/nobody")
    world.desk.on_undecodable_halt(world.journal.entries[-1].sequence)
    world.journal.marks()
    entry = world.journal.entries[-1]
    event: Any = entry.event
    world.desk.on_ledger(entry.sequence, event, entry.raw, Cause(START_NS))
    assert world.candle(0) == []


def test_what_waits_for_the_ledger_is_told_apart() -> None:
    journal = Journal()
    journal.start()
    kinds = [(entry.is_ledger, as_covered(entry.event) is not None) for entry in journal.entries[1:3]]
    assert kinds == [(False, True), (True, False)]


def test_equal_records_and_candles_make_equal_intents() -> None:
    def run() -> list[OrderIntent]:
        world = World()
        made = world.candle(0)
        world.journal.fill(world.journal.approve(made[0]), "0.5", "100")
        world.journal.marks()
        world.catch_up()
        return made + world.candle(1)

    assert run() == run()
