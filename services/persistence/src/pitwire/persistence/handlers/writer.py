"""One stream into its tables: read in order, fold in batches, store rows and cursor together, whatever goes down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Protocol, TypeVar

from pitwire.common.bus.port import Bus
from pitwire.common.clock import Clock
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import BusUnavailable, InvariantBroken, StoreUnavailable, StreamLost
from pitwire.common.schemas.market import Candle
from pitwire.common.telemetry import Tracing
from pitwire.persistence.core.entries import Entry, Read
from pitwire.persistence.core.journal import JOURNAL, Folded, JournalBatch, Notice
from pitwire.persistence.core.needs import Found
from pitwire.persistence.core.others import StreamBatch
from pitwire.persistence.core.tables import Writes
from pitwire.persistence.handlers.inbox import Inbox
from pitwire.persistence.handlers.reading import read
from pitwire.persistence.handlers.watch import StreamBehind, StreamWatch
from pitwire.persistence.ports import CursorMoved, Move, Projection, Store, StoreRefused

JOURNAL_BATCH_MAX: Final = 500
"""Records in one transaction: a few tens of milliseconds of work and a few megabytes, even while catching up."""

OTHER_BATCH_MAX: Final = 100
"""The other streams are short or slow: here memory counts for more than speed."""

GATHER_S: Final = 0.2
"""Nobody waits for rows: one transaction for what a fifth of a second brings leaves the machine to the orders."""

INBOX_RECORDS_MAX: Final = 500
RETRY_WAIT_MIN_S: Final = 0.05
RETRY_WAIT_MAX_S: Final = 5.0
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Source:
    """One stream and what becomes of it."""

    stream: str
    filters: tuple[str, ...]
    project: Callable[[str, Sequence[Read]], Projection]
    gather_s: float = GATHER_S

    @property
    def is_journal(self) -> bool:
        return self.stream == JOURNAL


def journal_source(filters: tuple[str, ...], quotes: Mapping[str, str]) -> Source:
    """The journal; `quotes` names the quote currency of each configured account."""
    return Source(JOURNAL, filters, lambda _, reads: JournalBatch(reads, quotes))


def other_source(stream: str, filters: tuple[str, ...], *, gather_s: float = GATHER_S) -> Source:
    """Any other stream."""
    return Source(stream, filters, lambda epoch, reads: StreamBatch(stream, epoch, reads), gather_s)


class Report(Protocol):
    """Whom the writers tell; the shell in production."""

    async def notice(self, notice: Notice) -> None: ...

    def stored(self, stream: str, *, sequence: int, pending: int, market_ns: int, writes: Writes | None) -> None: ...

    def caught_up(self, stream: str) -> None:
        """Everything that stood in the stream when it was opened has been read."""
        ...

    def waits(self, stream: str, reason: str) -> None:
        """Why the stream stands still: bus or database do not answer. Empty: it moves."""
        ...


class StreamWriter:
    """Runs for ever. Ends only by an error that a restart or a person must mend."""

    def __init__(self, source: Source, bus: Bus, store: Store, report: Report, clock: Clock, tracing: Tracing) -> None:
        self._source = source
        self._bus = bus
        self._store = store
        self._report = report
        self._tracing = tracing
        self._watch = StreamWatch(source.stream, source.filters, bus, store, clock, must_stay=source.is_journal)
        self._batch_max = JOURNAL_BATCH_MAX if source.is_journal else OTHER_BATCH_MAX
        self._epoch = ""
        self._after = 0

    async def run(self) -> None:
        while True:
            cursor = await self._patiently(partial(self._store.cursor, self._source.stream))
            crashpoint(CrashPoint.ROWS_CURSOR_READ)
            self._report.stored(self._source.stream, sequence=cursor.sequence, pending=0, market_ns=0, writes=None)
            self._after, self._epoch = await self._patiently(partial(self._watch.begin, cursor))
            if self._after < cursor.sequence:
                await self._began_anew(cursor.sequence)
            try:
                await self._follow()
            except CursorMoved as moved:
                await self._report.notice(_moved_back(moved))
            except (StreamBehind, StreamLost):
                continue

    async def _follow(self) -> None:
        """Reads on from the cursor until the stream or the cursor turns out not to be where they were."""
        inbox = Inbox(INBOX_RECORDS_MAX)
        tasks = [
            asyncio.create_task(self._read_into(inbox), name=f"read {self._source.stream}"),
            asyncio.create_task(self._store_from(inbox), name=f"store {self._source.stream}"),
            asyncio.create_task(self._watch.guard(lambda: self._after), name=f"watch {self._source.stream}"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_into(self, inbox: Inbox) -> None:
        async for records in self._bus.read(self._source.stream, self._source.filters, after=self._after):
            if not records:
                self._report.caught_up(self._source.stream)
            await inbox.put(
                Entry(
                    record.sequence,
                    record.subject,
                    record.schema,
                    record.data,
                    record.ts_ns,
                    record.pending,
                    record.trace,
                )
                for record in records
            )

    async def _store_from(self, inbox: Inbox) -> None:
        while True:
            entries = await inbox.take(self._batch_max, gather_s=self._source.gather_s)
            crashpoint(CrashPoint.ROWS_BATCH_READ)
            if self._source.is_journal:
                self._watch.refuse_gap(self._after, entries)
            await self._store_reads([read(entry) for entry in entries], waiting=len(inbox))

    async def _store_reads(self, reads: Sequence[Read], *, waiting: int) -> None:
        """Stores a run of records; where one of them cannot be stored, that one is found and set aside alone."""
        try:
            await self._commit(reads, waiting=waiting)
        except (StoreRefused, ArithmeticError, ValueError) as refused:
            if len(reads) > 1:
                middle = len(reads) // 2
                await self._store_reads(reads[:middle], waiting=waiting)
                await self._store_reads(reads[middle:], waiting=waiting)
                return
            if reads[0].message is None:
                raise InvariantBroken(f"{self._source.stream} {reads[0].entry.sequence}: {refused}") from refused
            alone = replace(reads[0], message=None, problem=f"cannot be stored: {refused}")
            await self._store_reads([alone], waiting=waiting)

    async def _commit(self, reads: Sequence[Read], *, waiting: int) -> None:
        reads = [item for item in reads if item.entry.sequence > self._after]
        if not reads:
            return
        projection = self._source.project(self._epoch, reads)
        last: list[Folded] = []

        def fold(found: Found) -> Writes:
            last[:] = [projection.fold(found)]
            return last[0].writes

        upto = reads[-1].entry.sequence
        move = Move(self._source.stream, self._epoch, self._after, upto)
        traces = (item.entry.trace for item in reads)
        try:
            with self._tracing.span("persistence.store", *traces, stream=self._source.stream):
                await self._patiently(lambda: self._store.commit(move, projection.needs, fold))
        except CursorMoved as moved:
            if moved.found < self._after:
                raise
            # Another process stored a part of it: what is left is ours.
            self._after = moved.found
            await self._commit(reads, waiting=waiting)
            return
        crashpoint(CrashPoint.ROWS_COMMITTED)
        self._after = upto
        self._report.stored(
            self._source.stream,
            sequence=upto,
            pending=waiting + reads[-1].entry.pending,
            market_ns=max((_market_ns(item) for item in reads), default=0),
            writes=last[0].writes if last else None,
        )
        for notice in last[0].notices if last else ():
            await self._report.notice(notice)

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Asks again, with growing waits, for as long as the database or the bus does not answer."""
        wait_s = RETRY_WAIT_MIN_S
        while True:
            try:
                answer = await work()
            except (StoreUnavailable, BusUnavailable) as error:
                self._report.waits(self._source.stream, str(error))
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, RETRY_WAIT_MAX_S)
            else:
                self._report.waits(self._source.stream, "")
                return answer

    async def _began_anew(self, stored: int) -> None:
        await self._patiently(lambda: self._store.restart(self._source.stream, self._epoch))
        text = (
            f"stream {self._source.stream} began anew; {stored} records of its former life are stored, reading on at 1"
        )
        await self._report.notice(Notice(AlertSeverity.WARNING, "STREAM_BEGAN_ANEW", text))


def _market_ns(item: Read) -> int:
    return item.message.close_time_ns if isinstance(item.message, Candle) else 0


def _moved_back(moved: CursorMoved) -> Notice:
    text = f"{moved}: somebody moved it back; reading again from there, rows that are there stay as they are"
    return Notice(AlertSeverity.CRITICAL, "CURSOR_MOVED_BACK", text)
