"""Books by the documented rules of each venue: from a snapshot and diffs, in sequence or not at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple
from zlib import crc32

from pitwire.common.books import LEVELS_MAX, Book, BookFault, Level

DIFFS_HELD_MAX: Final = 2_000
"""Kept while a snapshot is on its way: over three minutes of the fastest stream. Older ones are dropped."""

Levels = Sequence[Level]


class Diff(NamedTuple):
    """Levels that changed with the updates `first_update_id` to `last_update_id`.

    `previous_update_id` is the last one of the diff before, where the venue tells it (Binance futures).
    """

    instrument_id: str
    first_update_id: int
    last_update_id: int
    bids: Levels
    asks: Levels
    ts_event_ns: int
    previous_update_id: int | None = None


class Snapshot(NamedTuple):
    """The whole book after `last_update_id`, as deep as was asked for. `ts_event_ns` is 0 where none is sent."""

    instrument_id: str
    last_update_id: int
    bids: Levels
    asks: Levels
    ts_event_ns: int = 0


class Outcome(Enum):
    """What a message did to a book."""

    APPLIED = "applied"
    SNAPSHOT = "snapshot"
    HELD = "held"
    REPEATED = "repeated"
    LOST = "lost"


class BinanceBook:
    """Diffs join on update ids; a snapshot comes by request.

    Rule (Binance, "How to manage a local order book correctly"): hold diffs, take a snapshot, drop diffs that end at
    or before it; the first one applied spans the update after the snapshot; each further one begins right after the
    one before (futures: names it in `previous_update_id`). Anything else: begin again.
    """

    def __init__(self) -> None:
        self.book: Final = Book()
        self.last_update_id = 0
        self.is_synced = False
        self._fresh = False
        self._held: deque[Diff] = deque(maxlen=DIFFS_HELD_MAX)

    @property
    def wants_snapshot(self) -> bool:
        """Diffs are held already: a snapshot taken from now on is not older than the first of them."""
        return not self.is_synced and bool(self._held)

    def on_diff(self, diff: Diff) -> Outcome:
        """APPLIED, REPEATED, HELD until a snapshot comes, or LOST: the book is not to be used until then."""
        if not self.is_synced:
            self._held.append(diff)
            return Outcome.HELD
        if diff.last_update_id <= self.last_update_id:
            return Outcome.REPEATED
        if not self._joins(diff):
            return self._lost(diff)
        return self._apply(diff)

    def on_snapshot(self, snapshot: Snapshot) -> Outcome:
        """SNAPSHOT when the book is in sequence now, held diffs included; HELD when it is too old for them."""
        held = [diff for diff in self._held if diff.last_update_id > snapshot.last_update_id]
        if self.is_synced or (held and held[0].first_update_id > snapshot.last_update_id + 1):
            return Outcome.HELD
        self._held.clear()
        try:
            self.book.replace(snapshot.bids, snapshot.asks)
        except BookFault:
            return Outcome.LOST
        self.last_update_id, self.is_synced, self._fresh = snapshot.last_update_id, True, True
        for at, diff in enumerate(held):
            if self.on_diff(diff) is Outcome.LOST:
                self._held.extend(held[at + 1 :])
                return Outcome.LOST
        return Outcome.LOST if self.book.is_crossed else Outcome.SNAPSHOT

    def on_gap(self) -> None:
        """The stream was interrupted."""
        self.is_synced = False
        self._held.clear()

    def _joins(self, diff: Diff) -> bool:
        if self._fresh:
            return diff.first_update_id <= self.last_update_id + 1
        if diff.previous_update_id is not None:
            return diff.previous_update_id == self.last_update_id
        return diff.first_update_id == self.last_update_id + 1

    def _apply(self, diff: Diff) -> Outcome:
        try:
            self.book.apply(diff.bids, diff.asks)
        except BookFault:
            return self._lost(None)
        self.last_update_id, self._fresh = diff.last_update_id, False
        return self._lost(None) if self.book.is_crossed else Outcome.APPLIED

    def _lost(self, diff: Diff | None) -> Outcome:
        self.on_gap()
        if diff is not None:
            self._held.append(diff)
        return Outcome.LOST


CHECKED_LEVELS: Final = 10
"""Of each side, in Kraken's checksum."""


def kraken_checksum(book: Book) -> int:
    """Kraken's CRC32: the ten best asks, then the ten best bids; price and quantity without point and leading zeros."""
    levels = [*book.asks.top(CHECKED_LEVELS), *book.bids.top(CHECKED_LEVELS)]
    return crc32("".join(text.replace(".", "").lstrip("0") for level in levels for text in level).encode())


class StreamedBook:
    """Snapshot and diffs on one stream, quantities absolute (Kraken `book`, Coinbase `level2`).

    Rule: apply, forget what lies beyond the subscribed depth, compare the checksum where the venue sends one (Kraken,
    "Book checksum"). Different, crossed, or a jump in the connection's count (Coinbase Advanced Trade): subscribe
    again, which brings a new snapshot.
    """

    def __init__(self, depth: int = LEVELS_MAX) -> None:
        self.book: Final = Book(levels_max=depth)
        self.is_synced = False
        self.forgotten: tuple[list[str], list[str]] = [], []
        """Bids and asks that the last diff pushed beyond the depth: the venue tells no more of them."""
        self._depth = depth

    def on_snapshot(self, bids: Levels, asks: Levels, checksum: int | None = None) -> Outcome:
        """SNAPSHOT, or LOST when it cannot be the venue's book."""
        try:
            self.book.replace(bids, asks)
        except BookFault:
            return self.on_gap()
        return self._judge(checksum, Outcome.SNAPSHOT)

    def on_diff(self, bids: Levels, asks: Levels, checksum: int | None = None) -> Outcome:
        """APPLIED, or LOST: also while no snapshot came."""
        if not self.is_synced:
            return Outcome.LOST
        try:
            self.book.apply(bids, asks)
        except BookFault:
            return self.on_gap()
        self.forgotten = self.book.bids.cut(self._depth), self.book.asks.cut(self._depth)
        return self._judge(checksum, Outcome.APPLIED)

    def on_gap(self) -> Outcome:
        """The stream was interrupted, or the connection's count jumped."""
        self.is_synced = False
        return Outcome.LOST

    def _judge(self, checksum: int | None, good: Outcome) -> Outcome:
        self.is_synced = not self.book.is_crossed and checksum in (None, kraken_checksum(self.book))
        return good if self.is_synced else Outcome.LOST
