"""Kraken's book channel (WebSocket v1) in its own words, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from pitwire.common.books import Level
from pitwire.common.errors import DecodeError
from pitwire.market_data.adapters.fields import is_plain
from pitwire.market_data.adapters.frames import decode_json

CHANNEL: Final = "book-"


@dataclass(frozen=True, slots=True)
class BookMessage:
    """One message of one pair's book; `checksum` where the venue sends it: with every change, not with the snapshot."""

    pair: str
    is_snapshot: bool
    bids: Sequence[Level]
    asks: Sequence[Level]
    checksum: int | None = None


def book_of(data: bytes) -> BookMessage | None:
    """What a frame says of a book; None for any other channel. `[channelID, changes, (changes,) name, pair]`."""
    frame = decode_json("kraken", data)
    if not isinstance(frame, list) or len(frame) < 4 or not str(frame[-2]).startswith(CHANNEL):
        return None
    place, pair, parts = f"kraken {frame[-2]}", frame[-1], frame[1:-2]
    if not isinstance(pair, str) or not all(isinstance(part, dict) for part in parts):
        raise DecodeError(subject=place, reason="neither pair nor changes are where they belong")
    if "as" in parts[0] or "bs" in parts[0]:
        return BookMessage(pair, True, _levels(place, parts, "bs"), _levels(place, parts, "as"))
    sums = [part["c"] for part in parts if "c" in part]
    if len(sums) != 1 or not str(sums[0]).isdecimal():
        raise DecodeError(subject=place, reason="no checksum")
    return BookMessage(pair, False, _levels(place, parts, "b"), _levels(place, parts, "a"), int(sums[0]))


def _levels(place: str, parts: list[dict[str, Any]], name: str) -> list[Level]:
    """Price, quantity, time (and "r" where a level is repeated) of each change."""
    found: list[Level] = []
    for part in parts:
        for row in part.get(name, ()):
            if not isinstance(row, list) or len(row) < 3 or not (is_plain(row[0]) and is_plain(row[1])):
                raise DecodeError(subject=place, reason=f"{name}: a level is no price and quantity as plain decimals")
            found.append((row[0], row[1]))
    return found
