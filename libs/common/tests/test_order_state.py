"""The life of one order as a table, a row a life."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import OrderStatus, OrderType, Side
from pitwire.common.errors import InvariantBroken
from pitwire.common.fills import BookedTrades, fill_of, trade_key
from pitwire.common.order_state import Applied, OrderState, apply, cancel_requested, not_sent, submitting
from pitwire.common.order_transitions import TRANSITIONS, AnomalyCode, Step
from pitwire.common.schemas.execution import ExecReport
from pitwire.common.testing.journal import BTC, ETH, Journal, order_intent

# An order to buy 3. Events in order; `fill Q@P[ #id]` books a trade, `bust #id` takes it back, `says S cum=C` is the
# answer to a query. After the arrow: status, booked quantity, leaves, what is still counted as open, flags.
LIVES = """
submit ack fill:1@10 fill:2@11             -> FILLED           3 0 0 -
submit fill:1@10 ack fill:2@11             -> FILLED           3 0 0 -
submit fill:3@10 ack                       -> FILLED           3 0 0 -
fill:3@10 submit                           -> FILLED           3 0 0 SECOND_SUBMITTING
submit ack                                 -> NEW              0 3 3 -
submit ack ack                             -> NEW              0 3 3 -
submit ack fill:1@10 ack                   -> PARTIALLY_FILLED 1 2 2 -
submit ack cancel?                         -> PENDING_CANCEL   0 3 3 -
submit ack cancel? ack                     -> PENDING_CANCEL   0 3 3 -
submit ack cancel? fill:1@10               -> PENDING_CANCEL   1 2 2 -
submit ack cancel? fill:1@10 canceled      -> CANCELED         1 0 0 -
submit ack cancel? fill:3@10               -> FILLED           3 0 0 -
submit ack cancel? fill:3@10 canceled      -> FILLED           3 0 0 -
submit cancel? ack canceled                -> CANCELED         0 0 0 -
submit ack canceled canceled               -> CANCELED         0 0 0 -
submit ack canceled expired                -> CANCELED         0 0 0 -
submit ack canceled ack                    -> CANCELED         0 0 0 -
submit canceled                            -> CANCELED         0 0 0 -
submit ack expired                         -> EXPIRED          0 0 0 -
submit fill:1@10 expired                   -> EXPIRED          1 0 0 -
submit rejected                            -> REJECTED         0 0 0 -
submit ack rejected                        -> REJECTED         0 0 0 -
submit ack fill:1@10 rejected              -> PARTIALLY_FILLED 1 2 2 ILLEGAL_TRANSITION
submit fill:3@10 rejected                  -> FILLED           3 0 0 ILLEGAL_TRANSITION
submit rejected ack                        -> REJECTED         0 0 0 ALIVE_AFTER_END
submit rejected canceled                   -> REJECTED         0 0 0 ALIVE_AFTER_END
submit unknown                             -> UNKNOWN          0 3 3 -
submit unknown unknown                     -> UNKNOWN          0 3 3 -
submit unknown ack                         -> NEW              0 3 3 -
submit unknown rejected                    -> REJECTED         0 0 0 -
submit unknown canceled                    -> CANCELED         0 0 0 -
submit unknown fill:1@10                   -> PARTIALLY_FILLED 1 2 2 -
submit unknown fill:3@10                   -> FILLED           3 0 0 -
submit unknown notsent                     -> UNKNOWN          0 3 3 ILLEGAL_TRANSITION
submit unknown cancel?                     -> UNKNOWN          0 3 3 -
submit unknown cancel? ack                 -> PENDING_CANCEL   0 3 3 -
submit unknown cancel? fill:1@10           -> PENDING_CANCEL   1 2 2 -
submit ack fill:1@10 unknown               -> UNKNOWN          1 2 2 -
submit ack fill:1@10 unknown ack           -> PARTIALLY_FILLED 1 2 2 -
submit cancel? unknown ack                 -> PENDING_CANCEL   0 3 3 -
notsent                                    -> NOT_SENT         0 0 0 -
submit notsent                             -> NOT_SENT         0 0 0 -
submit notsent notsent                     -> NOT_SENT         0 0 0 -
cancel? notsent                            -> NOT_SENT         0 0 0 -
submit ack notsent                         -> NEW              0 3 3 ILLEGAL_TRANSITION
submit ack cancel? notsent                 -> PENDING_CANCEL   0 3 3 ILLEGAL_TRANSITION
submit fill:1@10 notsent                   -> PARTIALLY_FILLED 1 2 2 ILLEGAL_TRANSITION
submit notsent ack                         -> NOT_SENT         0 0 0 ALIVE_AFTER_END
submit notsent fill:1@10                   -> NOT_SENT         1 0 0 FILL_AFTER_TERMINAL
submit submit                              -> PENDING_NEW      0 3 3 SECOND_SUBMITTING
submit ack canceled fill:1@10              -> CANCELED         1 0 0 FILL_AFTER_TERMINAL
submit ack canceled fill:1@10:1            -> CANCELED         1 0 0 FILL_AFTER_TERMINAL
submit ack expired fill:3@10               -> EXPIRED          3 0 0 FILL_AFTER_TERMINAL
submit rejected fill:1@10                  -> REJECTED         1 0 0 FILL_AFTER_TERMINAL
submit ack canceled:1                      -> CANCELED         0 0 1 -
submit ack canceled:1 fill:1@10            -> CANCELED         1 0 0 -
submit ack canceled:1 fill:2@10            -> CANCELED         2 0 0 FILL_AFTER_TERMINAL
submit ack fill:4@10                       -> FILLED           4 0 0 OVERFILL
submit ack fill:3@10 fill:1@10             -> FILLED           4 0 0 FILL_AFTER_TERMINAL OVERFILL
submit fill:2@11:3                         -> PARTIALLY_FILLED 2 1 1 -
submit fill:2@11:3 fill:1@10:1             -> FILLED           3 0 0 -
submit unknown says:NEW                    -> NEW              0 3 3 -
submit unknown says:PARTIALLY_FILLED:1     -> PARTIALLY_FILLED 0 3 3 -
submit unknown says:FILLED:3               -> PARTIALLY_FILLED 0 3 3 -
submit unknown says:FILLED:3 fill:3@10:3   -> FILLED           3 0 0 -
submit unknown says:CANCELED:1             -> CANCELED         0 0 1 -
submit unknown says:EXPIRED                -> EXPIRED          0 0 0 -
submit unknown says:REJECTED               -> REJECTED         0 0 0 -
submit unknown says:UNKNOWN                -> UNKNOWN          0 3 3 -
submit unknown says:PENDING_NEW            -> UNKNOWN          0 3 3 -
submit ack says:PENDING_CANCEL             -> PENDING_CANCEL   0 3 3 -
submit fill:3@10 says:NEW                  -> FILLED           3 0 0 -
submit fill:3@10 says:FILLED:3             -> FILLED           3 0 0 -
submit ack fill:0@10                       -> NEW              0 3 3 EMPTY_FILL
submit ack fill:1@10 bust:1                -> NEW              0 3 3 TRADE_REVERSED
submit fill:1@10 fill:1@10 bust:1          -> PARTIALLY_FILLED 1 2 2 TRADE_REVERSED
submit fill:3@10 bust:1                    -> FILLED           0 0 0 TRADE_REVERSED
submit ack bust:9                          -> NEW              0 3 3 UNKNOWN_TRADE
submit fill:3@10 correct:1:2@10            -> FILLED           2 0 0 TRADE_REVERSED
submit fill:1@10 correct:1:2@9             -> PARTIALLY_FILLED 2 1 1 TRADE_REVERSED
"""


class Life:
    """Applies the words of one row to one order."""

    def __init__(self, quantity: str = "3") -> None:
        self.journal = Journal()
        self.journal.start()
        self.verdict = self.journal.approve(order_intent(1, Side.BUY, quantity, limit_price="11"), worst_price="11")
        self.order = OrderState.of_approval(self.verdict, venue="sim", created_ns=1)
        self.trades = BookedTrades()
        self.flags: list[str] = []
        self.trade_no = 0

    def report(self, exec_type: str, **changed: Any) -> ExecReport:
        return self.journal.report_of(self.verdict, exec_type, **changed)

    def take(self, applied: Applied) -> None:
        self.order = applied.order
        self.flags += [anomaly.code.value for anomaly in applied.anomalies]
        for fill in applied.fills:
            self.trades.put(fill)

    def play(self, word: str) -> None:
        name, *rest = word.split(":")
        plain = {
            "ack": "NEW",
            "canceled": "CANCELED",
            "expired": "EXPIRED",
            "rejected": "REJECTED",
            "unknown": "UNKNOWN",
        }
        if name in plain:
            self.take(apply(self.order, self.report(plain[name], cum_quantity=rest[0] if rest else "0")))
        elif name == "cancel?":
            self.order = cancel_requested(self.order)
        elif name == "submit":
            self.journal.submitting(self.verdict)
            self.take(submitting(self.order, self.last()))
        elif name == "notsent":
            self.journal.not_sent(self.verdict)
            self.take(not_sent(self.order, self.last()))
        elif name == "says":
            cum = rest[1] if len(rest) > 1 else "0"
            self.take(apply(self.order, self.report("STATUS", order_status=OrderStatus(rest[0]), cum_quantity=cum)))
        elif name == "fill":
            self.trade_no += 1
            self.take(apply(self.order, self.trade("TRADE", str(self.trade_no), *rest)))
        elif name == "bust":
            self.reverse(self.report("TRADE_CANCEL", trade_id=rest[0]))
        elif name == "correct":
            self.reverse(self.trade("TRADE_CORRECT", *rest))
        else:
            raise AssertionError(word)

    def trade(self, exec_type: str, trade_id: str, told: str, cum: str = "0") -> ExecReport:
        quantity, price = told.split("@")
        return self.report(exec_type, trade_id=trade_id, last_quantity=quantity, last_price=price, cum_quantity=cum)

    def reverse(self, report: ExecReport) -> None:
        self.take(apply(self.order, report, original=self.trades.find(trade_key(report))))

    def last(self) -> Any:
        return self.journal.entries[-1].event


def rows(table: str) -> list[str]:
    return [line for line in table.strip().splitlines() if line]


@pytest.mark.parametrize("row", rows(LIVES))
def test_an_order_lives_as_the_table_says(row: str) -> None:
    """S-29, S-30, S-33, S-34, S-39: early fills, doubt, late fills and cancels end where the table says."""
    words, expected = row.split("->")
    status, cum, leaves, open_quantity, *flags = expected.split()
    life = Life()
    for word in words.split():
        life.play(word)
    order = life.order
    found = (order.status.value, order.cum_quantity, order.leaves_quantity, order.open_quantity, sorted(life.flags))
    wanted = (status, Decimal(cum), Decimal(leaves), Decimal(open_quantity), [] if flags == ["-"] else sorted(flags))
    assert found == wanted


def test_every_status_has_a_row_and_terminal_ones_absorb() -> None:
    """I-4: a terminal status never changes, by any step."""
    assert set(TRANSITIONS) == set(OrderStatus)
    for status in OrderStatus:
        if status.is_terminal:
            assert set(TRANSITIONS[status].values()) <= {status}
        else:
            assert Step.IN_DOUBT in TRANSITIONS[status]


def test_unknown_is_left_only_by_word_of_the_venue() -> None:
    """S-30: neither time nor a NotSent nor a cancel request ends a doubt."""
    assert {step for step, to in TRANSITIONS[OrderStatus.UNKNOWN].items() if to is not OrderStatus.UNKNOWN} == {
        Step.ACKED,
        Step.PART_FILLED,
        Step.ALL_FILLED,
        Step.CANCELED,
        Step.EXPIRED,
        Step.REJECTED,
    }


def test_average_price_is_cost_over_quantity() -> None:
    life = Life()
    before = life.order.average_price
    life.play("fill:1@10")
    life.play("fill:2@11.5")
    assert life.order.cost == Decimal(33)
    assert (before, life.order.average_price) == (None, Decimal(11))


def test_seven_tenths_and_three_tenths_fill_an_order() -> None:
    """S-9: in floats 0.7 + 0.1 + 0.1 + 0.1 never reaches 1."""
    life = Life("1")
    for part in ("0.7", "0.1", "0.1", "0.1"):
        life.play(f"fill:{part}@10")
    assert (life.order.status, life.order.cum_quantity) == (OrderStatus.FILLED, Decimal("1.0"))


def test_fees_add_up_per_currency() -> None:
    """S-3, S-4: each fee once, in the currency the venue took it in."""
    life = Life()
    for fee, currency in (("0.1", "USDT"), ("0.001", "BNB"), ("-0.04", "USDT")):
        report = life.report("TRADE", trade_id=fee, last_quantity="1", last_price="10", fee=fee, fee_currency=currency)
        life.take(apply(life.order, report))
    assert life.order.fees == (("USDT", Decimal("0.06")), ("BNB", Decimal("0.001")))


def test_a_fee_without_a_currency_is_flagged_and_booked_in_quote() -> None:
    life = Life()
    report = life.report("TRADE", trade_id="1", last_quantity="1", last_price="10", fee="0.5")
    life.take(apply(life.order, report))
    assert life.flags == ["FEE_WITHOUT_CURRENCY"]
    assert life.order.fees == (("USDT", Decimal("0.5")),)


@pytest.mark.parametrize("changed", [{"instrument_id": ETH}, {"side": Side.SELL}])
def test_a_trade_that_does_not_match_its_order_is_booked_as_told_and_flagged(changed: dict[str, Any]) -> None:
    """S-35: the money moved where the venue says; the order is not counted as filled by it."""
    life = Life()
    report = life.report("TRADE", trade_id="1", last_quantity="1", last_price="10", **changed)
    applied = apply(life.order, report)
    assert [a.code for a in applied.anomalies] == [AnomalyCode.MISMATCH]
    assert applied.booked is not None
    assert (applied.booked.instrument_id, applied.booked.side) == (report.instrument_id, report.side)
    assert applied.order == life.order


def test_a_mismatched_report_without_a_trade_changes_nothing() -> None:
    life = Life()
    applied = apply(life.order, life.report("CANCELED", side=Side.SELL))
    assert (applied.order, applied.booked) == (life.order, None)
    assert [a.code for a in applied.anomalies] == [AnomalyCode.MISMATCH]


def test_two_venue_orders_for_one_id_are_flagged() -> None:
    """I-2: a venue takes a client id again once the first order is filled; the second one must not pass unseen."""
    life = Life()
    life.take(apply(life.order, life.report("NEW", venue_order_id="a")))
    life.take(apply(life.order, life.report("NEW", venue_order_id="b")))
    assert life.flags == ["SECOND_VENUE_ORDER"]
    assert life.order.venue_order_id == "a"


def test_what_is_submitted_must_be_what_was_approved() -> None:
    """I-3: content and size are compared at the last hop too."""
    life = Life()
    life.journal.submitting(life.verdict)
    event = life.last().model_copy(update={"quantity": Decimal("3.001")})
    applied = submitting(life.order, event)
    assert [a.code for a in applied.anomalies] == [AnomalyCode.MISMATCH]


def test_a_report_for_another_order_is_refused() -> None:
    life = Life()
    report = life.report("NEW").model_copy(update={"client_order_id": "other"})
    with pytest.raises(InvariantBroken, match="applied to order"):
        apply(life.order, report)


def test_an_order_only_the_venue_knew_is_taken_from_its_report() -> None:
    """S-32: adopted with what the report says, and counted."""
    life = Life()
    report = life.report("NEW", external=True, order_quantity="2", limit_price="10", order_type=OrderType.LIMIT)
    order = OrderState.of_unknown(report)
    assert (order.external, order.quantity, order.limit_price, order.open_quantity) == (
        True,
        Decimal(2),
        Decimal(10),
        Decimal(2),
    )


def test_the_strategy_of_the_order_gets_the_fill_whatever_the_report_names() -> None:
    life = Life()
    report = life.report("TRADE", trade_id="1", last_quantity="1", last_price="10", strategy="other")
    applied = apply(life.order, report)
    assert applied.booked is not None
    assert applied.booked.strategy == "momentum"
    assert fill_of(report).strategy == "other"


def test_questions_about_an_order() -> None:
    life = Life()
    before = life.order
    life.play("fill:3@10")
    assert [(o.is_active, o.is_filled, o.is_settled) for o in (before, life.order)] == [
        (True, False, False),
        (False, True, True),
    ]
    assert life.order.instrument_id == BTC
