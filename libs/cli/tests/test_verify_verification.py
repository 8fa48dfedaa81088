"""Waiting before judging: bounded, said aloud, and never longer than there is something to wait for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pytest
from libs.cli.tests.verify_world import QUOTES, System, give_commands, healthy, record_of

from pitwire.cli.verify import Outcome, Sources, verification, verify
from pitwire.cli.verify.check import Check
from pitwire.cli.verify.evidence import Tables, VenueAccount
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.clock import SystemClock
from pitwire.common.codec import SCHEMA_HEADER
from pitwire.common.enums import ExecType
from pitwire.common.errors import BusUnavailable
from pitwire.common.testing.journal import order_intent


@dataclass
class World:
    """A healthy system behind the three sources; `steps` happen one by one, each time the database is asked."""

    system: System
    server: MemoryServer = field(default_factory=MemoryServer)
    steps: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    cursor_at: int | None = None
    said: list[str] = field(default_factory=list[str])

    async def write(self) -> None:
        """Everything of the journal that is not on the bus yet."""
        bus = MemoryBus(self.server)
        for record in self.system.records[(await bus.state("OMS")).last_sequence :]:
            await bus.append(record.subject, record.data, {SCHEMA_HEADER: record.schema or ""})
        await give_commands(bus, self.system)

    async def cursor(self) -> int:
        if self.steps:
            self.steps.pop(0)()
            await self.write()
        return self.system.tables.cursor if self.cursor_at is None else self.cursor_at

    async def tables(self) -> Tables:
        return self.system.tables

    async def venues(self, journal_before: int) -> Sequence[VenueAccount]:
        return [replace(self.system.venue, journal_before=journal_before)]

    async def verify(self, wait_s: float = 20.0) -> Outcome:
        await self.write()
        sources = Sources(MemoryBus(self.server), self, self.venues, QUOTES, SystemClock())
        return await verify(sources, wait_s=wait_s, say=self.said.append)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(verification, "POLL_S", 0)
    return World(healthy())


def ready(outcome: Outcome) -> Check:
    return next(check for check in outcome.checks if check.id == "READY")


async def test_a_system_at_rest_is_judged_at_once(world: World) -> None:
    outcome = await world.verify()
    assert outcome.holds, outcome.document()["violated"]
    assert world.said == []
    document = outcome.document()
    assert (document["holds"], document["violated"], document["checked"]) == (True, [], len(outcome.checks))


async def test_readers_that_are_behind_are_waited_for(world: World) -> None:
    world.cursor_at = 12

    def catch_up() -> None:
        world.cursor_at = None

    world.steps = [lambda: None, lambda: None, catch_up]
    outcome = await world.verify()
    assert outcome.holds
    assert world.said == ["waiting, at most 20 s: PostgreSQL has 12 of 30 journal records"]


async def test_readers_that_stay_behind_are_a_violation_when_the_time_is_over(world: World) -> None:
    world.system.rows["journal_cursor"][0]["cursor"] = 12
    outcome = await world.verify(wait_s=0)
    assert not ready(outcome).holds
    assert "12 of 30" in ready(outcome).detail
    assert "though not settled" in outcome.said[0]


async def test_an_order_in_doubt_is_waited_for_and_then_named(world: World) -> None:
    journal = world.system.journal
    verdict = journal.approve(order_intent(6, "BUY", "1", limit_price="100"))
    journal.submitting(verdict)
    journal.report(verdict, ExecType.UNKNOWN)
    world.system.records = [record_of(entry) for entry in journal.entries]
    world.system.store()
    outcome = await world.verify(wait_s=0)
    assert "I-5" in outcome.document()["violated"]
    assert verdict.client_order_id in outcome.said[0]


async def test_a_trade_on_its_way_from_the_venue_is_waited_for(world: World) -> None:
    late = world.system.records.pop()
    fill = next(
        i for i, entry in enumerate(world.system.journal.entries) if getattr(entry.event, "trade_id", "") == "4"
    )
    kept, world.system.records = world.system.records[fill:], world.system.records[:fill]

    def arrive() -> None:
        world.system.records += [*kept, late]

    world.steps = [lambda: None, arrive]
    outcome = await world.verify()
    assert outcome.holds, outcome.document()["violated"]
    assert "1 trades at sim are not in the journal" in world.said[0]


async def test_a_journal_that_ends_before_the_cursor_is_judged_not_waited_for_ever(world: World) -> None:
    del world.system.records[-3:]
    outcome = await world.verify(wait_s=0)
    assert "I-27.cursor" in outcome.document()["violated"]


async def test_a_bus_that_gives_no_records_is_an_error(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "READ_SILENCE_MAX_S", 0.05)
    await world.write()
    bus, deaf = MemoryBus(world.server), MemoryBus(world.server)
    deaf.disconnect()
    monkeypatch.setattr(bus, "read", deaf.read)
    sources = Sources(bus, world, world.venues, QUOTES, SystemClock())
    with pytest.raises(BusUnavailable, match="could not be read past 0"):
        await verify(sources, wait_s=0)
