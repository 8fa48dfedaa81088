"""What leaves market-data by the thousand: the schemas of `pitwire.common.schemas.market` without their models.

A model is validated and dumped for microseconds a message. These hold what was checked already, figures as text, and
`orjson` writes them as they are. A test holds each equal to its schema, field by field and byte by byte.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pitwire.common.books import ZERO_MOST, Level
from pitwire.common.enums import DataQuality, Side


@dataclass(slots=True)
class TradeOut:
    """`Trade`."""

    instrument_id: str
    epoch: str
    sequence: int
    ts_event_ns: int
    ts_recv_ns: int
    quality: DataQuality
    trade_id: str
    last_price: str
    last_quantity: str
    aggressor_side: Side


@dataclass(slots=True)
class QuoteOut:
    """`Quote`."""

    instrument_id: str
    epoch: str
    sequence: int
    ts_event_ns: int
    ts_recv_ns: int
    quality: DataQuality
    bid_price: str
    bid_quantity: str
    ask_price: str
    ask_quantity: str


@dataclass(slots=True)
class BookOut:
    """`BookUpdate`."""

    instrument_id: str
    epoch: str
    sequence: int
    ts_event_ns: int
    ts_recv_ns: int
    quality: DataQuality
    snapshot: bool
    first_update_id: int
    last_update_id: int
    bids: list[dict[str, str]]
    asks: list[dict[str, str]]


MarketOut = TradeOut | QuoteOut | BookOut
NO_QUANTITY: Final = "0"


def quantity_text(quantity: str) -> str:
    """Zero has one spelling on the wire."""
    return quantity if quantity > ZERO_MOST else NO_QUANTITY


def levels_out(levels: Iterable[Level]) -> list[dict[str, str]]:
    """Levels as `BookLevel` writes them."""
    return [
        {"price": price, "quantity": quantity if quantity > ZERO_MOST else NO_QUANTITY} for price, quantity in levels
    ]
