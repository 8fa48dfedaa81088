"""What leaves market-data by the thousand equals the schemas, field by field and byte by byte."""

from __future__ import annotations

from dataclasses import fields
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.common import codec
from pitwire.common.enums import DataQuality, Side
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.market import BookLevel, BookUpdate, Quote, Trade
from pitwire.market_data.core.messages import BookOut, QuoteOut, TradeOut, levels_out, quantity_text

BTC = "BTC-USDT.sim"
WHOLE = st.integers(0, 2**63 - 1)
PLAIN = st.decimals(min_value=Decimal("0.00000001"), max_value=Decimal(10) ** 12, places=8).map(
    lambda d: format(d, "f")
)
QUANTITY = st.one_of(PLAIN, st.sampled_from(["0", "0.0", "0.00000000"]))
Head = tuple[str, str, int, int, int, DataQuality]
HEAD = (st.just(BTC), st.just("epoch-1"), WHOLE, WHOLE, WHOLE, st.sampled_from(DataQuality))
LEVELS = st.lists(st.tuples(PLAIN, QUANTITY), max_size=4)


@pytest.mark.parametrize(("out", "schema"), [(TradeOut, Trade), (QuoteOut, Quote), (BookOut, BookUpdate)])
def test_the_fields_are_those_of_the_schema_in_its_order(out: type[Any], schema: type[Message]) -> None:
    assert [field.name for field in fields(out)] == list(schema.model_fields)


@given(head=st.tuples(*HEAD), price=PLAIN, quantity=PLAIN, side=st.sampled_from(Side))
def test_a_trade_has_the_bytes_of_its_schema(head: Head, price: str, quantity: str, side: Side) -> None:
    out = TradeOut(*head, "7", price, quantity, side)
    _same(out, Trade, {"trade_id": "7", "last_price": price, "last_quantity": quantity, "aggressor_side": side}, head)


@given(head=st.tuples(*HEAD), prices=st.tuples(PLAIN, PLAIN), quantities=st.tuples(QUANTITY, QUANTITY))
def test_a_quote_has_the_bytes_of_its_schema(head: Head, prices: tuple[str, str], quantities: tuple[str, str]) -> None:
    bid, ask = prices
    bids, asks = quantities
    out = QuoteOut(*head, bid, quantity_text(bids), ask, quantity_text(asks))
    _same(out, Quote, {"bid_price": bid, "bid_quantity": bids, "ask_price": ask, "ask_quantity": asks}, head)


@given(head=st.tuples(*HEAD), snapshot=st.booleans(), ids=st.tuples(WHOLE, WHOLE), bids=LEVELS, asks=LEVELS)
def test_a_book_has_the_bytes_of_its_schema(
    head: Head,
    snapshot: bool,
    ids: tuple[int, int],
    bids: list[tuple[str, str]],
    asks: list[tuple[str, str]],
) -> None:
    out = BookOut(*head, snapshot, *ids, levels_out(bids), levels_out(asks))
    values = {"snapshot": snapshot, "first_update_id": ids[0], "last_update_id": ids[1]}
    sides = {
        name: tuple(BookLevel(price=Decimal(price), quantity=Decimal(quantity)) for price, quantity in levels)
        for name, levels in (("bids", bids), ("asks", asks))
    }
    _same(out, BookUpdate, values | sides, head)


def _same(out: Any, schema: type[Message], values: dict[str, Any], head: Head) -> None:
    names = ("instrument_id", "epoch", "sequence", "ts_event_ns", "ts_recv_ns", "quality")
    decimals = {
        name: Decimal(value) if isinstance(value, str) and name != "trade_id" and not isinstance(value, Side) else value
        for name, value in values.items()
    }
    message = schema(**dict(zip(names, head, strict=True)), **decimals)
    assert orjson.dumps(out) == codec.encode(message)
    assert codec.decode(schema, orjson.dumps(out), subject="") == message
