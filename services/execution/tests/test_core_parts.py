"""The small parts of the core: approvals, the last hop, doubt, silence, place, backoff."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from services.execution.tests.builders import (
    ACCOUNT,
    BTC,
    INSTRUMENT,
    START_NS,
    TTL_NS,
    approval,
    facts,
    halt,
    intent,
    setup_of,
    trade,
    venue_order,
)
from services.execution.tests.core_world import CoreWorld

from pitwire.common.enums import IntentKind, NotSentReason, OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.ledger import LeaderChanged
from pitwire.execution.core import actions
from pitwire.execution.core.approvals import approval_fault, listing_fault, new_order
from pitwire.execution.core.backoff import FIRST_BOUND_S, WAIT_MAX_S, Backoff
from pitwire.execution.core.doubts import CHECK_SPACING_NS, PLACEMENT_MARGIN_NS, Doubt
from pitwire.execution.core.last_hop import LastHop, Refusal
from pitwire.execution.core.orders import Orders
from pitwire.execution.core.place import ExecPlace
from pitwire.execution.core.silence import GATES_MAX, LOST_AFTER_NS, SILENT_AFTER_NS, GateWatch
from pitwire.execution.core.telling import Teller

# -- approvals -----------------------------------------------------------------------------------------------------


def test_an_honest_approval_has_no_fault() -> None:
    assert approval_fault(setup_of(INSTRUMENT), approval(intent(1)), "i1") == ""


def with_other_content(**changed: Any) -> Any:
    """An approval whose id was made for another intent than the one it carries."""
    honest = approval(intent(1))
    return honest.model_copy(update={"intent": honest.intent.model_copy(update=changed)})


@pytest.mark.parametrize(
    ("approved", "words"),
    [
        (with_other_content(quantity=Decimal(2)), "not that of its content"),
        (with_other_content(side=Side.SELL), "not that of its content"),
        (with_other_content(intent_no=2), "not that of its content"),
        (with_other_content(strategy="other"), "not that of its content"),
        (approval(intent(1), incarnation="i0"), "not that of its content"),
        (approval(intent(1, account="other")), "intent of account other"),
        (approval(intent(1), venue_account="else-where"), "venue account else-where is none of sim-main"),
        (approval(intent(1, instrument_id="BTC-USDT.moon")), "BTC-USDT.moon is not traded in sim-main"),
        (approval(intent(1, venue_account="sim-two")), "intent wants sim-two"),
        (approval(intent(1, reduce_only=True)), "reduce_only, but not verified"),
        (
            approval(intent(1, kind=IntentKind.PARENT, parent={"algo": "twap"})),
            "kind PARENT cannot be executed",
        ),
    ],
)
def test_an_approval_that_is_not_what_it_claims_is_found_out(approved: Any, words: str) -> None:
    """I-3."""
    assert words in approval_fault(setup_of(INSTRUMENT), approved, "i1")


@pytest.mark.parametrize(
    ("field", "value"), [("quantity", Decimal(2)), ("side", Side.SELL), ("instrument_id", "ETH-USDT.sim")]
)
def test_a_reservation_for_something_else_is_found_out(field: str, value: object) -> None:
    honest = approval(intent(1))
    other = honest.model_copy(update={"reservation": honest.reservation.model_copy(update={field: value})})
    assert approval_fault(setup_of(INSTRUMENT), other, "i1") == "reservation is not that of the intent"


def test_a_false_approval_is_not_sent_and_a_person_is_told() -> None:
    world = CoreWorld.started()
    false = with_other_content(quantity=Decimal(2))
    world.append(world.ledger.decision(false))
    assert world.told(false.client_order_id) == ["NotSent INVALID_APPROVAL"]
    assert world.alarms() == ["INVALID_APPROVAL"]
    assert world.sends == []


def test_a_decision_of_another_incarnation_is_not_acted_on() -> None:
    world = CoreWorld.started()
    verdict = approval(intent(1), incarnation="i0")
    world.append(world.ledger.decision(verdict, incarnation="i0"))
    assert world.told(verdict.client_order_id) == ["NotSent INVALID_APPROVAL"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"quantity": "0.0015"}, "no multiple of the lot"),
        ({"limit_price": "100.005"}, "no multiple of the tick"),
        ({"order_type": OrderType.STOP_LOSS, "stop_price": "90.001"}, "no multiple of the tick"),
        ({"limit_price": "100", "post_only": True, "time_in_force": TimeInForce.IOC}, "post_only is for LIMIT GTC"),
        ({"post_only": True}, "post_only is for LIMIT GTC"),
        ({"limit_price": "100", "post_only": True}, ""),
    ],
)
def test_the_venues_own_steps_are_kept(changed: dict[str, Any], words: str) -> None:
    """I-15."""
    assert words in listing_fault(INSTRUMENT, intent(1, **changed))
    if not words:
        assert listing_fault(INSTRUMENT, intent(1, **changed)) == ""


def test_a_new_order_says_what_the_intent_says_in_the_venues_spelling() -> None:
    order = new_order(approval(intent(1, limit_price="99", quantity="0.5")), INSTRUMENT)
    assert (order.venue_symbol, order.instrument_id, order.order_type) == ("BTCUSDT", BTC, OrderType.LIMIT)
    assert (order.quantity, order.limit_price, order.stop_price) == (Decimal("0.5"), Decimal(99), None)


# -- the last hop --------------------------------------------------------------------------------------------------

REFUSALS = """
what              reason
nothing           -
halted            HALTED
reducing          REDUCING
late              APPROVAL_EXPIRED
just_in_time      -
gate              GATE_SILENT
venue             VENUE_UNAVAILABLE
unlisted          VENUE_UNAVAILABLE
lot               INVALID_APPROVAL
"""


@pytest.mark.parametrize("row", REFUSALS.strip().splitlines()[1:])
def test_an_approved_order_leaves_only_when_nothing_speaks_against_it(row: str) -> None:
    what, reason = row.split()
    world = CoreWorld(instrument=None if what == "unlisted" else INSTRUMENT)
    world.append(world.ledger.leader())
    world.append(world.ledger.incarnation())
    wish = intent(1, quantity="0.0005") if what == "lot" else intent(1)
    verdict = approval(wish)
    world.append(world.ledger.decision(verdict))
    if what in ("halted", "reducing"):
        world.append(halt("h1", state="HALTED" if what == "halted" else "REDUCING"))
    world.now_ns += {"late": TTL_NS, "just_in_time": TTL_NS - 1}.get(what, 0)
    world.gate_fresh = what != "gate"
    world.venue_trouble = "down" if what == "venue" else ""
    refusal = world.refuse(verdict.client_order_id)
    assert (refusal.reason.value if refusal else "-") == reason
    if refusal and reason in ("HALTED", "REDUCING"):
        assert refusal.halt_ids == ("h1",)


def test_a_halt_is_named_before_anything_else_that_speaks_against_it() -> None:
    world = CoreWorld.started()
    world.append(halt("h1"))
    world.gate_fresh, world.venue_trouble, world.now_ns = False, "down", START_NS + 9 * TTL_NS
    order_id = world.approve(intent(1))
    assert world.told(order_id) == ["NotSent HALTED"]


def test_an_order_cannot_be_told_not_sent_once_it_may_have_left() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    hop: LastHop = world.core.last_hop
    with pytest.raises(InvariantBroken, match="may have left"):
        hop.not_sent(order_id, Refusal(NotSentReason.HALTED), START_NS)


def test_an_order_cannot_be_sent_or_submitted_twice() -> None:
    world = CoreWorld.started()
    order_id = world.approve(intent(1))
    with pytest.raises(InvariantBroken, match="again"):
        world.core.last_hop.sending(order_id)
    with pytest.raises(InvariantBroken, match="twice"):
        world.compose(order_id)


# -- doubt ---------------------------------------------------------------------------------------------------------


def test_absences_count_only_after_the_venue_can_take_the_request_no_more() -> None:
    doubt = Doubt(since_ns=0, valid_until_ns=TTL_NS)
    counts_from = TTL_NS + PLACEMENT_MARGIN_NS
    assert [doubt.absent(counts_from - 1) for _ in range(10)] == [False] * 10
    assert doubt.next_check_ns == counts_from
    answers = [doubt.absent(counts_from + n * CHECK_SPACING_NS) for n in range(3)]
    assert answers == [False, False, True]


def test_a_presence_between_absences_starts_the_count_again() -> None:
    doubt = Doubt(since_ns=0, valid_until_ns=0)
    later = 5 * CHECK_SPACING_NS
    doubt.absent(later)
    doubt.absent(later)
    doubt.present()
    assert [doubt.absent(later) for _ in range(3)] == [False, False, True]


# -- silence -------------------------------------------------------------------------------------------------------


def test_the_gate_is_fresh_for_three_seconds_and_lost_after_ten() -> None:
    watch = GateWatch(started_ns=0)
    watch.heard("0.a", 100)
    assert watch.is_fresh("0.a", 100 + SILENT_AFTER_NS - 1)
    assert not watch.is_fresh("0.a", 100 + SILENT_AFTER_NS)
    assert not watch.is_lost("0.a", 100 + LOST_AFTER_NS - 1)
    assert watch.is_lost("0.a", 100 + LOST_AFTER_NS)


def test_a_gate_that_was_never_heard_is_not_fresh_and_is_lost_ten_seconds_after_our_start() -> None:
    watch = GateWatch(started_ns=50)
    assert not watch.is_fresh("0.a", 50)
    assert not watch.is_lost("0.a", 50 + LOST_AFTER_NS - 1)
    assert watch.is_lost("0.a", 50 + LOST_AFTER_NS)


def test_only_so_many_gates_are_remembered() -> None:
    watch = GateWatch(started_ns=0)
    for number in range(GATES_MAX + 1):
        watch.heard(f"0.{number}", 1)
    assert not watch.is_fresh("0.0", 2)
    assert watch.is_fresh(f"0.{GATES_MAX}", 2)


# -- place ---------------------------------------------------------------------------------------------------------


def leader(exec_no: int, epoch: int, account: str = ACCOUNT) -> LeaderChanged:
    return LeaderChanged(service="execution", leader="x", epoch=epoch, account=account, exec_no=exec_no, ts_ns=START_NS)


def test_a_record_taken_twice_counts_once() -> None:
    place = ExecPlace(ACCOUNT)
    place.take(4, leader(1, 1))
    place.take(4, leader(1, 1))
    assert (place.sequence, place.exec_no, place.epoch, place.leader) == (4, 1, 1, "x")


@pytest.mark.parametrize("bad", [leader(3, 2), leader(1, 2), leader(2, 1), leader(2, 2, account="other")], ids=str)
def test_a_record_that_cannot_follow_is_refused(bad: LeaderChanged) -> None:
    place = ExecPlace(ACCOUNT)
    place.take(4, leader(1, 1))
    with pytest.raises(InvariantBroken):
        place.take(5, bad)


# -- bounds --------------------------------------------------------------------------------------------------------


def test_settled_orders_are_forgotten_in_time_but_not_whose_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitwire.execution.core.orders.SETTLED_KEPT", 20)
    world = CoreWorld.started()
    first = ""
    for number in range(1, 23):
        world.now_ns += 1
        world.venue_trouble = "down"
        order_id = world.approve(intent(number, now_ns=world.now_ns))
        first = first or order_id
    assert world.core.orders.get(first) is None
    assert world.core.orders.strategy_of(first) == "momentum"
    world.venue_trouble = ""
    late = facts(
        venue_order(first, status=OrderStatus.FILLED, cum_quantity="1", venue_order_id="9"),
        trade("900", "1", venue_order_id="9"),
    )
    world.venue_says(late)
    assert world.told(first)[-1] == "TRADE 1 FILLED"


def test_an_unknown_venue_order_is_not_found() -> None:
    orders = Orders()
    assert orders.find_venue_order("sim-main", BTC, "7") is None
    assert orders.newest_trade("sim-main", BTC) is None
    assert Teller(setup_of(INSTRUMENT), orders).ts_market_ns == 0


def test_actions_are_values() -> None:
    assert actions.Cancel("a") == actions.Cancel("a")
    assert actions.Cancel("a") != actions.Cancel("b")


def test_waits_grow_to_a_bound_and_start_again_after_a_success() -> None:
    backoff = Backoff(lambda: 1.0)
    waits = [backoff.next_wait_s() for _ in range(10)]
    assert waits[:4] == [FIRST_BOUND_S, 1.0, 2.0, 4.0]
    assert waits[-1] == WAIT_MAX_S
    backoff.reset()
    assert backoff.next_wait_s() == FIRST_BOUND_S
    assert Backoff(lambda: 0.0).next_wait_s() == 0.0
