"""Copies of one kept run, to be tampered with: its journal, its database, its venue's log; each judged by `verify`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql
from tests.chaos.checker import Verdict, check
from tests.chaos.system import CACHE

from pitwire.cli.addresses import plain_url
from pitwire.cli.run.infra import Infra
from pitwire.cli.run.plan import RunFolder, venue_plan
from pitwire.cli.verify import Outcome, Sources, verify
from pitwire.cli.verify.evidence import VenueAccount
from pitwire.cli.verify.running import PostgresSource
from pitwire.cli.verify.venue_rest import read_venue_account
from pitwire.common import topology
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.clock import SystemClock
from pitwire.common.codec import SCHEMA_HEADER
from pitwire.common.config import load_config
from pitwire.common.permissions import make_identities

VENUE_START_MAX_S = 30.0
Lines = list[dict[str, Any]]


class Copies:
    """Use as a context: the servers run on a copy of the run's folder, and every case gets its own database."""

    def __init__(self, folder: Path) -> None:
        self.folder = RunFolder(folder)
        self.config = load_config(self.folder.config)
        self.records: list[Record] = []
        self._control: list[Record] = []
        self._infra = Infra(folder, cache=CACHE, clock=SystemClock(), on_event=lambda _: None)
        self._venue: VenueAccount | None = None

    def __enter__(self) -> Self:
        asyncio.run(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run(self._infra.stop())

    async def _begin(self) -> None:
        await self._infra.start_nats(self.config, make_identities(self.folder.identities))
        await self._infra.start_postgres()
        bus = await NatsBus.connect(
            self._infra.nats_url,
            principal="operator",
            name="copies",
            seed_file=self.folder.seed_of("operator"),
            on_trouble=lambda _: None,
            on_closed=lambda: None,
        )
        self.records = await _all_of(bus, topology.OMS)
        self._control = await _all_of(bus, topology.CONTROL)
        await bus.close()

    @property
    def venue_log(self) -> Path:
        return self.folder.venue / "venue.jsonl"

    @contextlib.contextmanager
    def database(self, statement: str = "") -> Iterator[str]:
        """The address of a copy of the database, changed by a statement as somebody with psql might."""
        name = f"tampered_{secrets.token_hex(4)}"
        url = plain_url(self._infra.database_url)
        server = url.rpartition("/")[0]
        template = sql.Identifier(url.rpartition("/")[2])
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), template))
        try:
            if statement:
                with psycopg.connect(f"{server}/{name}", autocommit=True) as connection:
                    assert connection.execute(statement.encode()).rowcount >= 1, statement
            yield f"{server}/{name}"
        finally:
            with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def judge(
        self, *, statement: str = "", records: Sequence[Record] | None = None, venue: VenueAccount | None = None
    ) -> Outcome:
        """`verify` on the copy, with what is given in place of what was there."""
        with self.database(statement) as url:
            return asyncio.run(self._verified(url, records or self.records, venue or self.untouched_venue()))

    async def _verified(self, url: str, records: Sequence[Record], venue: VenueAccount) -> Outcome:
        bus = MemoryBus(MemoryServer())
        for record in (*self._control, *records):
            await bus.append(record.subject, record.data, {SCHEMA_HEADER: record.schema or ""})

        async def venues(_: int) -> Sequence[VenueAccount]:
            return [venue]

        quotes = {name: account.quote for name, account in self.config.accounts.items()}
        return await verify(Sources(bus, PostgresSource(url), venues, quotes, SystemClock()), wait_s=0)

    def check(self, statement: str = "", log: Path | None = None) -> Verdict:
        """The independent checker on the same copy."""
        with self.database(statement) as url:
            return check(log or self.venue_log, url)

    # -- the venue -----------------------------------------------------------------------------------------------

    def untouched_venue(self) -> VenueAccount:
        """What the venue says, started on a copy of its data."""
        if self._venue is None:
            with self.venue_copy(lambda lines: lines) as log:
                self._venue = self.ask_venue(log)
        return self._venue

    @contextlib.contextmanager
    def venue_copy(self, edit: Callable[[Lines], Lines]) -> Iterator[Path]:
        """The path of a copy of the venue's log, edited."""
        folder = self.folder.root / f"venue-{secrets.token_hex(4)}"
        shutil.copytree(self.folder.venue, folder)
        log = folder / self.venue_log.name
        lines = edit([json.loads(line) for line in log.read_text().splitlines()])
        for at, line in enumerate(lines):
            line.pop("end", None)
            if at + 1 == len(lines) or lines[at + 1]["op"] != line["op"]:
                line["end"] = True
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        try:
            yield log
        finally:
            shutil.rmtree(folder)

    def ask_venue(self, log: Path) -> VenueAccount:
        """Everything a venue with this log lists, asked as `verify` asks it."""
        folder = RunFolder(log.parent)
        plan = venue_plan(self.folder, self.config, market="generated", speed=1, ports=(0, 0))
        argv = [str(log.parent) if word == str(self.folder.venue) else word for word in plan.argv]
        answer = folder.root / "venue.json"
        with answer.open("wb") as out, (folder.root / "venue.err").open("wb") as err:
            process = subprocess.Popen(argv, env=dict(plan.env), stdout=out, stderr=err)
        try:
            deadline = time.monotonic() + VENUE_START_MAX_S
            while not answer.read_text().endswith("\n"):
                assert process.poll() is None, (folder.root / "venue.err").read_text()
                assert time.monotonic() < deadline, "the venue says nothing"
                time.sleep(0.02)
            return asyncio.run(self._read_venue(json.loads(answer.read_text())["http"]))
        finally:
            process.terminate()
            process.wait()

    async def _read_venue(self, http: str) -> VenueAccount:
        ((name, account),) = self.config.venue_accounts.items()
        venue = self.config.venues[account.venue].model_copy(update={"rest": http})
        return await read_venue_account(name, account, venue, SystemClock(), journal_before=len(self.records))


async def _all_of(bus: NatsBus, stream: topology.Stream) -> list[Record]:
    found: list[Record] = []
    async with contextlib.aclosing(bus.read(stream.name, stream.subjects, after=0)) as batches:
        async for batch in batches:
            if not batch:
                break
            found += batch
    return found
