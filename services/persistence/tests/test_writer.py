"""One stream into its tables while bus and database come and go: every record once, in order, nothing skipped."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from services.persistence.tests.journal_world import QUOTES, entries_of
from services.persistence.tests.test_journal import everything, stored, trading

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.clock import ManualClock
from pitwire.common.codec import SCHEMA_HEADER, TRACE_HEADER
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.control import Alert
from pitwire.common.spans import Recorder
from pitwire.common.telemetry import Tracing
from pitwire.common.topology import NatsAccount
from pitwire.persistence.adapters.memory import MemoryStore
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal import JOURNAL, Notice
from pitwire.persistence.core.journal_rows import JournalRow, QuarantineRow
from pitwire.persistence.core.needs import Needs
from pitwire.persistence.core.operations_rows import AlertRow
from pitwire.persistence.core.tables import Writes
from pitwire.persistence.core.trading_rows import FillRow
from pitwire.persistence.handlers import watch as watching
from pitwire.persistence.handlers import writer as writing
from pitwire.persistence.handlers.inbox import Inbox
from pitwire.persistence.handlers.reading import read
from pitwire.persistence.handlers.watch import JournalLost
from pitwire.persistence.handlers.writer import StreamWriter, journal_source, other_source
from pitwire.persistence.ports import Cursor, Move


@dataclass
class Told:
    """Keeps everything the writer says."""

    notices: list[Notice] = field(default_factory=list[Notice])
    at: dict[str, int] = field(default_factory=dict[str, int])
    pending: list[int] = field(default_factory=list[int])
    rows: int = 0
    read_once: list[str] = field(default_factory=list[str])
    waiting: list[str] = field(default_factory=list[str])

    async def notice(self, notice: Notice) -> None:
        self.notices.append(notice)

    def stored(self, stream: str, *, sequence: int, pending: int, market_ns: int, writes: Writes | None) -> None:
        self.at[stream] = sequence
        self.pending.append(pending)
        self.rows += sum(len(rows) for _, rows in writes.by_table()) if writes else 0

    def caught_up(self, stream: str) -> None:
        self.read_once.append(stream)

    def waits(self, stream: str, reason: str) -> None:
        if reason:
            self.waiting.append(reason)


class World:
    """A bus, a store and any number of writers on them."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock)
        self.bus = MemoryBus(self.server, NatsAccount.READ)
        self.store = MemoryStore()
        self.told = Told()
        self.tracing = Tracing()
        self.journal = trading()
        self._tasks: list[asyncio.Task[None]] = []

    async def write(self, entries: list[Entry]) -> None:
        for entry in entries:
            headers = {SCHEMA_HEADER: entry.schema or "", TRACE_HEADER: entry.trace}
            await self.bus.append(entry.subject, entry.data, headers)

    def writer(self, stream: str = JOURNAL) -> StreamWriter:
        known = topology.BY_NAME[stream]
        is_journal = stream == JOURNAL
        source = journal_source(known.subjects, QUOTES) if is_journal else other_source(stream, known.subjects)
        return StreamWriter(
            source, MemoryBus(self.server, NatsAccount.READ), self.store, self.told, self.clock, self.tracing
        )

    def start(self, stream: str = JOURNAL) -> asyncio.Task[None]:
        task = asyncio.create_task(self.writer(stream).run())
        self._tasks.append(task)
        return task

    async def until(self, sequence: int, stream: str = JOURNAL) -> None:
        async with asyncio.timeout(5):
            while self.told.at.get(stream, 0) < sequence:
                await asyncio.sleep(0.001)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    for name in ("RETRY_WAIT_MIN_S", "RETRY_WAIT_MAX_S"):
        monkeypatch.setattr(writing, name, 0.001)
    monkeypatch.setattr(watching, "REBUILD_POLL_S", 0)
    made = World()
    yield made
    await made.stop()


async def whole(world: World) -> dict[str, list[Any]]:
    return everything(await stored(world.journal))


async def test_the_journal_becomes_rows_and_what_follows_too(world: World) -> None:
    entries = entries_of(world.journal)
    await world.write(entries[:10])
    world.start()
    await world.until(10)
    await world.write(entries[10:])
    await world.until(len(entries))
    assert everything(world.store) == await whole(world)
    assert world.told.read_once == [JOURNAL]
    assert world.told.rows > len(entries)
    assert world.store.cursors[JOURNAL].sequence == len(entries)


async def test_rows_are_stored_in_the_trace_of_their_record(world: World) -> None:
    exported, ids = InMemorySpanExporter(), ["a1" * 16, "b2" * 16]
    world.tracing = Tracing(Recorder("persistence", exported))
    entries = entries_of(world.journal)[:4]
    await world.write([replace(entry, trace=f"00-{ids[n // 2]}-{n + 1:016x}-01") for n, entry in enumerate(entries)])
    world.start()
    await world.until(4)
    await world.stop()
    world.tracing.close()
    spans = exported.get_finished_spans()
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == set(ids)
    assert {span.name for span in spans} == {"persistence.store"}


async def test_a_database_that_is_down_costs_nothing_but_time(world: World) -> None:
    entries = entries_of(world.journal)
    world.store.down = True
    world.start()
    await world.write(entries)
    async with asyncio.timeout(5):
        while len(world.told.waiting) < 3:
            await asyncio.sleep(0.001)
    assert not world.told.at
    world.store.down = False
    await world.until(len(entries))
    assert everything(world.store) == await whole(world)


async def test_a_commit_whose_answer_was_lost_is_not_repeated(world: World) -> None:
    entries = entries_of(world.journal)
    await world.write(entries)
    world.store.lose_answers = 1
    world.start()
    await world.until(len(entries))
    assert world.store.commits == 1
    assert everything(world.store) == await whole(world)


async def test_a_restart_goes_on_from_the_cursor(world: World) -> None:
    entries = entries_of(world.journal)
    await world.write(entries[:12])
    world.start()
    await world.until(12)
    await world.stop()
    await world.write(entries[12:])
    world.start()
    await world.until(len(entries))
    assert everything(world.store) == await whole(world)


async def test_two_processes_store_everything_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "JOURNAL_BATCH_MAX", 3)
    entries = entries_of(world.journal)
    await world.write(entries)
    first, second = world.start(), world.start()
    await world.until(len(entries))
    await world.write([])
    assert everything(world.store) == await whole(world)
    assert not first.done()
    assert not second.done()


async def test_a_cursor_moved_back_is_told_and_rows_stay(world: World) -> None:
    entries = entries_of(world.journal)
    await world.write(entries[:-1])
    world.start()
    await world.until(len(entries) - 1)
    world.store.cursors[JOURNAL] = Cursor(4, "1")
    await world.write(entries[-1:])
    await world.until(len(entries))
    assert [notice.code for notice in world.told.notices] == ["CURSOR_MOVED_BACK"]
    assert everything(world.store) == await whole(world)


async def test_a_cursor_moved_on_by_another_process_is_followed(world: World) -> None:
    entries = entries_of(world.journal)
    writer = world.writer()
    writer._epoch = "1"
    other = world.writer()
    other._epoch = "1"
    reads = [read(entry) for entry in entries]
    await other._commit(reads[:5], waiting=0)
    await writer._commit(reads[:9], waiting=0)
    await other._commit(reads, waiting=0)
    assert everything(world.store) == await whole(world)


async def test_a_record_the_database_refuses_is_found_and_set_aside_alone(world: World) -> None:
    entries = entries_of(world.journal)
    world.store.refuses = lambda row: isinstance(row, FillRow) and row.trade_id == "2"
    await world.write(entries)
    world.start()
    await world.until(len(entries))
    (kept,) = world.store.rows(QuarantineRow)
    assert "cannot be stored" in kept.reason
    assert kept.account == "main"
    assert [row.trade_id for row in world.store.rows(FillRow)] == ["1"]
    assert len(world.store.rows(JournalRow)) == len(entries)
    assert {notice.code for notice in world.told.notices} >= {"JOURNAL_RECORD_UNREADABLE", "ACCOUNT_ROWS_STOPPED"}


async def test_a_record_that_cannot_even_be_set_aside_ends_the_process(world: World) -> None:
    world.store.refuses = lambda row: isinstance(row, JournalRow | QuarantineRow)
    await world.write(entries_of(world.journal)[:1])
    with pytest.raises(InvariantBroken, match="OMS 1"):
        await asyncio.wait_for(world.start(), 5)


async def test_a_journal_behind_the_cursor_is_refused(world: World) -> None:
    world.store.cursors[JOURNAL] = Cursor(500, "1")
    await world.write(entries_of(world.journal))
    task = world.start()
    while not task.done():
        world.clock.advance(ns=10_000_000_000)
        await asyncio.sleep(0)
    with pytest.raises(JournalLost, match="ends at 21, but 500 is stored"):
        task.result()
    assert world.store.rows(JournalRow) == []


async def test_a_copy_that_is_being_rebuilt_is_waited_for(world: World) -> None:
    entries = entries_of(world.journal)
    await world.write(entries)
    world.start()
    await world.until(len(entries))
    await world.stop()
    world.server = MemoryServer(world.clock)
    world.bus = MemoryBus(world.server, NatsAccount.READ)
    task = world.start()
    for entry in entries:
        world.clock.advance(ns=8_000_000_000)
        await world.write([entry])
        await asyncio.sleep(0.002)
    assert not task.done()
    assert everything(world.store) == await whole(world)


async def test_a_journal_written_anew_is_refused_by_its_content(world: World) -> None:
    entries = entries_of(world.journal)
    await world.write(entries)
    world.start()
    await world.until(len(entries))
    await world.stop()
    world.server = MemoryServer(world.clock)
    world.bus = MemoryBus(world.server, NatsAccount.READ)
    await world.write([*entries[:-1], entries[0], *entries])
    with pytest.raises(JournalLost, match="written anew"):
        await asyncio.wait_for(world.start(), 5)


async def test_a_gap_in_the_journal_is_refused(world: World) -> None:
    entries = entries_of(world.journal)
    await world.write(entries)
    log = world.server.log_of(JOURNAL)
    del log.records[6]
    with pytest.raises(JournalLost, match="goes from 6 to 8"):
        await asyncio.wait_for(world.start(), 5)
    assert world.store.rows(JournalRow) == []


async def test_a_journal_that_shrinks_while_it_is_read_is_noticed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "WATCH_PERIOD_S", 0.001)
    entries = entries_of(world.journal)
    await world.write(entries)
    task = world.start()
    await world.until(len(entries))
    del world.server.log_of(JOURNAL).records[5:]
    async with asyncio.timeout(5):
        while not task.done():
            world.clock.advance(ns=10_000_000_000)
            await asyncio.sleep(0)
    with pytest.raises(JournalLost):
        task.result()


def alert(number: int) -> Entry:
    message = Alert(
        alert_id=f"a{number}", severity=AlertSeverity.INFO, source="execution", code="X", text="t", ts_ns=number
    )
    return Entry(number, subjects.alert("INFO", "execution"), message.schema_name(), codec.encode(message))


async def test_another_stream_that_began_anew_is_read_from_its_beginning(world: World) -> None:
    world.store.cursors["ALERTS"] = Cursor(40, "old")
    await world.write([alert(1), alert(2)])
    task = world.start("ALERTS")
    async with asyncio.timeout(5):
        while world.told.at.get("ALERTS") != 2:
            world.clock.advance(ns=10_000_000_000)
            await asyncio.sleep(0.001)
    assert [row.alert_id for row in world.store.rows(AlertRow)] == ["a1", "a2"]
    assert [notice.code for notice in world.told.notices] == ["STREAM_BEGAN_ANEW"]
    assert not task.done()


@pytest.mark.parametrize("is_rebuilt_copy", [False, True])
async def test_a_stream_of_another_life_is_read_from_its_beginning_unless_it_holds_the_old_records(
    world: World, is_rebuilt_copy: bool
) -> None:
    """It may have grown past the cursor: alerts of the new life must not be taken for those that are stored."""
    await world.write([alert(1), alert(2)])
    world.start("ALERTS")
    await world.until(2, "ALERTS")
    await world.stop()
    kept = world.server.log_of("ALERTS").records[:]
    world.clock.advance(ns=1_000_000_000)
    world.server.recreate("ALERTS")
    for record in kept if is_rebuilt_copy else ():
        world.server.log_of("ALERTS").keep(record)
    await world.write([alert(3)] if is_rebuilt_copy else [alert(3), alert(4), alert(5)])
    world.start("ALERTS")
    await world.until(3, "ALERTS")
    told = [] if is_rebuilt_copy else ["STREAM_BEGAN_ANEW"]
    assert [notice.code for notice in world.told.notices] == told
    assert [row.alert_id for row in world.store.rows(AlertRow)] == ["a1", "a2", "a3", "a4", "a5"][
        : 5 - 2 * is_rebuilt_copy
    ]


async def test_poison_in_another_stream_is_told_and_passed(world: World) -> None:
    await world.write([alert(1), Entry(2, subjects.alert("INFO", "execution"), "Alert/1", b"?"), alert(3)])
    world.start("ALERTS")
    await world.until(3, "ALERTS")
    assert [row.alert_id for row in world.store.rows(AlertRow)] == ["a1", "a3"]
    assert [notice.code for notice in world.told.notices] == ["RECORD_UNREADABLE"]


async def test_the_inbox_makes_the_reader_wait_and_keeps_the_order() -> None:
    inbox = Inbox(3)
    entries = [Entry(number, "s", None, b"") for number in range(1, 8)]
    reader = asyncio.create_task(inbox.put(entries))
    await asyncio.sleep(0)
    assert not reader.done()
    assert [entry.sequence for entry in await inbox.take(2)] == [1, 2]
    await asyncio.sleep(0)
    assert not reader.done()
    assert [entry.sequence for entry in await inbox.take(4)] == [3, 4, 5, 6]
    await asyncio.sleep(0)
    assert reader.done()
    assert len(inbox) == 1
    waiting = asyncio.create_task(Inbox(1).take(1))
    await asyncio.sleep(0)
    assert not waiting.done()
    waiting.cancel()


async def test_the_inbox_gathers_only_at_the_end_of_the_stream() -> None:
    inbox = Inbox(9)
    await inbox.put([Entry(1, "s", None, b"", pending=1)])
    assert [entry.sequence for entry in await asyncio.wait_for(inbox.take(4, gather_s=60), 1)] == [1]
    await inbox.put([Entry(2, "s", None, b"")])
    gathering = asyncio.create_task(inbox.take(4, gather_s=0.01))
    await asyncio.sleep(0)
    await inbox.put([Entry(3, "s", None, b"")])
    assert [entry.sequence for entry in await gathering] == [2, 3]


async def test_a_move_that_was_stored_already_stores_nothing() -> None:
    store = MemoryStore()
    store.cursors[JOURNAL] = Cursor(9, "1")
    assert not await store.commit(Move(JOURNAL, "1", 4, 8), Needs(), lambda _: Writes())
