"""A journal that is gone, or lost its end, gets its records back from PostgreSQL, the second witness.

Meanwhile the stream takes nothing from anybody else: it listens to subjects of its own, which only the provisioner may
write. What came after the last row is not known to anybody but the venue, so the journal ends with a halt for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from typing_extensions import override

from pitwire.cli.database import Database, open_database
from pitwire.common import codec, registry, subjects, topology
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.bus.reader import record_of
from pitwire.common.clock import Clock
from pitwire.common.errors import ConfigError, PitwireError
from pitwire.common.halts import restored_halt
from pitwire.common.ids import content_hash
from pitwire.common.provisioning import ensure_stream, provisioner_of
from pitwire.common.topology import NatsAccount

BATCH: Final = 1_000
"""Rows read, and records on their way to the server, at once."""

EXPECTED_LAST_OF_STREAM: Final = "Nats-Expected-Last-Sequence"
SAFE: Final = "nothing was changed that another try does not go on with"

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
    """Records `first` to `last` were put back."""

    first: int
    last: int

    @override
    def __str__(self) -> str:
        return (
            f"the journal had lost its records from {self.first} on; {self.first} to {self.last} were put back from "
            "PostgreSQL. Everything is halted: compare with the venue (`pitwire verify`), then `pitwire resume`"
        )


async def restore_journal(
    url: str, seeds: Path, database_url: str, clock: Clock, *, replicas: int = 1
) -> Restored | None:
    """Puts back what the rows have and the journal has not; None where it has everything, or is another journal.

    Safe to repeat after any failure. Must be over before services start: they would make another journal meanwhile.
    """
    database = open_database(database_url)
    try:
        if not database.row(TABLES_THERE)["there"]:
            return None
        stored = int(database.row(CURSOR)["stored"])
        async with provisioner_of(url, seeds, NatsAccount.TRADING) as bus:
            ended, restoring = await _where_it_ends(bus)
            if not restoring and (ended >= stored or not await _is_the_same(bus, database, ended)):
                return None
            await ensure_stream(bus, topology.OMS.restoring_config(replicas))
            first = ended + 1
            for batch in _batches(database, after=ended):
                ended = await _put_back(bus, batch, after=ended)
            halt = restored_halt(ended, ts_ns=clock.wall_ns())
            record = Record(subjects.halt(halt.source), codec.encode(halt), halt.schema_name())
            await _put_back(bus, [record], after=ended)
            await ensure_stream(bus, topology.OMS.config(replicas))
            return Restored(first, ended)
    finally:
        database.close()


async def _where_it_ends(bus: NatsBus) -> tuple[int, bool]:
    """The last sequence of the journal, and whether a restoring was not finished; (0, False) where there is none."""
    info = await bus.api(f"STREAM.INFO.{topology.OMS.name}", {})
    if "error" in info:
        return 0, False
    restoring = info["config"]["subjects"] == topology.OMS.restoring_config()["subjects"]
    return int(info["state"]["last_seq"]), restoring


async def _is_the_same(bus: NatsBus, database: Database, sequence: int) -> bool:
    """The journal as far as it goes is the one whose rows are stored."""
    if sequence == 0:
        return True
    found = await bus.api(f"STREAM.MSG.GET.{topology.OMS.name}", {"seq": sequence})
    if "message" not in found:
        return False
    rows = database.rows(SHA256, (sequence,))
    return [row["sha256"] for row in rows] == [content_hash(record_of(found["message"]).data)]


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


async def _put_back(bus: NatsBus, batch: list[Record], *, after: int) -> int:
    """Appends the records right after `after`, each at its own place or not at all; the new end."""
    made: list[asyncio.Task[int]] = []
    for offset, record in enumerate(batch):
        headers = {EXPECTED_LAST_OF_STREAM: str(after + offset)}
        if record.schema:
            headers[codec.SCHEMA_HEADER] = record.schema
        work = bus.append(f"{subjects.RESTORE}.{record.subject}", record.data, headers)
        made.append(asyncio.create_task(work))
    try:
        sequences = await asyncio.gather(*made)
    except PitwireError as error:
        await asyncio.gather(*made, return_exceptions=True)
        raise NotRestored(f"the journal took no record after {after}: {error}; {SAFE}") from error
    if sequences[-1] != after + len(batch):
        raise ConfigError(where=f"stream {topology.OMS.name}", what=f"ends at {sequences[-1]} after {after}")
    return sequences[-1]
