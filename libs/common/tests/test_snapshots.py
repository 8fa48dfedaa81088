"""Snapshots: the newest good one, never a damaged one, never one from a journal that is gone."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.ids import content_hash
from pitwire.common.schemas.control import Snapshot
from pitwire.common.snapshots import SnapshotStore


class Counted:
    def __init__(self, value: int) -> None:
        self.value = value

    def snapshot(self) -> dict[str, Any]:
        return {"value": self.value}

    def state_hash(self) -> str:
        return content_hash(str(self.value).encode())

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Counted:
        return cls(data["value"])


class World:
    def __init__(self) -> None:
        self.bus = MemoryBus(MemoryServer())
        self.store = SnapshotStore(self.bus, service="risk-gate", account="main")
        self.bad: list[str] = []

    async def save(self, *values: int) -> None:
        for value in values:
            await self.store.save(Counted(value), oms_sequence=value * 10, ts_ns=1)

    async def load(self, last_sequence: int = 1_000) -> int | None:
        state = await self.store.load(Counted.restore, last_sequence=last_sequence, on_bad=self.bad.append)
        return state.value if state else None


async def test_without_a_snapshot_the_start_is_the_beginning() -> None:
    assert await World().load() is None


async def test_the_newest_is_loaded() -> None:
    world = World()
    await world.save(1, 2, 3, 4, 5)
    assert await world.load() == 5


async def test_only_three_are_kept() -> None:
    world = World()
    await world.save(1, 2, 3, 4, 5)
    assert await world.load(last_sequence=20) is None
    assert len(world.bad) == 3


async def test_a_snapshot_beyond_the_end_of_the_journal_is_refused() -> None:
    world = World()
    await world.save(1, 2)
    assert await world.load(last_sequence=15) == 1
    assert "journal ends at 15" in world.bad[0]


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
