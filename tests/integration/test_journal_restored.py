"""The journal is lost, whole or in part, and comes back from the rows in PostgreSQL: byte for byte, and halted."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.bus_world import NatsWorld, nats_world, sample_config
from tests.integration.test_persistence_process import HasDsn, World, long_journal

from pitwire.cli.restoring import NotRestored, Restored, restore_journal
from pitwire.cli.servers import NatsServer
from pitwire.common import codec, permissions, subjects
from pitwire.common.bus.port import Record
from pitwire.common.clock import SystemClock
from pitwire.common.errors import AppendRefused
from pitwire.common.halts import restored_end
from pitwire.common.provisioning import apply_topology, ensure_stream, provisioner_of
from pitwire.common.schemas.ledger import Halt
from pitwire.common.topology import OMS, NatsAccount

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
ORDERS = 15
UNREADABLE = "SELECT count(*) FROM quarantined_records"
REGRESSIONS = "SELECT count(*) FROM journal_cursor_regressions"


@pytest.fixture
async def world(infra: str, tmp_path: Path, postgres: HasDsn) -> AsyncIterator[World]:
    async with nats_world(tmp_path) as nats:
        yield World(nats, postgres, tmp_path)


async def journal_of(nats: NatsWorld) -> list[Record]:
    bus = await nats.connect("operator")
    found: list[Record] = []
    async for batch in bus.read(OMS.name, (subjects.EVERY_JOURNAL,), after=0):
        found += batch
        if not batch:
            return found
    raise AssertionError


def bytes_of(records: list[Record]) -> list[tuple[int, str, bytes, str | None]]:
    return [(record.sequence, record.subject, record.data, record.schema) for record in records]


async def restore(world: World, nats: NatsWorld) -> Restored | None:
    return await restore_journal(nats.server.url, nats.seeds, world.database.dsn, SystemClock())


async def store(world: World) -> list[Record]:
    """A journal with a record that nobody can read, and its rows."""
    operator = await world.nats.connect("operator")
    await world.write(long_journal(ORDERS))
    await operator.append(subjects.halt("operator"), b"not a halt")
    records = await journal_of(world.nats)
    with world.service():
        await world.caught_up(len(records))
    assert world.query(UNREADABLE) == [(1,)]
    return records


async def lose(nats: NatsWorld, keep: int) -> None:
    """The stream as a restored backup of the disk would hold it: its first `keep` records."""
    kept = (await journal_of(nats))[:keep]
    async with provisioner_of(nats.server.url, nats.seeds, NatsAccount.TRADING) as bus:
        assert (await bus.api("STREAM.DELETE.OMS", {})).get("success")
        await ensure_stream(bus, OMS.restoring_config())
        for record in kept:
            headers = {codec.SCHEMA_HEADER: record.schema} if record.schema else None
            await bus.append(f"{subjects.RESTORE}.{record.subject}", record.data, headers)
        await ensure_stream(bus, OMS.config())


@pytest.mark.parametrize("kept", [0, 55], ids=["lost whole", "lost its end"])
async def test_a_lost_journal_is_put_back_byte_for_byte_with_a_halt_and_its_rows_follow_again(
    world: World, tmp_path: Path, kept: int
) -> None:
    before = await store(world)
    if kept:
        await lose(world.nats, kept)
    else:
        world.nats.server.stop()
        shutil.rmtree(tmp_path / "nats" / "jetstream")
        world.nats.server.start()
    restored = await restore(world, world.nats)
    assert restored == Restored(kept + 1, len(before))
    await apply_topology(world.nats.server.url, world.nats.seeds)
    after = await journal_of(world.nats)
    assert bytes_of(after[:-1]) == bytes_of(before)
    halt = codec.decode(Halt, after[-1].data, subject=after[-1].subject)
    assert (halt.scope.value, halt.state.value, restored_end([halt])) == ("ALL", "HALTED", len(before))
    assert await restore(world, world.nats) is None, "nothing is missing any more"
    with world.service() as service:
        await world.caught_up(len(after))
        assert service.poll() is None
    assert world.query(REGRESSIONS) == [(0,)]
    assert "JOURNAL_LOST" not in world.told()


async def test_while_a_journal_is_put_back_nobody_else_can_write_it_and_later_the_provisioner_cannot(
    world: World,
) -> None:
    operator = await world.nats.connect("operator")
    halts, aside = subjects.halt("operator"), f"{subjects.RESTORE}.{subjects.halt('operator')}"
    async with provisioner_of(world.nats.server.url, world.nats.seeds, NatsAccount.TRADING) as bus:
        await ensure_stream(bus, OMS.restoring_config())
        for subject in (halts, aside):
            with pytest.raises(AppendRefused):
                await operator.may_append(subject)
        await ensure_stream(bus, OMS.config())
        for subject in (halts, aside):
            with pytest.raises(AppendRefused):
                await bus.may_append(subject)
    await operator.may_append(halts)
    assert await journal_of(world.nats) == []


async def test_a_restoring_that_was_cut_short_goes_on_where_it_ended(world: World) -> None:
    before = await store(world)
    await lose(world.nats, 20)
    async with provisioner_of(world.nats.server.url, world.nats.seeds, NatsAccount.TRADING) as bus:
        await ensure_stream(bus, OMS.restoring_config())
    assert await restore(world, world.nats) == Restored(21, len(before))
    assert bytes_of((await journal_of(world.nats))[:-1]) == bytes_of(before)


async def test_another_journal_than_the_one_whose_rows_are_stored_is_left_alone(world: World) -> None:
    """It has gone on since the loss: what it says is true, and an operator decides."""
    await store(world)
    await lose(world.nats, 20)
    operator = await world.nats.connect("operator")
    await operator.append(subjects.halt("operator"), b"{}")
    before = await journal_of(world.nats)
    assert await restore(world, world.nats) is None
    assert bytes_of(await journal_of(world.nats)) == bytes_of(before)


async def test_rows_that_were_edited_never_become_the_journal(world: World) -> None:
    await store(world)
    await lose(world.nats, 20)
    world.query("UPDATE journal_records SET payload = '{}' WHERE oms_sequence = 30 RETURNING 1")
    with pytest.raises(NotRestored, match="row 30"):
        await restore(world, world.nats)
    operator = await world.nats.connect("operator")
    with pytest.raises(AppendRefused):
        await operator.append(subjects.halt("operator"), b"{}")


async def test_a_journal_without_rows_is_left_alone(infra: str, tmp_path: Path, postgres: HasDsn) -> None:
    """The first start: no table, no stream."""
    seeds = tmp_path / "keys"
    settings = permissions.server_config(sample_config(), permissions.make_identities(seeds))
    async with NatsServer(settings, tmp_path / "nats") as server:
        assert await restore_journal(server.url, seeds, postgres.dsn, SystemClock()) is None
