"""What goes wrong while a journal is put back: it never opens without its halt, nor with a record among its rows."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.integration.bus_world import Cluster, NatsWorld, nats_world, sample_config
from tests.integration.restoring_world import KEPT, RestoringWorld, trading, written
from tests.integration.test_persistence_process import HasDsn

from pitwire.cli.restoring import IN_FLIGHT_MAX, NotRestored, Restored
from pitwire.common import subjects
from pitwire.common.bus.nats import APPEND_TIMEOUT_S, NatsBus
from pitwire.common.errors import ConfigError
from pitwire.common.provisioning import apply_topology, delete_copies, ensure_stream, provisioner_of
from pitwire.common.topology import LEASES, OMS, NatsAccount

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
LOST = 4
MANY_ORDERS = 500
FROZEN_S = APPEND_TIMEOUT_S + 0.5
FREEZES = 2


class Died(BaseException):
    """The process is gone."""


@dataclass
class Life:
    """How many requests to the bus are left before the process dies; what it had asked already is done."""

    left: int | None = None

    def spend(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Died


@pytest.fixture
async def world(infra: str, tmp_path: Path, migrated: HasDsn) -> AsyncIterator[RestoringWorld]:
    async with nats_world(tmp_path) as nats:
        made = RestoringWorld(nats, migrated, tmp_path, trading())
        await made.fill()
        yield made


@pytest.fixture
def life(monkeypatch: pytest.MonkeyPatch) -> Life:
    made = Life()
    api, append = NatsBus.api, NatsBus.append

    async def counted_api(bus: NatsBus, *args: Any) -> dict[str, Any]:
        made.spend()
        return await api(bus, *args)

    async def counted_append(bus: NatsBus, *args: Any, **named: Any) -> int:
        made.spend()
        return await append(bus, *args, **named)

    monkeypatch.setattr(NatsBus, "api", counted_api)
    monkeypatch.setattr(NatsBus, "append", counted_append)
    return made


async def test_wherever_it_dies_the_journal_stays_closed_until_another_try_has_put_back_everything(
    world: RestoringWorld, life: Life
) -> None:
    """Whoever applies the topology in between, without a database, opens nothing and makes no copy of the half."""
    kept, requests, is_dead = world.stored - LOST, 0, True
    while is_dead:
        requests += 1
        await world.hold(world.entries[:kept])
        life.left = requests - 1
        try:
            await world.restore()
        except Died:
            is_dead = True
        else:
            is_dead = False
        life.left = None
        if await world.is_closed():
            with pytest.raises(ConfigError, match="PITWIRE_DATABASE_URL"):
                await world.apply()
            assert await world.is_closed()
        await world.restore()
        after = await world.journal()
        assert written(after[:-1]) == written(world.entries[: world.stored]), f"it died at request {requests}"
        await world.apply()
        await world.copies_are(after)
    assert requests > LOST, "each record is a request"


@pytest.mark.parametrize("tables", ["none", "empty"])
async def test_a_journal_that_is_half_put_back_does_not_open_for_a_database_without_its_rows(
    world: RestoringWorld, postgres: HasDsn, tables: str
) -> None:
    await world.hold(world.entries[: KEPT + 10], is_open=False)
    mine = world.database
    if tables == "none":
        world.database = postgres
    else:
        world.query("DELETE FROM journal_cursor RETURNING 1")
    with pytest.raises(NotRestored, match="name the database"):
        await world.restore()
    assert await world.is_closed()
    if tables == "none":
        world.database = mine
        assert await world.restore() == Restored(world.stored - KEPT - 10, world.stored)


async def test_a_journal_that_is_half_put_back_does_not_open_for_rows_that_end_before_it(
    world: RestoringWorld,
) -> None:
    await world.hold(world.entries[: KEPT + 10], is_open=False)
    world.query(f"DELETE FROM journal_records WHERE oms_sequence > {KEPT} RETURNING 1")
    with pytest.raises(NotRestored, match=f"ends at {KEPT + 10}, and the rows at {KEPT}"):
        await world.restore()
    assert await world.is_closed()


async def test_a_writer_that_lives_until_the_journal_is_closed_keeps_it(
    world: RestoringWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """His record stands where a row would go: the journal has gone on, and is left as it is."""
    await world.lose_end()
    operator = await world.nats.connect("operator")

    async def late(bus: NatsBus, config: dict[str, Any]) -> str:
        await operator.append(subjects.halt("operator"), b"{}")
        return await ensure_stream(bus, config)

    monkeypatch.setattr("pitwire.cli.restoring.ensure_stream", late)
    assert await world.restore() is None
    monkeypatch.undo()
    await operator.may_append(subjects.halt("operator"))
    assert [record.data for record in await world.journal()] == [e.data for e in world.entries[:KEPT]] + [b"{}"]
    assert await world.restore() is None


async def test_a_record_of_somebody_else_that_comes_in_late_stops_every_row_behind_it(
    world: RestoringWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.lose_end()

    async def late(*args: Any) -> None:
        await delete_copies(*args)
        async with world.provisioner() as bus:
            await bus.append(f"{subjects.RESTORE}.{subjects.halt('operator')}", b"{}")

    monkeypatch.setattr("pitwire.cli.restoring.delete_copies", late)
    with pytest.raises(NotRestored, match="somebody else wrote"):
        await world.restore()
    monkeypatch.undo()
    for _ in range(2):
        assert await world.is_closed()
        assert [record.data for record in await world.journal()] == [e.data for e in world.entries[:KEPT]] + [b"{}"]
        with pytest.raises(NotRestored, match=f"record {KEPT + 1} is another"):
            await world.restore()


async def test_a_server_that_stands_still_for_longer_than_an_append_may_take_only_slows_it(
    infra: str, tmp_path: Path, migrated: HasDsn
) -> None:
    async with nats_world(tmp_path) as nats:
        world = RestoringWorld(nats, migrated, tmp_path, trading(MANY_ORDERS))
        await world.fill()
        await world.lose_end()
        told: list[str] = []
        restored = asyncio.create_task(world.restore(told.append))
        for part in range(1, FREEZES + 1):
            await until_it_has(world, world.stored * part // (FREEZES + 1), restored)
            os.kill(nats.server.pid, signal.SIGSTOP)
            await asyncio.sleep(FROZEN_S)
            os.kill(nats.server.pid, signal.SIGCONT)
        assert await restored == Restored(world.stored - KEPT, world.stored)
        assert written((await world.journal())[:-1]) == written(world.entries[: world.stored])
        assert [text for text in told if text.startswith("put back: ")], "how far it is"
        assert world.stored > 10 * IN_FLIGHT_MAX


async def until_it_has(world: RestoringWorld, sequence: int, restored: asyncio.Task[Restored | None]) -> None:
    async with world.provisioner() as bus:
        while not restored.done() and (await bus.state(OMS.name)).last_sequence < sequence:
            await asyncio.sleep(0.01)


async def test_a_stream_keeps_its_replicas_and_a_lost_one_gets_those_of_the_others(
    infra: str, tmp_path: Path, migrated: HasDsn
) -> None:
    cluster = Cluster(tmp_path, sample_config())
    try:
        await cluster.until_applied((LEASES, OMS))
        world = RestoringWorld(NatsWorld(cluster.servers[0], cluster.seeds), migrated, tmp_path, trading())
        await apply_topology(cluster.url, cluster.seeds, streams=(LEASES, OMS))
        for account in (NatsAccount.TRADING, NatsAccount.READ):
            assert await replicas(cluster, account) == len(cluster.servers)
        await world.fill_rows()
        async with world.provisioner() as bus:
            await bus.api(f"STREAM.DELETE.{OMS.name}", {})
        assert await world.restore() == Restored(world.stored, world.stored)
        assert await replicas(cluster, NatsAccount.TRADING) == len(cluster.servers)
        assert written((await world.journal())[:-1]) == written(world.entries[: world.stored])
        await world.nats.close()
    finally:
        cluster.stop()


async def replicas(cluster: Cluster, account: NatsAccount) -> int:
    async with provisioner_of(cluster.url, cluster.seeds, account) as bus:
        return int((await bus.api(f"STREAM.INFO.{OMS.name}", {}))["config"]["num_replicas"])
