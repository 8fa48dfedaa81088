"""Waits until nothing is on its way, takes one picture of everything, and judges it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

from pitwire.cli.verify.against_tables import table_checks
from pitwire.cli.verify.against_venue import venue_checks
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.check import Check
from pitwire.cli.verify.evidence import BusEvidence, Tables, VenueAccount
from pitwire.cli.verify.journal import READ_SILENCE_MAX_S, JournalReader
from pitwire.cli.verify.money import money_checks
from pitwire.cli.verify.trail import trail_checks
from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus, Record
from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.errors import BusUnavailable, DecodeError
from pitwire.common.schemas.control import Command, Heartbeat

WAIT_DEFAULT_S: Final = 20.0
"""How long readers may take to catch up and orders in flight to settle, before it is judged as it stands."""

POLL_S: Final = 0.2
POLL_MAX_S: Final = 3.0
"""Each look asks the venue a dozen questions, whose weight counts against the limits that trading needs too."""

Say = Callable[[str], None]


class Database(Protocol):
    """PostgreSQL as verify needs it."""

    async def cursor(self) -> int:
        """How far the journal is stored now."""
        ...

    async def tables(self) -> Tables:
        """One consistent picture."""
        ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the evidence comes from. `quotes`: currency of each account; `venues` asks every venue account."""

    bus: Bus
    database: Database
    venues: Callable[[int], Awaitable[Sequence[VenueAccount]]]
    quotes: Mapping[str, str]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Outcome:
    """Every check, and how long it was waited for before judging."""

    checks: tuple[Check, ...]
    waited_s: float
    said: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        return all(check.holds for check in self.checks)

    def document(self) -> dict[str, Any]:
        """For programs."""
        return {
            "holds": self.holds,
            "checked": len(self.checks),
            "violated": [check.id for check in self.checks if not check.holds],
            "waited_s": round(self.waited_s, 3),
            "said": list(self.said),
            "checks": [asdict(check) for check in self.checks],
        }


def judge(auditor: Auditor, tables: Tables, venues: Sequence[VenueAccount], bus: BusEvidence) -> list[Check]:
    """Every check on evidence that is complete; `auditor` has read the journal up to the cursor of `tables`."""
    auditor.finish()
    journal = auditor.found.checks(
        records=len(auditor.hashes),
        ledger=auditor.ledger_records,
        decisions=auditor.decisions,
        orders=sum(len(audit.sendings) for audit in auditor.accounts.values()),
        accounts=len(auditor.accounts),
    )
    return [
        *journal,
        *venue_checks(auditor, venues),
        *table_checks(auditor, tables),
        *money_checks(auditor, tables),
        *trail_checks(auditor, tables, bus),
    ]


async def verify(sources: Sources, *, wait_s: float = WAIT_DEFAULT_S, say: Say | None = None) -> Outcome:
    """Judges the running system. Trading may go on: what happened after a source was asked is not held against it."""
    return await _Verification(sources, wait_s, say or (lambda _: None)).run()


async def read_beside(bus: Bus) -> BusEvidence:
    """Every command ever given, and the last heartbeats; what cannot be read is nobody's command."""
    commands: dict[str, Command] = {}
    async with contextlib.aclosing(bus.read(topology.CONTROL.name, (subjects.EVERY_COMMAND,), after=0)) as batches:
        async for batch in _until_caught_up(batches, topology.CONTROL.name):
            for record in batch:
                with contextlib.suppress(DecodeError):
                    command = codec.decode(Command, record.data, subject=record.subject)
                    commands[command.command_id] = command
    beats: list[Heartbeat] = []
    for record in await bus.last_of_each(topology.STATE.name, subjects.pattern(subjects.HEARTBEAT)):
        with contextlib.suppress(DecodeError):
            beats.append(codec.decode(Heartbeat, record.data, subject=record.subject))
    return BusEvidence(commands, tuple(beats))


async def _until_caught_up(batches: AsyncIterator[list[Record]], stream: str) -> AsyncIterator[list[Record]]:
    while True:
        try:
            async with asyncio.timeout(READ_SILENCE_MAX_S):
                batch = await anext(batches)
        except TimeoutError:
            raise BusUnavailable(f"{stream} could not be read to its end") from None
        if not batch:
            return
        yield batch


class _Verification:
    def __init__(self, sources: Sources, wait_s: float, say: Say) -> None:
        self._sources = sources
        self._clock = sources.clock
        self._wait_ns = int(wait_s * NS_PER_S)
        self._wait_s = wait_s
        self._tell = say
        self._said: list[str] = []
        self._auditor = Auditor(sources.quotes)
        self._split_at = 0

    async def run(self) -> Outcome:
        began_ns = self._clock.monotonic_ns()
        async with contextlib.aclosing(JournalReader(self._sources.bus)) as journal:
            self._split_at = await self._end() // 2
            venues, open_questions = await self._settle(journal, began_ns)
            waited_ns = self._clock.monotonic_ns() - began_ns
            tables = await self._sources.database.tables()
            await self._read(journal, min(tables.cursor, await self._end()))
        beside = await read_beside(self._sources.bus)
        checks = [self._ready(open_questions), *judge(self._auditor, tables, venues, beside)]
        return Outcome(tuple(checks), waited_ns / NS_PER_S, tuple(self._said))

    async def _settle(self, journal: JournalReader, began_ns: int) -> tuple[Sequence[VenueAccount], list[str]]:
        """Asks again until nothing is open, or until the time is over; returns what is still open then."""
        told, pause_s = "", POLL_S
        while True:
            before = await self._end()
            venues = await self._sources.venues(before)
            end = await self._end()
            await self._read(journal, end)
            questions = [*self._behind(await self._sources.database.cursor(), end), *self._in_flight(venues)]
            over = self._clock.monotonic_ns() - began_ns > self._wait_ns
            if not questions or over:
                if questions:
                    self._say(f"judged after {self._wait_s:g} s though not settled: {'; '.join(questions)}")
                return venues, questions
            if questions[0] != told:
                told = questions[0]
                self._say(f"waiting, at most {self._wait_s:g} s: {'; '.join(questions)}")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, POLL_MAX_S)

    def _behind(self, cursor: int, end: int) -> Iterable[str]:
        if cursor < end:
            yield f"PostgreSQL has {cursor} of {end} journal records"

    def _in_flight(self, venues: Sequence[VenueAccount]) -> Iterable[str]:
        for name, audit in self._auditor.accounts.items():
            in_doubt = audit.in_flight()
            if in_doubt:
                yield f"{name}: {len(in_doubt)} orders in flight ({', '.join(in_doubt[:3])})"
            if audit.folds and audit.state.has_news:
                yield f"{name}: the gate has not covered all execution events"
        for venue in venues:
            known = self._auditor.accounts.get(venue.account)
            missing = known.untold(venue) if known is not None else 0
            if missing:
                yield f"{missing} trades at {venue.venue} are not in the journal"

    def _ready(self, open_questions: list[str]) -> Check:
        behind = [question for question in open_questions if question.startswith("PostgreSQL")]
        figure = f"{self._auditor.last_sequence:,} records"
        return Check("READY", "readers have caught up with the journal", not behind, figure, "; ".join(behind))

    async def _read(self, journal: JournalReader, upto: int) -> None:
        async for records in journal.upto(upto):
            for record in records:
                if self._split_at and record.sequence > self._split_at:
                    self._auditor.split()
                    self._split_at = 0
                self._auditor.feed((record,))

    async def _end(self) -> int:
        return (await self._sources.bus.state(topology.OMS.name)).last_sequence

    def _say(self, text: str) -> None:
        self._said.append(text)
        self._tell(text)
