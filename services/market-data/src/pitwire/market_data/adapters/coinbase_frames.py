"""Coinbase's level2 in its own words, checked: of Advanced Trade (`l2_data`) and of the older Exchange feed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pitwire.common.books import Level
from pitwire.common.errors import DecodeError
from pitwire.market_data.adapters.fields import is_plain
from pitwire.market_data.adapters.frames import decode_json


@dataclass(frozen=True, slots=True)
class BookMessage:
    """One message of one product's book; `sequence` counts the messages of the connection where the venue does."""

    product: str
    is_snapshot: bool
    bids: Sequence[Level]
    asks: Sequence[Level]
    sequence: int | None = None


def books_of(data: bytes) -> list[BookMessage]:
    """What a frame says of books; nothing for any other channel."""
    frame = decode_json("coinbase", data)
    if not isinstance(frame, dict):
        raise DecodeError(subject="coinbase", reason="not an object")
    if frame.get("channel") == "l2_data":
        sequence = frame.get("sequence_num")
        if type(sequence) is not int or not isinstance(frame.get("events"), list):
            raise DecodeError(subject="coinbase l2_data", reason="sequence_num or events: missing or wrong")
        return [_event(event, sequence) for event in frame["events"]]
    if frame.get("type") == "snapshot":
        bids, asks = _side("snapshot", frame.get("bids")), _side("snapshot", frame.get("asks"))
        return [BookMessage(_product(frame), True, bids, asks)]
    if frame.get("type") == "l2update":
        return [_changes(_product(frame), False, _rows("l2update", frame.get("changes"), 3))]
    return []


def _event(event: Any, sequence: int) -> BookMessage:
    if not isinstance(event, dict) or not isinstance(event.get("updates"), list):
        raise DecodeError(subject="coinbase l2_data", reason="updates: missing or no list")
    rows = [
        [row.get("side"), row.get("price_level"), row.get("new_quantity")] if isinstance(row, dict) else []
        for row in event["updates"]
    ]
    return _changes(_product(event), event.get("type") == "snapshot", _rows("l2_data", rows, 3), sequence)


def _changes(
    product: str, is_snapshot: bool, rows: Iterable[Sequence[str]], sequence: int | None = None
) -> BookMessage:
    bids: list[Level] = []
    asks: list[Level] = []
    for side, price, quantity in rows:
        (bids if side in {"buy", "bid"} else asks).append((price, quantity))
    return BookMessage(product, is_snapshot, bids, asks, sequence)


def _side(place: str, rows: Any) -> list[Sequence[str]]:
    return _rows(place, rows, 2)


def _rows(place: str, rows: Any, length: int) -> list[Sequence[str]]:
    """Rows that end in price and quantity; a side stands before them where there are three members."""
    if not isinstance(rows, list):
        raise DecodeError(subject=f"coinbase {place}", reason="levels are no list")
    for row in rows:
        if not isinstance(row, list) or len(row) != length or not (is_plain(row[-1]) and is_plain(row[-2])):
            raise DecodeError(subject=f"coinbase {place}", reason="a level is no price and quantity as plain decimals")
        if length == 3 and row[0] not in {"buy", "sell", "bid", "offer"}:
            raise DecodeError(subject=f"coinbase {place}", reason="a level has no side")
    return rows


def _product(frame: dict[str, Any]) -> str:
    product = frame.get("product_id")
    if not isinstance(product, str):
        raise DecodeError(subject="coinbase", reason="product_id: missing or no text")
    return product
