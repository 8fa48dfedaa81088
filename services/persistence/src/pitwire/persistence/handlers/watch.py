"""Is the stream still the one whose rows are stored? Held against the cursor and the hash, before and while reading."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from pitwire.common.bus.port import Bus
from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.errors import BusUnavailable, PitwireError
from pitwire.common.ids import content_hash
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.ports import Cursor, Store

WATCH_PERIOD_S: Final = 5.0
REBUILD_WAIT_MAX_S: Final = 10.0
"""A sourced copy that was lost is rebuilt from its origin: as long as it grows it is waited for."""

REBUILD_POLL_S: Final = 0.25
WHAT_TO_DO: Final = (
    "nothing more is stored. Where the journal has not gone on since, stop everything: `pitwire up --keep` or `pitwire "
    "topology apply` puts back what it lost. Else keep a copy of the database and make the rows anew from the journal: "
    "`python -m pitwire.persistence migrate --down --to base`, then start"
)


class StreamBehind(PitwireError):
    """The stream ends before the cursor."""

    code = "STREAM_BEHIND"


class JournalLost(PitwireError):
    """The journal is not the one whose rows are stored: acknowledged records are gone, or it was written anew."""

    code = "JOURNAL_LOST"


class StreamWatch:
    """Guards one stream. `must_stay`: its loss is an incident, and nothing may be stored from whatever replaced it."""

    def __init__(
        self, stream: str, filters: tuple[str, ...], bus: Bus, store: Store, clock: Clock, *, must_stay: bool
    ) -> None:
        self._stream = stream
        self._filters = filters
        self._bus = bus
        self._store = store
        self._clock = clock
        self._must_stay = must_stay

    async def begin(self, cursor: Cursor) -> tuple[int, str]:
        """Where to read on, and the epoch there: the cursor, or 0 of a new life where that may be.

        `JournalLost` where it may not; `BusUnavailable` and `StoreUnavailable` pass through.
        """
        state = await self._bus.state(self._stream)
        epoch = state.epoch
        if cursor.sequence == 0:
            return 0, epoch
        try:
            await self._reaches(cursor.sequence)
        except StreamBehind as behind:
            if self._must_stay:
                raise JournalLost(f"{behind}; {WHAT_TO_DO}") from None
            return 0, epoch
        if self._must_stay:
            await self._is_the_same(cursor.sequence)
        elif epoch != cursor.epoch and await self._was_stored_since(state.made_ns, cursor.sequence):
            return 0, epoch
        return cursor.sequence, epoch

    async def guard(self, cursor: Callable[[], int]) -> None:
        """Returns never; raises `StreamBehind` once the stream ends before the cursor."""
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            try:
                state = await self._bus.state(self._stream)
            except BusUnavailable:
                continue
            if state.last_sequence < cursor():
                raise StreamBehind(f"{self._stream} ends at {state.last_sequence}, {cursor()} is stored")

    def refuse_gap(self, after: int, entries: Sequence[Entry]) -> None:
        """Consecutive sequences, or `JournalLost`: a record that was never read can never be a row."""
        expected = after + 1
        for entry in entries:
            if entry.sequence != expected:
                raise JournalLost(
                    f"{self._stream} goes from {expected - 1} to {entry.sequence}: records are missing, nothing "
                    "after the gap is stored; restore the database from its backup, or start with an empty one"
                )
            expected += 1

    async def _reaches(self, sequence: int) -> None:
        """Returns once the stream has grown to `sequence`; `StreamBehind` when it stopped growing before."""
        newest, since_ns = -1, self._clock.monotonic_ns()
        while True:
            last = (await self._bus.state(self._stream)).last_sequence
            if last >= sequence:
                return
            if last > newest:
                newest, since_ns = last, self._clock.monotonic_ns()
            elif self._clock.monotonic_ns() - since_ns > REBUILD_WAIT_MAX_S * NS_PER_S:
                raise StreamBehind(f"{self._stream} ends at {last}, but {sequence} is stored")
            await asyncio.sleep(REBUILD_POLL_S)

    async def _was_stored_since(self, made_ns: int, sequence: int) -> bool:
        """The record at the cursor is younger than its stream, which is of another life than the cursor.

        A copy that was rebuilt holds the old records under their numbers and times; a stream that began anew has grown
        through the numbers of its former life.
        """
        async for records in self._bus.read(self._stream, self._filters, after=sequence - 1):
            if records:
                return records[0].sequence == sequence and records[0].ts_ns >= made_ns
        raise AssertionError(self._stream)

    async def _is_the_same(self, sequence: int) -> None:
        """The record at the cursor must be the one that was copied from there."""
        stored = await self._store.hash_at(sequence)
        async for records in self._bus.read(self._stream, self._filters, after=sequence - 1):
            if records:
                found = content_hash(records[0].data)
                if records[0].sequence != sequence or (stored is not None and found != stored):
                    raise JournalLost(
                        f"{self._stream} holds another record at {records[0].sequence} than the one stored from "
                        f"{sequence}: it was written anew; {WHAT_TO_DO}"
                    )
                return
