"""Kraken's public channels (WebSocket v1) in its own words, checked: book, trade, ticker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pitwire.common.books import ZERO_MOST, Level
from pitwire.common.enums import Side
from pitwire.common.errors import DecodeError
from pitwire.common.units import NS_PER_S
from pitwire.market_data.adapters.fields import is_plain
from pitwire.market_data.adapters.frames import decode_json

CHANNEL: Final = "book-"
TEXT_OF_SIDE: Final = {"b": Side.BUY, "s": Side.SELL}
MICROS: Final = 1_000


@dataclass(frozen=True, slots=True)
class BookMessage:
    """One message of one pair's book; `checksum` where the venue sends it: with every change, not with the snapshot."""

    pair: str
    is_snapshot: bool
    bids: Sequence[Level]
    asks: Sequence[Level]
    checksum: int | None = None
    ts_event_ns: int = 0


@dataclass(frozen=True, slots=True)
class TradeMessage:
    """Trades of one pair: price, quantity, the taker's side, time."""

    pair: str
    trades: Sequence[tuple[str, str, Side, int]]


@dataclass(frozen=True, slots=True)
class TickerMessage:
    """Top of book of one pair, without a time."""

    pair: str
    bid: Level
    ask: Level


def message_of(data: bytes) -> BookMessage | TradeMessage | TickerMessage | None:
    """What a frame says; None for events of the connection. `[channelID, what, (what,) name, pair]`."""
    frame = decode_json("kraken", data)
    if not isinstance(frame, list):
        return None
    if len(frame) < 4 or not (isinstance(frame[-2], str) and isinstance(frame[-1], str)):
        raise DecodeError(subject="kraken", reason="neither channel nor pair are where they belong")
    if frame[-2].startswith(CHANNEL):
        return _book(f"kraken {frame[-2]}", frame[-1], frame[1:-2])
    if frame[-2] == "trade":
        return TradeMessage(frame[-1], [_trade(row) for row in _rows("kraken trade", frame[1])])
    if frame[-2] == "ticker":
        return _ticker(frame[-1], frame[1])
    return None


def book_of(data: bytes) -> BookMessage | None:
    """What a frame says of a book; None for any other channel."""
    found = message_of(data)
    return found if isinstance(found, BookMessage) else None


def _book(place: str, pair: str, parts: list[Any]) -> BookMessage:
    if not all(isinstance(part, dict) for part in parts):
        raise DecodeError(subject=place, reason="changes are not where they belong")
    if "as" in parts[0] or "bs" in parts[0]:
        times = _newest(place, parts, ("as", "bs"))
        return BookMessage(pair, True, _levels(place, parts, "bs"), _levels(place, parts, "as"), ts_event_ns=times)
    sums = [part["c"] for part in parts if "c" in part]
    if len(sums) != 1 or not str(sums[0]).isdecimal():
        raise DecodeError(subject=place, reason="no checksum")
    bids, asks = _levels(place, parts, "b"), _levels(place, parts, "a")
    return BookMessage(pair, False, bids, asks, int(sums[0]), _newest(place, parts, ("a", "b")))


def _trade(row: Any) -> tuple[str, str, Side, int]:
    if not isinstance(row, list) or len(row) < 4 or not (is_plain(row[0]) and is_plain(row[1])):
        raise DecodeError(subject="kraken trade", reason="no price and quantity as plain decimals")
    if row[3] not in TEXT_OF_SIDE or row[0] <= ZERO_MOST or row[1] <= ZERO_MOST:
        raise DecodeError(subject="kraken trade", reason="side, price or quantity cannot be")
    return row[0], row[1], TEXT_OF_SIDE[row[3]], time_ns("kraken trade", row[2])


def _ticker(pair: str, members: Any) -> TickerMessage:
    sides: list[Level] = []
    for name in ("b", "a"):
        row = members.get(name) if isinstance(members, dict) else None
        if not isinstance(row, list) or len(row) != 3 or not (is_plain(row[0]) and is_plain(row[2])):
            raise DecodeError(subject="kraken ticker", reason=f"{name}: no price and quantity as plain decimals")
        if row[0] <= ZERO_MOST:
            raise DecodeError(subject="kraken ticker", reason=f"{name}: a price of 0")
        sides.append((row[0], row[2]))
    return TickerMessage(pair, sides[0], sides[1])


def time_ns(place: str, text: Any) -> int:
    """Seconds with up to six decimals, as text."""
    if not is_plain(text):
        raise DecodeError(subject=place, reason="a time is no plain decimal")
    seconds, _, part = text.partition(".")
    return int(seconds) * NS_PER_S + int(part[:6].ljust(6, "0")) * MICROS


def _newest(place: str, parts: list[dict[str, Any]], names: tuple[str, str]) -> int:
    """The newest time of the levels; 0 for none."""
    rows = [row for part in parts for name in names for row in part.get(name, ())]
    return max((time_ns(place, row[2]) for row in rows), default=0)


def _rows(place: str, rows: Any) -> list[Any]:
    if not isinstance(rows, list):
        raise DecodeError(subject=place, reason="no list")
    return rows


def _levels(place: str, parts: list[dict[str, Any]], name: str) -> list[Level]:
    """Price, quantity, time (and "r" where a level is repeated) of each change."""
    found: list[Level] = []
    for part in parts:
        for row in part.get(name, ()):
            if not isinstance(row, list) or len(row) < 3 or not (is_plain(row[0]) and is_plain(row[1])):
                raise DecodeError(subject=place, reason=f"{name}: a level is no price and quantity as plain decimals")
            found.append((row[0], row[1]))
    return found
