"""A journal on a real bus, its rows in a real PostgreSQL, and ways to lose records of it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path

from services.persistence.tests.journal_world import entries_of
from tests.integration.bus_world import NatsWorld
from tests.integration.test_persistence_process import HasDsn, World
from tests.integration.test_persistence_store import feed

from pitwire.cli.restoring import Restored, restore_journal
from pitwire.common import codec, subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.clock import SystemClock
from pitwire.common.provisioning import apply_topology, ensure_stream, is_closed, open_stream, provisioner_of
from pitwire.common.testing.journal import Journal, order_intent
from pitwire.common.topology import OMS, NatsAccount
from pitwire.persistence.adapters.postgres import PostgresStore
from pitwire.persistence.core.entries import Entry

ORDERS = 12
KEPT = 20
"""What a journal that lost its end still holds."""

SAME_WITHIN_S = 30.0
Written = tuple[int, str, bytes, str | None]


def trading(orders: int = ORDERS) -> list[Entry]:
    """So many orders, each filled; the last record but those of two more orders is a halt that nobody can read."""
    journal = Journal()
    journal.start()
    trade(journal, range(1, orders + 1))
    at = len(journal.entries)
    journal.halt(f"undecodable-{at + 1}", source="operator")
    trade(journal, range(orders + 1, orders + 3))
    entries = entries_of(journal)
    entries[at] = replace(entries[at], data=b"not a halt", schema=None)
    return entries


def trade(journal: Journal, numbers: range) -> None:
    for number in numbers:
        verdict = journal.approve(order_intent(number, "BUY" if number % 2 else "SELL", "0.01", limit_price="100"))
        journal.submitting(verdict)
        journal.report(verdict, "NEW", venue_order_id=str(number))
        journal.fill(verdict, "0.01", "100", fee="0.001", fee_currency="USDT", venue_order_id=str(number))


def rows_end(entries: Sequence[Entry]) -> int:
    """Rows lag behind their journal: they go to the record that nobody can read, and two orders have none yet."""
    return next(entry.sequence for entry in entries if entry.schema is None)


def written(records: Sequence[Record] | Sequence[Entry]) -> list[Written]:
    return [(record.sequence, record.subject, record.data, record.schema) for record in records]


class RestoringWorld(World):
    """`entries` stand in the journal and in its copies, the first `stored` of them in the database."""

    def __init__(self, nats: NatsWorld, database: HasDsn, folder: Path, entries: list[Entry]) -> None:
        super().__init__(nats, database, folder)
        self.folder = folder
        self.entries = entries
        self.stored = rows_end(entries)

    async def fill(self) -> None:
        await self.hold(self.entries)
        await self.fill_rows()

    async def fill_rows(self) -> None:
        store = PostgresStore(self.database.dsn)
        await feed(store, self.entries[: self.stored])
        await store.close()

    async def hold(self, entries: Sequence[Entry], *, is_open: bool = True) -> None:
        """The journal holds just these, as one that came from a backup of the disk would; its copies hear nothing."""
        async with self.provisioner() as bus:
            await bus.api(f"STREAM.DELETE.{OMS.name}", {})
            await self._put(bus, entries)
            if is_open:
                await open_stream(bus, OMS.config())

    @staticmethod
    async def _put(bus: NatsBus, entries: Sequence[Entry]) -> None:
        await ensure_stream(bus, OMS.restoring_config())
        for entry in entries:
            headers = {codec.SCHEMA_HEADER: entry.schema} if entry.schema else None
            await bus.append(f"{subjects.RESTORE}.{entry.subject}", entry.data, headers)

    async def lose_end(self) -> None:
        await self.hold(self.entries[:KEPT])

    async def lose_end_on_disk(self) -> None:
        """The files of the journal come from a backup: it is still the stream it was, and its copies stand."""
        (files,), backup = (self.folder / "nats").rglob("TRADING/streams/OMS"), self.folder / "backup"
        await self.lose_end()
        await self.apply()
        self.nats.server.stop()
        shutil.copytree(files, backup)
        self.nats.server.start()
        async with self.provisioner() as bus:
            await self._put(bus, self.entries[KEPT:])
            await open_stream(bus, OMS.config())
        await self.copies_are(self.entries)
        self.nats.server.stop()
        shutil.rmtree(files)
        shutil.copytree(backup, files)
        self.nats.server.start()

    async def lose_bus(self) -> None:
        self.nats.server.stop()
        shutil.rmtree(self.folder / "nats" / "jetstream")
        self.nats.server.start()

    def provisioner(self) -> AbstractAsyncContextManager[NatsBus]:
        return provisioner_of(self.nats.server.url, self.nats.seeds, NatsAccount.TRADING)

    async def apply(self) -> list[str]:
        return await apply_topology(self.nats.server.url, self.nats.seeds)

    async def restore(self, tell: Callable[[str], None] = lambda _: None) -> Restored | None:
        return await restore_journal(self.nats.server.url, self.nats.seeds, self.database.dsn, SystemClock(), tell=tell)

    async def journal(self, principal: str = "operator") -> list[Record]:
        """What a reader of the stream gets from its beginning: the original, or the copy of his account."""
        bus = await self.nats.connect(principal)
        try:
            found: list[Record] = []
            async for batch in bus.read(OMS.name, (subjects.EVERY_JOURNAL,), after=0):
                found += batch
                if not batch:
                    return found
        finally:
            await bus.close()
        raise AssertionError

    async def copies_are(self, wanted: Sequence[Record] | Sequence[Entry]) -> None:
        """Both copies hold these and nothing else; they are given time, since they follow."""
        for principal in ("strategy", "persistence"):
            found: list[Written] = []
            try:
                async with asyncio.timeout(SAME_WITHIN_S):
                    while found != written(wanted):
                        await asyncio.sleep(0.05)
                        found = written(await self.journal(principal))
            except TimeoutError:
                ends = [record[0] for record in found]
                raise AssertionError(f"the copy of {principal} has {ends}, wanted 1 to {len(wanted)}") from None

    async def is_closed(self) -> bool:
        async with self.provisioner() as bus:
            return is_closed((await bus.api(f"STREAM.INFO.{OMS.name}", {}))["config"])
