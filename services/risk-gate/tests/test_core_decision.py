"""A batch of intents: each sees what those before it reserved; every verdict is complete and fits the wire."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common import codec
from pitwire.common.enums import IntentKind, OrderType, Side
from pitwire.common.errors import InvariantBroken
from pitwire.common.ids import client_order_id
from pitwire.common.schemas.ledger import Approved, CancelApproved, Denied, RiskDecision
from pitwire.common.schemas.orders import Leg, ParentSpec
from pitwire.common.testing.journal import BTC, ETH, INCARNATION, START_NS, STRATEGY, Journal, mark, order_intent
from pitwire.risk_gate.core import IntentInput, decide
from pitwire.risk_gate.core.pricing import worst_price

D = Decimal


def code(verdict: Any) -> str:
    return verdict.code.value if isinstance(verdict, Denied) else verdict.verdict


def test_an_approval_says_everything_execution_needs(new_desk: Any) -> None:
    """I-3: the id is a function of incarnation, account, strategy, number and content."""
    desk = new_desk(taker_fee_bps="10")
    intent = desk.intent("BUY", "2", limit_price="99.5")
    (verdict,) = desk.ask_all(intent)
    assert isinstance(verdict, Approved)
    assert verdict.client_order_id == client_order_id(
        incarnation=INCARNATION, account="main", strategy=STRATEGY, intent_no=1, intent_bytes=codec.encode(intent)
    )
    held = verdict.reservation
    assert (held.quantity, held.worst_price, held.asset, held.amount) == (D(2), D("99.5"), "USDT", D("199.199"))
    assert (verdict.venue_account, verdict.is_reduction) == ("sim-main", False)
    assert verdict.valid_until_ns == START_NS + 2_000_000_000


def test_an_approval_never_outlives_its_intent(desk: Any) -> None:
    desk.now_ns = START_NS + 1_500_000_000
    verdict = desk.ask("BUY", "1", limit_price="100")
    assert isinstance(verdict, Approved)
    assert verdict.valid_until_ns == START_NS + 2_000_000_000


def test_a_batch_reserves_as_it_goes(new_desk: Any) -> None:
    """S-17: concurrent orders cannot all pass the same limit."""
    desk = new_desk(position_value_max=D(1000))
    verdicts = desk.ask_all(*(desk.intent("BUY", "4", limit_price="100") for _ in range(3)))
    assert [code(v) for v in verdicts] == ["APPROVED", "APPROVED", "POSITION_SIZE_EXCEEDED"]
    sells = new_desk()
    sells.hold("5")
    verdicts = sells.ask_all(*(sells.intent("SELL", "3", limit_price="100") for _ in range(2)))
    assert [code(v) for v in verdicts] == ["APPROVED", "SELL_EXCEEDS_HOLDING"]
    poor = new_desk(capital="1000", daily_loss_max_percent=D(90), drawdown_max_percent=D(90))
    verdicts = poor.ask_all(*(poor.intent("BUY", "6", limit_price="100", instrument_id=i) for i in (BTC, ETH)))
    assert [code(v) for v in verdicts] == ["APPROVED", "INSUFFICIENT_BALANCE"]
    few = new_desk(open_positions_max=1)
    verdicts = few.ask_all(*(few.intent("BUY", "1", limit_price="100", instrument_id=i) for i in (BTC, ETH)))
    assert [code(v) for v in verdicts] == ["APPROVED", "OPEN_POSITIONS_EXCEEDED"]
    cornered = new_desk()
    cornered.hold("5")
    cornered.journal.halt("h1", "ALL", state="REDUCING")
    verdicts = cornered.ask_all(*(cornered.intent("SELL", "3", limit_price="100") for _ in range(2)))
    assert [code(v) for v in verdicts] == ["APPROVED", "TRADING_REDUCING"]


def test_a_batch_decides_as_one_by_one_would(new_desk: Any) -> None:
    """The reservations of the batch are exactly those the ledger will hold."""
    together, apart = new_desk(position_value_max=D(1000)), new_desk(position_value_max=D(1000))
    wishes = [("BUY", "4"), ("BUY", "7"), ("BUY", "6"), ("SELL", "1"), ("BUY", "0.001")]
    batch = together.ask_all(*(together.intent(*wish, limit_price="100") for wish in wishes))
    single = []
    for wish in wishes:
        (verdict,) = apart.ask_all(apart.intent(*wish, limit_price="100"))
        apart.journal.decide(verdict)
        single.append(verdict)
    assert list(batch) == single


def test_numbers_are_used_once(desk: Any) -> None:
    """S-24, F-7: a redelivered intent is a duplicate, whatever became of the first."""
    first = desk.intent("BUY", "1", limit_price="100")
    again = first.model_copy(update={"quantity": D(2)})
    late = order_intent(3, "BUY", "1", limit_price="100")
    early = order_intent(2, "BUY", "1", limit_price="100")
    verdicts = desk.ask_all(first, again, late, early)
    assert [code(v) for v in verdicts] == ["APPROVED", "DUPLICATE", "APPROVED", "DUPLICATE"]
    desk.journal.decide(*verdicts)
    (verdict,) = desk.ask_all(late)
    assert (verdict.code, verdict.limit, verdict.observed) == ("DUPLICATE", D(3), D(3))


def test_a_denied_number_is_used_up_too(desk: Any) -> None:
    denied, good = desk.intent("BUY", "0.0001", limit_price="100"), order_intent(1, "BUY", "1", limit_price="100")
    assert [code(v) for v in desk.ask_all(denied, good)] == ["QUANTITY_LOT", "DUPLICATE"]


def test_an_intent_past_its_time_is_denied_and_a_cancel_is_not(desk: Any) -> None:
    working = desk.work("BUY", "1", limit_price="50")
    desk.now_ns = START_NS + 2_000_000_000
    assert code(desk.ask("BUY", "1", limit_price="100")) == "APPROVED"
    desk.now_ns += 1
    assert code(desk.ask("BUY", "1", limit_price="100")) == "INTENT_EXPIRED"
    assert code(desk.ask_all(desk.cancel(working.client_order_id))[0]) == "CANCEL_APPROVED"


def test_what_cannot_be_read_is_malformed_and_the_rest_of_the_batch_goes_on(desk: Any) -> None:
    """S-15, F-26."""
    good = desk.intent("BUY", "1", limit_price="100")
    verdicts, _ = desk.decide(
        IntentInput(1, STRATEGY, None, "quantity: Input should be greater than 0"),
        IntentInput(2, "reversion", good),
        IntentInput(3, "", None, "x" * 1000),
        IntentInput(4, STRATEGY, good),
    )
    assert [code(v) for v in verdicts] == ["MALFORMED", "MALFORMED", "MALFORMED", "APPROVED"]
    assert verdicts[0].detail == "quantity: Input should be greater than 0"
    assert [v.strategy for v in verdicts[:3]] == [STRATEGY, "reversion", "unknown"]
    desk.journal.decide(*verdicts)


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity", "1e-30", "1e30"])
def test_a_quantity_that_is_no_positive_number_never_becomes_an_intent(quantity: str) -> None:
    """S-15: NaN, zero and negative passed every comparison."""
    with pytest.raises(ValueError, match="quantity"):
        order_intent(1, "BUY", quantity, limit_price="100")


REFUSALS = [
    ({"account": "other"}, "WRONG_PARTITION"),
    ({"strategy": "nobody"}, "UNKNOWN_STRATEGY"),
    ({"instrument_id": "XRP-USDT.sim"}, "UNKNOWN_INSTRUMENT"),
    ({"venue_account": "not-mine"}, "UNKNOWN_VENUE_ACCOUNT"),
    ({"kind": IntentKind.PARENT, "parent": ParentSpec(algo="twap")}, "UNSUPPORTED"),
    (
        {
            "kind": IntentKind.BASKET,
            "legs": (Leg(instrument_id=BTC, side=Side.BUY, order_type=OrderType.MARKET, quantity=D(1)),),
        },
        "UNSUPPORTED",
    ),
]


@pytest.mark.parametrize(("changed", "expected"), REFUSALS)
def test_what_is_not_known_here_is_refused_by_name(desk: Any, changed: dict[str, Any], expected: str) -> None:
    verdict = desk.ask("BUY", "1", **({"limit_price": "100"} | changed))
    assert isinstance(verdict, Denied)
    assert verdict.code.value == expected
    assert verdict.detail


def test_only_listed_strategies_trade_where_there_is_a_list(new_desk: Any) -> None:
    desk = new_desk(strategies_allowed=("reversion",))
    assert desk.outcome("BUY", "1", limit_price="100") == "UNKNOWN_STRATEGY"
    assert desk.outcome("BUY", "1", limit_price="100", strategy="reversion") == "OK"
    assert desk.outcome("BUY", "1", limit_price="100", strategy="manual") == "OK"


def test_nothing_is_approved_before_limits_and_day_are_in_the_ledger(desk: Any) -> None:
    """S-27, I-18: no default limits."""
    desk.journal = Journal()
    desk.journal.lead()
    assert desk.outcome("BUY", "1", limit_price="100") == "NOT_READY"


def test_the_gate_refuses_to_decide_on_less_than_it_has_read(desk: Any) -> None:
    """Its record would cover an event that the decision did not see."""
    desk.journal.halt("h1")
    with pytest.raises(InvariantBroken, match="advance before deciding"):
        decide(desk.state, [], desk.context())


def test_a_cancel_needs_an_order_of_ones_own(desk: Any) -> None:
    working = desk.work("BUY", "1", limit_price="50")
    own, foreign, manual, none = desk.ask_all(
        desk.cancel(working.client_order_id),
        desk.cancel(working.client_order_id, strategy="reversion"),
        desk.cancel(working.client_order_id, strategy="manual"),
        desk.cancel("NOT-AN-ORDER"),
    )
    assert [code(v) for v in (own, foreign, manual, none)] == [
        "CANCEL_APPROVED",
        "UNKNOWN_ORDER",
        "CANCEL_APPROVED",
        "UNKNOWN_ORDER",
    ]


def test_an_order_can_be_cancelled_in_the_batch_that_approves_it(desk: Any) -> None:
    intent = desk.intent("BUY", "1", limit_price="50")
    (first,) = desk.ask_all(intent)
    verdicts = desk.ask_all(intent, desk.cancel(first.client_order_id))
    assert isinstance(verdicts[1], CancelApproved)
    desk.journal.decide(*verdicts)
    assert desk.state.order(first.client_order_id).status.value == "PENDING_CANCEL"


def test_the_marks_a_decision_used_go_into_its_record_once(desk: Any) -> None:
    desk.hold("1", instrument_id=ETH)
    desk.mark("101", ETH)
    desk.mark("102")
    verdicts, marks = desk.decide(IntentInput(0, STRATEGY, desk.intent("BUY", "1", limit_price="100")))
    assert [m.instrument_id for m in marks] == [ETH, BTC]
    desk.journal.decide(*verdicts, marks=marks)
    assert desk.decide(IntentInput(0, STRATEGY, desk.intent("BUY", "1", limit_price="100")))[1] == ()


def test_the_venue_account_with_enough_is_taken(desk: Any) -> None:
    desk.venue_accounts = {"other": "elsewhere", "sim-empty": "sim", "sim-main": "sim"}
    verdict = desk.ask("BUY", "1", limit_price="100")
    assert verdict.venue_account == "sim-main"
    named = desk.ask("BUY", "1", limit_price="100", venue_account="sim-empty")
    assert code(named) == "INSUFFICIENT_BALANCE"
    assert code(desk.ask("BUY", "1", limit_price="100", venue_account="other")) == "UNKNOWN_VENUE_ACCOUNT"


WORST = """
# side type              limit stop mark -> worst
BUY  LIMIT               100   -    120  -> 100
BUY  LIMIT               100   -    80   -> 100
SELL LIMIT               100   -    120  -> 120
SELL LIMIT               100   -    80   -> 100
BUY  MARKET              -     -    100  -> 105
SELL MARKET              -     -    100  -> 105
BUY  STOP_LOSS           -     120  100  -> 126
SELL STOP_LOSS           -     80   100  -> 105
BUY  STOP_LOSS_LIMIT     125   120  100  -> 125
SELL STOP_LOSS_LIMIT     75    80   100  -> 100
BUY  TAKE_PROFIT         -     80   100  -> 105
SELL TAKE_PROFIT         -     120  100  -> 126
SELL TAKE_PROFIT_LIMIT   119   120  100  -> 120
"""


@pytest.mark.parametrize("row", [row for row in WORST.strip().splitlines() if not row.startswith("#")])
def test_the_worst_price_of_each_type(row: str) -> None:
    """S-18: limits and stops are valued at their own worst, market orders at mark plus collar."""
    told, expected = row.split("->")
    side, order_type, limit, stop, price = told.split()
    prices = {name: text for name, text in (("limit_price", limit), ("stop_price", stop)) if text != "-"}
    intent = order_intent(1, side, "1", order_type=OrderType(order_type), **prices)
    assert worst_price(intent, D(price)) == D(expected)


EXTREMES = [
    ("1e24", "1e24"),
    ("0." + "0" * 23 + "1", "0." + "0" * 23 + "1"),
    ("9" * 40, "9" * 40),
    ("1." + "1" * 24, "0." + "7" * 24),
]


@pytest.mark.parametrize(("quantity", "price"), EXTREMES)
@pytest.mark.parametrize("side", ["BUY", "SELL"])
@pytest.mark.parametrize("market", [True, False])
def test_any_readable_intent_gets_an_answer_that_fits_the_wire(
    new_desk: Any, quantity: str, price: str, side: str, market: bool
) -> None:
    """F-26: no number that the schema lets in may break the gate or its record."""
    desk = new_desk(order_value_max=D("1e24"), position_value_max=D("1e24"))
    tiny = D("1e-24")
    desk.define(BTC, tick_size=tiny, lot_size=tiny, min_quantity=D(0), max_quantity=None, min_notional=D(0))
    desk.marks[BTC] = mark(BTC, price)
    prices = {} if market else {"limit_price": price}
    verdicts, marks = desk.decide(IntentInput(0, STRATEGY, desk.intent(side, quantity, **prices)))
    record = RiskDecision.model_validate(
        {
            "account": "main",
            "ledger_no": 1,
            "epoch": 1,
            "cursors": {},
            "ts_ns": 1,
            "incarnation": "i",
            "verdicts": verdicts,
            "marks": marks,
        }
    )
    again = codec.decode(RiskDecision, codec.encode(record), subject="test")
    assert again.verdicts == record.verdicts
