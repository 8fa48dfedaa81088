"""The service as a process, on a real bus and a real PostgreSQL: whatever is killed, every record is a row once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from services.persistence.tests.journal_world import Pair, entries_of
from services.persistence.tests.test_journal import trading
from tests.integration.bus_world import NatsWorld, nats_world

from pitwire.common import subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.codec import SCHEMA_HEADER
from pitwire.common.errors import BusUnavailable, OutcomeUnknown
from pitwire.common.permissions import provisioner
from pitwire.common.provisioning import apply_topology
from pitwire.common.testing.journal import Journal, order_intent
from pitwire.common.topology import NatsAccount
from pitwire.persistence.__main__ import EXIT_JOURNAL_LOST
from pitwire.persistence.core.entries import Entry

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
CONFIG = Path(__file__).parents[2] / "pitwire.toml"
WAIT_S = 40.0


class HasDsn(Protocol):
    dsn: str

    def kill(self) -> None: ...
    def restart(self) -> None: ...


class World:
    """Bus, database, and the service under test as a child process."""

    def __init__(self, nats: NatsWorld, database: HasDsn, folder: Path) -> None:
        self.nats = nats
        self.database = database
        self.log = folder / "persistence.log"
        self._writers: dict[str, NatsBus] = {}

    @contextmanager
    def service(self) -> Iterator[subprocess.Popen[bytes]]:
        env = os.environ | {
            "PITWIRE_CONFIG": str(CONFIG),
            "PITWIRE_NATS_URL": self.nats.server.url,
            "PITWIRE_NATS_SEED_FILE": str(self.nats.seeds / "persistence.nk"),
            "PITWIRE_DATABASE_URL": self.database.dsn,
        }
        with self.log.open("ab") as log:
            process = subprocess.Popen([sys.executable, "-m", "pitwire.persistence"], env=env, stderr=log)
            try:
                yield process
            finally:
                process.kill()
                process.wait(10)

    async def write(self, entries: Sequence[Entry]) -> None:
        """Each record by the identity that may write it."""
        for entry in entries:
            writer = "operator" if subjects.tokens(subjects.HALT, entry.subject) else "risk-gate"
            if subjects.tokens(subjects.EXEC, entry.subject):
                writer = "execution"
            if writer not in self._writers:
                self._writers[writer] = await self.nats.connect(writer)
            await self._append(self._writers[writer], entry)

    @staticmethod
    async def _append(bus: NatsBus, entry: Entry) -> None:
        """Once, also where the answer is lost with the server."""
        while True:
            try:
                await bus.append(entry.subject, entry.data, {SCHEMA_HEADER: entry.schema or ""})
            except (OutcomeUnknown, BusUnavailable):
                if await World._is_stored(bus, entry):
                    return
            else:
                return

    @staticmethod
    async def _is_stored(bus: NatsBus, entry: Entry) -> bool:
        while True:
            try:
                newest = await bus.last("OMS", entry.subject)
            except BusUnavailable:
                await asyncio.sleep(0.1)
            else:
                return newest is not None and newest.data == entry.data

    def query(self, text: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.dsn.replace("+psycopg", ""), autocommit=True) as connection:
            return connection.execute(text.encode()).fetchall()

    async def until(self, text: str, wanted: list[tuple[Any, ...]]) -> None:
        """Waits for the answer to a query; the log of the service explains where it does not come."""
        found: object = None
        try:
            async with asyncio.timeout(WAIT_S):
                while found != wanted:
                    try:
                        found = await asyncio.to_thread(self.query, text)
                    except psycopg.Error as error:
                        found = error
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pytest.fail(f"{text}: {found}, not {wanted}\n{self.log.read_text()[-3000:]}")

    async def caught_up(self, sequence: int) -> None:
        await self.until("SELECT cursor FROM journal_cursor WHERE stream = 'OMS'", [(sequence,)])

    def told(self) -> list[str]:
        """Codes of the alerts in the service's log."""
        lines = (json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{"))
        return [line["code"] for line in lines if line.get("event") == "alert"]


@pytest.fixture
async def world(infra: str, tmp_path: Path, postgres: HasDsn) -> AsyncIterator[World]:
    async with nats_world(tmp_path) as nats:
        yield World(nats, postgres, tmp_path)


def long_journal(orders: int = 150) -> list[Entry]:
    journal = Journal()
    journal.start()
    for number in range(1, orders + 1):
        verdict = journal.approve(order_intent(number, "BUY" if number % 2 else "SELL", "0.01", limit_price="100"))
        journal.submitting(verdict)
        journal.report(verdict, "NEW", venue_order_id=str(number))
        journal.fill(verdict, "0.01", "100", fee="0.001", fee_currency="USDT", venue_order_id=str(number))
    return entries_of(journal)


async def test_it_makes_its_schema_and_its_rows_by_itself(world: World) -> None:
    entries = entries_of(trading())
    await world.write(entries)
    with world.service() as process:
        await world.caught_up(len(entries))
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 15) == 0
    assert world.query("SELECT count(*), sum(quantity) FROM fills") == [(3, world.query("SELECT 2.3")[0][0])]
    assert world.query("SELECT order_status FROM orders ORDER BY oms_sequence") == [("FILLED",), ("CANCELED",)]


async def test_whatever_is_killed_every_record_is_a_row_once(world: World) -> None:
    entries = long_journal()
    third = len(entries) // 3
    with world.service() as process:
        await world.write(entries[:third])
        process.kill()
        process.wait(10)
    with world.service():
        await world.until("SELECT count(*) > 0 FROM journal_records", [(True,)])
        world.database.kill()
        await world.write(entries[third : 2 * third])
        world.database.restart()
        await world.caught_up(2 * third)
        world.nats.server.kill()
        world.nats.server.restart()
        await world.write(entries[2 * third :])
        await world.caught_up(len(entries))
    count = len(entries)
    assert world.query("SELECT count(*), min(oms_sequence), max(oms_sequence) FROM journal_records") == [
        (count, 1, count)
    ]
    fills = world.query("SELECT count(*), count(DISTINCT trade_id) FROM fills")
    assert fills == [(150, 150)]
    assert world.query("SELECT quantity, fill_count FROM positions WHERE strategy = '*'") == [(0, 150)]
    assert world.query("SELECT count(*) FROM orders WHERE order_status <> 'FILLED'") == [(0,)]
    assert world.query("SELECT count(*) FROM journal_cursor_regressions") == [(0,)]


async def test_a_copy_that_was_lost_is_rebuilt_and_the_cursor_holds(world: World) -> None:
    entries = long_journal(20)
    half = len(entries) // 2
    await world.write(entries[:half])
    with world.service():
        await world.caught_up(half)
    name = provisioner(NatsAccount.READ)
    keeper = await world.nats.connect(name)
    assert (await keeper.api("STREAM.DELETE.OMS", {})).get("success")
    await world.write(entries[half:])
    await apply_topology(world.nats.server.url, world.nats.seeds)
    with world.service():
        await world.caught_up(len(entries))
    assert world.query("SELECT count(*) FROM journal_records") == [(len(entries),)]
    assert world.query("SELECT fill_count FROM positions WHERE strategy = '*'") == [(20,)]


async def test_a_journal_behind_the_cursor_is_refused_loudly(world: World) -> None:
    entries = entries_of(trading())
    await world.write(entries[:-3])
    with world.service():
        await world.caught_up(len(entries) - 3)
        with psycopg.connect(world.database.dsn.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("UPDATE journal_cursor SET cursor = 500 WHERE stream = 'OMS'")
    with world.service() as process:
        assert await asyncio.to_thread(process.wait, WAIT_S) == EXIT_JOURNAL_LOST
    assert "JOURNAL_LOST" in world.told()
    reader = await world.nats.connect("persistence")
    assert (await reader.state("ALERTS")).last_sequence > 0


async def test_a_poisoned_account_stops_alone_and_the_service_goes_on(world: World) -> None:
    pair = Pair()
    bad = next(entry.sequence for entry in pair.main.entries if entry.is_ledger and entry.sequence > 12)
    entries = [Entry(e.sequence, e.subject, e.schema, b"?" if e.sequence == bad else e.data) for e in pair.entries]
    mine = [entry for entry in entries if "other" not in entry.subject]
    await world.write(mine)
    with world.service() as process:
        await world.caught_up(len(mine))
        await world.write([Entry(0, subjects.halt("operator"), "Halt/1", b"{}")])
        await world.until("SELECT scope, trading_state FROM halts", [("ALL", "HALTED")])
        assert process.poll() is None
    assert world.query("SELECT encode(data, 'escape'), account FROM quarantined_records ORDER BY sequence") == [
        ("?", "main"),
        ("{}", None),
    ]
    assert world.query("SELECT stopped_sequence IS NOT NULL FROM accounts") == [(True,)]
    assert {"JOURNAL_RECORD_UNREADABLE", "ACCOUNT_ROWS_STOPPED", "HALT_UNREADABLE"} <= set(world.told())
