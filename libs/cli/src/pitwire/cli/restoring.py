"""A journal that is gone, or lost its end, gets its records back from PostgreSQL, the second witness.

Meanwhile the stream takes nothing from anybody else: it listens to subjects of its own, which only the provisioner may
write, and nobody but this module opens it again. What came after the last row is not known to anybody but the venue, so
the journal ends with a halt for all. Its copies go, since they hold what came after the last row.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from pitwire.cli.database import Database, open_database
from pitwire.common import codec, registry, subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.bus.reader import record_of
from pitwire.common.clock import Clock
from pitwire.common.errors import BusUnavailable, DecodeError, PitwireError
from pitwire.common.halts import restored_end, restored_halt
from pitwire.common.ids import content_hash
from pitwire.common.provisioning import (
    STREAM_NOT_FOUND,
    delete_copies,
    ensure_stream,
    is_closed,
    open_stream,
    provisioner_of,
    replicas_of,
)
from pitwire.common.schemas.ledger import Halt
from pitwire.common.topology import OMS, NatsAccount
from pitwire.common.units import NS_PER_S

BATCH: Final = 1_000
"""Rows read at once."""

IN_FLIGHT_MAX: Final = 64
"""Records on their way to the server: at 40 ms a disk write each is answered before its append is given up."""

STALLED_MAX_S: Final = 60.0
"""A journal that takes no record for so long is given up; until then every doubt is asked away and gone on from."""

READ_BACK_WAIT_S: Final = 0.1
PROGRESS_S: Final = 5.0

EXPECTED_LAST_OF_STREAM: Final = "Nats-Expected-Last-Sequence"
SAFE: Final = "nothing was changed that another try does not go on with"
WAY_OUT: Final = (
    "name the database whose rows it was being put back from; where that is gone, delete the stream and apply the "
    "topology again, which puts back what this database has"
)

CURSOR: Final = """
SELECT coalesce(max(oms_sequence), 0) AS stored FROM journal_records
WHERE EXISTS (SELECT FROM journal_cursor WHERE stream = 'OMS' AND cursor >= oms_sequence)
"""
TABLES_THERE: Final = "SELECT to_regclass('journal_records') IS NOT NULL AS there"
SHA256: Final = "SELECT sha256 FROM journal_records WHERE oms_sequence = %s"
ROWS: Final = """
SELECT oms_sequence, journal_records.subject, coalesce(schema_header, kind) AS schema, sha256,
    coalesce(quarantined_records.data, convert_to(payload::text, 'UTF8')) AS data
FROM journal_records LEFT JOIN quarantined_records ON stream = 'OMS' AND sequence = oms_sequence
WHERE oms_sequence > %s ORDER BY oms_sequence LIMIT %s
"""


class NotRestored(PitwireError):
    """The rows cannot become the journal again."""

    code = "NOT_RESTORED"


@dataclass(frozen=True, slots=True)
class Restored:
    """The journal has its records up to `last` again; `count` of them were put back by this try."""

    count: int
    last: int

    @override
    def __str__(self) -> str:
        return (
            f"the journal had lost its end; {self.count} records were put back from PostgreSQL, it goes to {self.last} "
            "as the rows do. Everything is halted: compare with the venue (`pitwire verify`), then `pitwire resume`"
        )


@dataclass(frozen=True, slots=True)
class _End:
    """Where the journal ends: its last sequence (0 = none), that record, and whether it is closed to everybody else."""

    sequence: int
    record: Record | None
    is_closed: bool


async def restore_journal(
    url: str,
    seeds: Path,
    database_url: str,
    clock: Clock,
    *,
    replicas: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Restored | None:
    """Puts back what the rows have and the journal has not; None where it has everything, or is another journal.

    Safe to repeat after any failure. Must be over before services start: they would make another journal meanwhile. The
    copies are gone afterwards until the topology is applied. `tell` hears how far it is, every few seconds.

    Raises:
        NotRestored: a journal that is closed by an earlier try, and these rows do not go on from it; or rows that are
            not what was read from the journal; or a server that takes no more.
    """
    database = open_database(database_url)
    try:
        async with provisioner_of(url, seeds, NatsAccount.TRADING) as bus:
            found = await _end_of(bus)
            if not found.is_closed and not _lacks_records(database, found):
                return None
            replicas = replicas or await replicas_of(bus, OMS.name)
            await ensure_stream(bus, OMS.restoring_config(replicas))
            closed = await _end_of(bus)
            if not _goes_on(database, closed):
                if found.is_closed:
                    raise NotRestored(f"{OMS.name} is closed by another try: {_other_rows(database, closed)}")
                await open_stream(bus, OMS.config(replicas))
                return None
            await delete_copies(url, seeds, OMS)
            restored = await _Restoring(bus, database, clock, tell).from_end(closed)
            await open_stream(bus, OMS.config(replicas))
            return restored
    finally:
        database.close()


async def _end_of(bus: NatsBus) -> _End:
    info = await bus.api(f"STREAM.INFO.{OMS.name}", {})
    if error := info.get("error"):
        if error.get("err_code") == STREAM_NOT_FOUND:
            return _End(0, None, is_closed=False)
        raise BusUnavailable(f"stream {OMS.name}: {error.get('description')}")
    sequence = int(info["state"]["last_seq"])
    found = await bus.api(f"STREAM.MSG.GET.{OMS.name}", {"seq": sequence}) if sequence else {}
    record = record_of(found["message"]) if "message" in found else None
    return _End(sequence, record, is_closed=is_closed(info["config"]))


def _lacks_records(database: Database, end: _End) -> bool:
    """There are rows behind the end of an open journal, and it is the one that they were read from."""
    return end.sequence < _stored(database) and _is_of_rows(database, end)


def _goes_on(database: Database, end: _End) -> bool:
    """The rows go on where the closed journal ends, or an earlier try had put back everything and its halt."""
    stored = _stored(database)
    return stored > 0 and (_is_of_rows(database, end) if end.sequence <= stored else _is_halted(end))


def _stored(database: Database) -> int:
    """The last sequence that has its row; 0 where there is none, or no table."""
    return int(database.row(CURSOR)["stored"]) if database.row(TABLES_THERE)["there"] else 0


def _is_of_rows(database: Database, end: _End) -> bool:
    """The last record of the journal is the one whose row is stored under its number."""
    if end.sequence == 0:
        return True
    rows = database.rows(SHA256, (end.sequence,))
    return end.record is not None and [row["sha256"] for row in rows] == [content_hash(end.record.data)]


def _is_halted(end: _End) -> bool:
    """It ends with the halt of a restoring, which was written behind the last row."""
    if end.record is None or subjects.tokens(subjects.HALT, end.record.subject) is None:
        return False
    try:
        halt = codec.decode(Halt, end.record.data, subject=end.record.subject)
    except DecodeError:
        return False
    return restored_end([halt]) == end.sequence - 1


def _other_rows(database: Database, end: _End) -> str:
    if (stored := _stored(database)) < end.sequence or stored == 0:
        return f"it ends at {end.sequence}, and the rows at {stored}; {WAY_OUT}"
    return f"its record {end.sequence} is another than the row of that number; {WAY_OUT}"


class _Restoring:
    """Puts rows back into a journal that is closed to everybody else."""

    def __init__(self, bus: NatsBus, database: Database, clock: Clock, tell: Callable[[str], None]) -> None:
        self._bus = bus
        self._database = database
        self._clock = clock
        self._tell = tell
        self._moved_ns = self._told_ns = clock.monotonic_ns()

    async def from_end(self, end: _End) -> Restored:
        """All rows after the end, and the halt; where the halt is there already, nothing is missing."""
        stored = _stored(self._database)
        if end.sequence > stored:
            return Restored(0, end.sequence - 1)
        self._tell(f"the journal ends at {end.sequence}, its rows at {stored}: putting them back")
        last = end.sequence
        for records in _portions(self._database, after=last):
            last = await self._put_back(records, after=last)
            self._show(last, stored)
        halt = restored_halt(last, ts_ns=self._clock.wall_ns())
        await self._put_back([Record(subjects.halt(halt.source), codec.encode(halt), halt.schema_name())], after=last)
        return Restored(last - end.sequence, last)

    async def _put_back(self, records: Sequence[Record], *, after: int) -> int:
        """Appends the records right after `after`, each at its own place or not at all; the new end."""
        end = after
        while left := records[end - after :]:
            made = (self._append(record, end + offset) for offset, record in enumerate(left))
            answers = await asyncio.gather(*made, return_exceptions=True)
            doubts = [answer for answer in answers if isinstance(answer, BaseException)]
            before = end
            if not doubts:
                end += len(left)
            elif isinstance(doubts[0], PitwireError):
                end = await self._end_after_doubt(records, after, end, doubts[0])
            else:
                raise doubts[0]
            if end > before:
                self._moved_ns = self._clock.monotonic_ns()
        return end

    async def _append(self, record: Record, after: int) -> None:
        headers = {EXPECTED_LAST_OF_STREAM: str(after)}
        if record.schema:
            headers[codec.SCHEMA_HEADER] = record.schema
        await self._bus.append(f"{subjects.RESTORE}.{record.subject}", record.data, headers)

    async def _end_after_doubt(self, records: Sequence[Record], after: int, end: int, doubt: PitwireError) -> int:
        """Where the journal ends, which no error says: what timed out may be stored, or still be on its way."""
        while True:
            if self._clock.monotonic_ns() - self._moved_ns > STALLED_MAX_S * NS_PER_S:
                raise NotRestored(f"the journal took no record after {end}: {doubt}; {SAFE}")
            await asyncio.sleep(READ_BACK_WAIT_S)
            try:
                found = await _end_of(self._bus)
            except BusUnavailable as error:
                doubt = error
                continue
            expected = records[found.sequence - after - 1] if after < found.sequence <= after + len(records) else None
            if not found.is_closed or found.sequence < end or (found.sequence > end and not _is(expected, found)):
                raise NotRestored(f"somebody else wrote the journal, it ends at {found.sequence}: {doubt}; {WAY_OUT}")
            return found.sequence

    def _show(self, last: int, stored: int) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns - self._told_ns >= PROGRESS_S * NS_PER_S:
            self._told_ns = now_ns
            self._tell(f"put back: {last:,} of {stored:,} records of the journal")


def _is(record: Record | None, end: _End) -> bool:
    return (
        record is not None
        and end.record is not None
        and (record.subject, record.data)
        == (
            end.record.subject,
            end.record.data,
        )
    )


def _portions(database: Database, *, after: int) -> Iterator[list[Record]]:
    """What may be in flight at once. The first record goes alone.

    One of somebody else that still comes in takes its place, and it is refused; were others behind it under way, they
    would be stored in their own, with that one among them.
    """
    size = 1
    for batch in _batches(database, after=after):
        at = 0
        while at < len(batch):
            yield batch[at : at + size]
            at, size = at + size, IN_FLIGHT_MAX


def _batches(database: Database, *, after: int) -> Iterator[list[Record]]:
    while rows := database.rows(ROWS, (after, BATCH)):
        batch: list[Record] = []
        for row in rows:
            after += 1
            data = bytes(row["data"])
            if row["oms_sequence"] != after or content_hash(data) != row["sha256"]:
                raise NotRestored(
                    f"row {row['oms_sequence']} of journal_records is not what was read from the journal at {after}: "
                    "restore the database from its backup"
                )
            batch.append(Record(row["subject"], data, _full_schema(row["schema"])))
        yield batch


def _full_schema(kind: str | None) -> str | None:
    """The schema under its full name; the copy of a record that could be read keeps only the kind."""
    return next((name for name in registry.SCHEMAS if name.partition("/")[0] == kind), kind)
