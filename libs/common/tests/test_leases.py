"""Leases on the bus in memory: one leader per slot, takeover after silence, loss noticed."""

from __future__ import annotations

import asyncio

import pytest

from pitwire.common import leases
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.clock import ManualClock
from pitwire.common.leases import LeadershipLost, LeaseHolder


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No real waiting: the loops turn, the manual clock says how much time passed."""
    monkeypatch.setattr(leases, "LOOK_S", 0)
    monkeypatch.setattr(leases, "RENEW_S", 0)


class Slot:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.server = MemoryServer(self.clock)

    def holder(self, name: str) -> tuple[LeaseHolder, MemoryBus]:
        bus = MemoryBus(self.server)
        return LeaseHolder(bus, self.clock, service="risk-gate", slot="0", holder=name), bus


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_free_slot_is_taken_at_once() -> None:
    holder, _ = Slot().holder("a")
    await asyncio.wait_for(holder.acquire(), 1)


async def test_a_standby_waits_while_the_holder_renews_and_takes_over_when_it_is_silent() -> None:
    slot = Slot()
    first, first_bus = slot.holder("a")
    second, _ = slot.holder("b")
    await first.acquire()
    keeping = asyncio.create_task(first.keep())
    waiting = asyncio.create_task(second.acquire())
    for _ in range(10):
        slot.clock.advance(ns=leases.LEASE_TIME_NS // 2)
        await turns()
    assert not waiting.done()
    first_bus.disconnect()
    slot.clock.advance(ns=leases.LEASE_TIME_NS)
    await turns()
    slot.clock.advance(ns=leases.LEASE_TIME_NS)
    await asyncio.wait_for(waiting, 1)
    first_bus.reconnect()
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(keeping, 1)


async def test_a_released_lease_is_free_at_once() -> None:
    slot = Slot()
    first, _ = slot.holder("a")
    second, _ = slot.holder("b")
    await first.acquire()
    await first.release()
    await asyncio.wait_for(second.acquire(), 1)


async def test_of_two_standbys_one_leads() -> None:
    slot = Slot()
    holders = [slot.holder(name)[0] for name in "abc"]
    tasks = [asyncio.create_task(holder.acquire()) for holder in holders]
    await turns()
    assert [task.done() for task in tasks].count(True) == 1
    for task in tasks:
        task.cancel()


async def test_a_lost_answer_while_renewing_loses_nothing() -> None:
    slot = Slot()
    holder, bus = slot.holder("a")
    await holder.acquire()
    keeping = asyncio.create_task(holder.keep())
    bus.lose_answers = 3
    await turns(200)
    assert not keeping.done()
    keeping.cancel()
