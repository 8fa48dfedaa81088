"""Snapshots: the newest good one, never a damaged one, never one from a journal that is gone or was written anew."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from pitwire.common import subjects
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.ids import content_hash
from pitwire.common.schemas.control import Snapshot
from pitwire.common.snapshots import Loss, SnapshotStore


class Counted:
    def __init__(self, value: int) -> None:
        self.value = value

    def snapshot(self) -> dict[str, Any]:
        return {"value": self.value}

    def state_hash(self) -> str:
        return content_hash(orjson.dumps(self.snapshot()))

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Counted:
        return cls(data["value"])


class World:
    """A journal of fifty records; the snapshot of a value stands at ten times the value."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.bus = MemoryBus(self.server)
        self.store = SnapshotStore(self.bus, service="risk-gate", account="main")
        self.bad: list[str] = []

    async def save(self, *values: int) -> None:
        await self.grow_to(50, "first")
        log = self.server.log_of("OMS")
        for value in values:
            record_hash = content_hash(log.records[value * 10 - 1].data)
            await self.store.save(Counted(value), oms_sequence=value * 10, record_hash=record_hash, ts_ns=1)

    async def grow_to(self, sequence: int, life: str) -> None:
        """Records of either account, so that a snapshot may stand at one that is not of its own."""
        log = self.server.log_of("OMS")
        while len(log.records) < sequence:
            number = len(log.records) + 1
            await self.bus.append(subjects.ledger(("main", "other")[number % 2]), f"{life} {number}".encode())

    async def lose_after(self, sequence: int) -> None:
        self.server.lose_tail("OMS", len(self.server.log_of("OMS").records) - sequence)

    async def load(self) -> int | None:
        last_sequence = (await self.bus.state("OMS")).last_sequence
        state = await self.store.load(Counted.restore, last_sequence=last_sequence, on_bad=self.bad.append)
        return state.value if state else None

    async def loss(self) -> Loss | None:
        return await self.store.loss(last_sequence=(await self.bus.state("OMS")).last_sequence)


async def test_without_a_snapshot_the_start_is_the_beginning() -> None:
    assert await World().load() is None


async def test_the_newest_is_loaded() -> None:
    world = World()
    await world.save(1, 2, 3, 4, 5)
    assert await world.load() == 5


async def test_only_three_are_kept() -> None:
    world = World()
    await world.save(1, 2, 3, 4, 5)
    await world.lose_after(20)
    assert await world.load() is None
    assert len(world.bad) == 3


async def test_a_snapshot_beyond_the_end_of_the_journal_is_refused() -> None:
    world = World()
    await world.save(1, 2)
    await world.lose_after(15)
    assert await world.load() == 1
    assert "journal ends at 15" in world.bad[0]
    assert await world.loss() == Loss(20, world.bad[0])


@pytest.mark.parametrize("end", [20, 50])
async def test_a_snapshot_of_a_lost_end_is_refused_when_the_journal_has_grown_past_it_again(end: int) -> None:
    world = World()
    await world.save(1, 2)
    await world.lose_after(19)
    await world.grow_to(end, "second")
    assert await world.load() == 1
    assert "another record" in world.bad[0]
    assert await world.loss() == Loss(20, world.bad[0])


async def test_a_journal_that_lost_only_what_no_snapshot_stands_at_shows_no_loss() -> None:
    world = World()
    await world.save(1, 2)
    await world.lose_after(20)
    await world.grow_to(50, "second")
    assert await world.load() == 2
    assert await world.loss() is None
    assert world.bad == []


async def test_a_snapshot_that_does_not_name_its_record_is_passed_over_and_is_no_sign_of_a_loss() -> None:
    """As a release before this one kept them."""
    world = World()
    await world.save(1)
    kept = await world.bus.last("SNAP", "snap.risk-gate.main")
    assert kept is not None
    old = Snapshot.model_validate_json(kept.data).model_dump(mode="json", exclude={"record_hash"})
    await world.bus.append("snap.risk-gate.main", orjson.dumps(old))
    assert await world.load() == 1
    assert "does not say" in world.bad[0]
    assert await world.loss() is None


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json", b'{"state_zlib_base64":"AAAA"}'])
async def test_an_unreadable_snapshot_gives_way_to_the_one_before(damage: bytes) -> None:
    world = World()
    await world.save(1)
    await world.bus.append("snap.risk-gate.main", damage)
    assert await world.load() == 1
    assert world.bad


async def test_a_wrong_hash_gives_way_to_the_one_before() -> None:
    world = World()
    await world.save(1, 2)
    newest = await world.bus.last("SNAP", "snap.risk-gate.main")
    assert newest is not None
    changed = Snapshot.model_validate_json(newest.data).model_copy(update={"state_hash": "0" * 64})
    await world.bus.append("snap.risk-gate.main", changed.model_dump_json().encode())
    assert await world.load() == 2
    assert "another hash" in world.bad[0]
