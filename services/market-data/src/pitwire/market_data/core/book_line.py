"""One instrument's book as messages: diffs in sequence, a whole one now and then, a word when it is lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pitwire.common.books import Level, rank
from pitwire.common.enums import DataQuality
from pitwire.common.units import NS_PER_S
from pitwire.market_data.core.depth import BinanceBook, Diff, Outcome, Snapshot
from pitwire.market_data.core.messages import BookOut, levels_out

SNAPSHOT_PERIOD_NS: Final = 5 * NS_PER_S
"""How often (wall clock) a whole book goes out instead of a diff: who came late, or lost one, waits no longer."""

SNAPSHOT_LEVELS_MAX: Final = 1_000
"""Of each side: with longest prices still within the largest payload."""


class BookLine:
    """Numbers its own messages. `quality` is what the caller thinks of the diff itself."""

    def __init__(self, instrument_id: str, epoch: str) -> None:
        self._instrument_id = instrument_id
        self._epoch = epoch
        self._venue_book = BinanceBook()
        self._messages = 0
        self._whole_ns = 0

    @property
    def is_synced(self) -> bool:
        return self._venue_book.is_synced

    @property
    def wants_snapshot(self) -> bool:
        return self._venue_book.wants_snapshot

    @property
    def mid_price(self) -> float | None:
        """Of the best prices; None while a side is empty."""
        bid, ask = self._venue_book.book.bids.best, self._venue_book.book.asks.best
        return None if bid is None or ask is None else (float(bid) + float(ask)) / 2

    def on_diff(self, diff: Diff) -> Outcome:
        return self._venue_book.on_diff(diff)

    def on_snapshot(self, snapshot: Snapshot) -> Outcome:
        return self._venue_book.on_snapshot(snapshot)

    def on_gap(self) -> bool:
        """True when a book that was in sequence is lost by it."""
        was_synced = self._venue_book.is_synced
        self._venue_book.on_gap()
        return was_synced

    @property
    def is_crossed(self) -> bool:
        return self._venue_book.book.is_crossed

    def applied(self, diff: Diff, quality: DataQuality, recv_ns: int) -> BookOut:
        """The diff, or the whole book where one is due."""
        if recv_ns - self._whole_ns >= SNAPSHOT_PERIOD_NS:
            return self.whole(quality, ts_event_ns=diff.ts_event_ns, recv_ns=recv_ns)
        self._messages += 1
        return BookOut(
            self._instrument_id,
            self._epoch,
            self._messages,
            diff.ts_event_ns,
            recv_ns,
            quality,
            False,
            diff.first_update_id,
            diff.last_update_id,
            levels_out(_ordered(diff.bids, falling=True)),
            levels_out(_ordered(diff.asks, falling=False)),
        )

    def whole(self, quality: DataQuality, *, ts_event_ns: int, recv_ns: int) -> BookOut:
        """The best levels of both sides."""
        self._messages += 1
        self._whole_ns = recv_ns
        book, at = self._venue_book.book, self._venue_book.last_update_id
        bids, asks = (levels_out(side.top(SNAPSHOT_LEVELS_MAX)) for side in (book.bids, book.asks))
        return BookOut(
            self._instrument_id, self._epoch, self._messages, ts_event_ns, recv_ns, quality, True, at, at, bids, asks
        )

    def lost(self, quality: DataQuality, *, ts_event_ns: int, recv_ns: int) -> BookOut:
        """No levels: the book of whoever reads this is not to be used until a whole one comes."""
        self._messages += 1
        at = self._venue_book.last_update_id
        return BookOut(
            self._instrument_id, self._epoch, self._messages, ts_event_ns, recv_ns, quality, False, at, at, [], []
        )


def _price_rank(level: Level) -> tuple[int, str]:
    return rank(level[0])


def _ordered(levels: Sequence[Level], *, falling: bool) -> Sequence[Level]:
    """Best first, as the schema has it; venues mostly send them so."""
    return sorted(levels, key=_price_rank, reverse=falling)
