"""The wire form: canonical, exact, and closed to what is not known."""

from __future__ import annotations

from decimal import Decimal

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pitwire.common import codec, subjects
from pitwire.common.enums import OrderType, Side
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.base import Message, decimal_text
from pitwire.common.schemas.execution import ExecReport, Submitting
from pitwire.common.schemas.ledger import Halt, RiskDecision
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing.journal import BTC, Journal, mark, order_intent

SUBJECT = subjects.intent("main", "momentum")


def intent(**changes: object) -> OrderIntent:
    fields: dict[str, object] = {
        "account": "main",
        "strategy": "momentum",
        "intent_no": 1,
        "valid_until_ns": 2,
        "ts_ns": 1,
        "instrument_id": "BTC-USDT.sim",
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": "0.010",
        "limit_price": "100",
    }
    return OrderIntent.model_validate({**fields, **changes})


@given(st.decimals(min_value=Decimal("1e-18"), max_value=Decimal("1e18"), allow_nan=False, allow_infinity=False))
def test_every_quantity_survives_the_wire_exactly(quantity: Decimal) -> None:
    if len(quantity.as_tuple().digits) > 40 or abs(int(quantity.as_tuple().exponent)) > 24:
        return
    sent = intent(quantity=format(quantity, "f"))
    received = codec.decode(OrderIntent, codec.encode(sent), subject=SUBJECT)
    assert received.quantity == quantity


def test_encoding_twice_gives_the_same_bytes() -> None:
    first = codec.encode(intent())
    assert codec.encode(codec.decode(OrderIntent, first, subject=SUBJECT)) == first


def test_decimals_are_plain_text_on_the_wire() -> None:
    raw = orjson.loads(codec.encode(intent(limit_price="1E+2")))
    assert raw["limit_price"] == "100"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"quantity": 0.01}, "quantity"),
        ({"quantity": 1}, "quantity"),
        ({"quantity": "NaN"}, "quantity"),
        ({"quantity": "Infinity"}, "quantity"),
        ({"quantity": "-1"}, "quantity"),
        ({"quantity": "0"}, "quantity"),
        ({"quantity": "1e30"}, "quantity"),
        ({"quantity": "1" * 41}, "quantity"),
        ({"intent_no": "1"}, "intent_no"),
        ({"intent_no": 0}, "intent_no"),
        ({"side": "HOLD"}, "side"),
        ({"instrument_id": "BTCUSDT"}, "instrument_id"),
        ({"instrument_id": "BTC-USDT.s.m"}, "instrument_id"),
        ({"limit_price": None}, "limit_price"),
        ({"stop_price": "1"}, "stop_price"),
        ({"kind": "PARENT"}, "parent"),
        ({"kind": "BASKET"}, "legs"),
        ({"account": "a.b"}, "account"),
    ],
)
def test_names_the_field_that_is_wrong(change: dict[str, object], reason: str) -> None:
    raw = {**orjson.loads(codec.encode(intent())), **change}
    with pytest.raises(DecodeError, match=reason) as caught:
        codec.decode(OrderIntent, orjson.dumps(raw), subject=SUBJECT)
    assert SUBJECT in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"a": NaN}', b"[" * 5000])
def test_refuses_what_is_not_a_message(data: bytes) -> None:
    with pytest.raises(DecodeError):
        codec.decode(OrderIntent, data, subject=SUBJECT)


def test_refuses_an_oversized_payload_before_parsing_it() -> None:
    with pytest.raises(DecodeError, match="bytes, at most"):
        codec.decode(OrderIntent, b" " * (codec.PAYLOAD_MAX + 1), subject=SUBJECT)


def test_unknown_fields_are_tolerated() -> None:
    raw = {**orjson.loads(codec.encode(intent())), "added_later": 1}
    assert codec.decode(OrderIntent, orjson.dumps(raw), subject=SUBJECT) == intent()


def test_a_schema_that_the_subject_does_not_carry_is_refused() -> None:
    with pytest.raises(DecodeError, match="Halt/1"):
        codec.decode_known(SUBJECT, "Halt/1", b"{}")


def test_a_subject_with_several_schemas_needs_the_header() -> None:
    with pytest.raises(DecodeError, match="None"):
        codec.decode_known(SUBJECT, None, codec.encode(intent()))


def test_a_halt_by_hand_needs_no_header() -> None:
    data = b'{"halt_id":"h1","scope":"ALL","reason":"by hand","source":"operator"}'
    assert isinstance(codec.decode_known("oms.halt.operator", None, data), Halt)


def test_the_error_never_repeats_the_input() -> None:
    with pytest.raises(DecodeError) as caught:
        codec.decode(OrderIntent, b'{"account":"s3cr3t value"}', subject=SUBJECT)
    assert "s3cr3t" not in str(caught.value)


@given(st.one_of(st.text(alphabet="0123456789.-+eE_ naif", max_size=60), st.decimals().map(str)))
def test_a_number_that_was_read_before_is_read_the_same_again(text: str) -> None:
    def read() -> str:
        try:
            return str(intent(quantity=text).quantity)
        except ValidationError as error:
            return str(error.errors()[0]["msg"])

    first = read()
    assert read() == first


def test_equal_numbers_keep_their_own_spelling() -> None:
    spelled = ["1.5", "1.50", "1.500"]
    assert [str(intent(quantity=text).quantity) for text in spelled * 2] == spelled * 2
    assert [str(intent(quantity=Decimal(text)).quantity) for text in spelled] == spelled


def plainly(message: Message) -> bytes:
    """By pydantic's own dump of the message."""
    return orjson.dumps(message.model_dump(), default=decimal_text)


def test_the_bytes_are_those_of_every_field_in_the_order_of_its_class() -> None:
    journal = Journal()
    journal.start()
    approval = journal.approve(order_intent(1, "BUY", "0.10", limit_price="100"))
    journal.submitting(approval)
    journal.fill(approval, "0.10", "99.50")
    journal.halt("h1")
    journal.marks(mark(BTC, "101.20"))
    events = [*(entry.event for entry in journal.entries), approval.intent]
    for event in events:
        decoded = codec.decode(type(event), codec.encode(event), subject=SUBJECT)
        for each in (event, decoded, event.model_copy(update={"ts_ns": 7})):
            assert codec.encode(each) == plainly(each)
    assert {type(event) for event in events} > {RiskDecision, Submitting, ExecReport, Halt, OrderIntent}
