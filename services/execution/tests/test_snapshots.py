"""Execution from a snapshot: it stands where the whole journal would have brought it; a start reads only the rest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from services.execution.tests.builders import ACCOUNT, facts, halt, intent, resume, trade, venue_order
from services.execution.tests.core_world import CoreWorld
from services.execution.tests.world import Process, ProcessWorld

from pitwire.common import subjects
from pitwire.common.enums import OrderStatus, TradingState
from pitwire.execution.adapters.latch import LatchFiles
from pitwire.execution.core.fold import ExecutionCore
from pitwire.execution.core.snapshots import entry_row
from pitwire.execution.core.venue import Placed
from pitwire.execution.handlers import snapshots as handling


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ProcessWorld]:
    made = ProcessWorld(tmp_path)
    await made.open()
    yield made
    await made.close()


def busy_world() -> CoreWorld:
    """Orders in every state: resting, part filled, filled, in doubt, foreign, halted and resumed."""
    world = CoreWorld.started()
    for number in range(1, 9):
        order_id = world.approve(intent(number, now_ns=world.now_ns))
        if number % 4 == 0:
            continue
        is_filled = number % 3 == 0
        rows = [trade(str(number), "1", venue_order_id=str(number))] if is_filled else []
        stands = venue_order(
            order_id,
            venue_order_id=str(number),
            cum_quantity="1" if is_filled else "0",
            status=OrderStatus.FILLED if is_filled else OrderStatus.NEW,
        )
        world.perform(world.core.answered(order_id, Placed(facts(stands, *rows)), world.now_ns))
    world.venue_says(facts(venue_order("human-1", venue_order_id="99")))
    world.append(halt("h1"))
    world.append(halt("h2"))
    world.append(resume("h1"))
    return world


def restored(core: ExecutionCore, leader: str = "0.exec2") -> ExecutionCore:
    data = orjson.loads(orjson.dumps(core.snapshot()))
    return CoreWorld(leader=leader).core.restore(data)


def test_a_restored_core_stands_where_the_fold_stood_at_every_record() -> None:
    """I-29: live, from the beginning and from a snapshot at each place, the same state and the same hash."""
    world = busy_world()
    live: list[str] = []
    folding = CoreWorld(leader="0.exec2")
    for event in world.log:
        folding.append(event)
        live.append(folding.core.state_hash())
    for place in range(0, len(world.log), 3):
        core = restored(world.restart(place).core)
        for sequence, event in enumerate(world.log, start=1):
            core.observe(sequence, event, world.now_ns)
            if sequence > place:
                assert core.state_hash() == live[sequence - 1], (place, sequence)
    assert world.core.state_hash() == live[-1]


def test_what_only_the_process_knew_is_not_kept() -> None:
    """An order that was submitted may be at the venue: the new process neither sends it nor forgets it."""
    world = busy_world()
    core = restored(world.core)
    assert not core.leading
    for entry in core.orders.active():
        known = world.core.orders.get(entry.client_order_id)
        assert known is not None
        assert entry_row(entry) == entry_row(known)
        assert (entry.sent, entry.composed, entry.awaiting, entry.queued) == (False, False, False, 0)
        assert entry.is_out == entry.order.submitted


def test_a_snapshot_of_another_account_or_version_is_refused() -> None:
    data = busy_world().core.snapshot()
    for changed in ({"version": 0}, {"account": "other"}):
        with pytest.raises(ValueError, match="snapshot"):
            CoreWorld().core.restore(data | changed)


async def test_a_start_takes_the_snapshot_and_reads_only_what_came_after(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "SNAPSHOT_EVERY", 5)
    first = await world.process()
    orders = [await world.approve() for _ in range(6)]
    await world.halt(halt("h1"))
    await first.shell.kill()
    kept = world.server.log_of("SNAP").records
    assert kept
    assert {record.subject for record in kept} == {subjects.snapshot("execution", ACCOUNT)}
    # What a snapshot covers need not even be readable any more.
    log = world.server.log_of("OMS")
    log.records[1] = log.records[1].__class__(subjects.ledger(ACCOUNT), b"{", "RiskDecision/1", sequence=2)
    second = await world.process("0.exec2")
    assert second.shell.codes() == []
    assert second.core.leading
    assert not second.core.stopped
    assert list(second.core.halts.journaled.active) == ["h1"]
    assert [second.core.orders.strategy_of(order) for order in orders] == ["momentum"] * 6


async def test_a_halt_before_the_snapshot_is_acknowledged_again_and_not_journaled_twice(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "SNAPSHOT_EVERY", 1)
    first = await world.process()
    await world.halt(halt("h1"))
    await world.approve()
    await first.shell.kill()
    world.server.recreate("CTL")
    await world.process("0.exec2")
    assert world.seen() == ["h1"]
    halts = [r for r in world.server.log_of("OMS").records if r.subject.startswith("oms.halt.")]
    assert len(halts) == 1


async def test_a_halt_in_the_place_of_a_lost_record_is_obeyed(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot stands at a record that is gone, and the journal has grown past it: it is of another journal."""
    monkeypatch.setattr(handling, "SNAPSHOT_EVERY", 1)
    first = await world.process()
    await world.approve()
    await world.halt(halt("lost"))
    await first.shell.kill()
    world.server.lose_tail("OMS", 1)
    for halt_id in ("h1", "h2"):
        await world.halt(halt(halt_id))
    second = await world.process("0.exec2")
    assert second.shell.codes() == ["SNAPSHOT"]
    assert world.seen() == ["lost", "h1", "h2"]


async def test_a_damaged_snapshot_is_passed_over_and_told(world: ProcessWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "SNAPSHOT_EVERY", 1)
    first = await world.process()
    order = await world.approve()
    await first.shell.kill()
    await world.hands.bus.append(subjects.snapshot("execution", ACCOUNT), b"{}")
    second = await world.process("0.exec2")
    assert second.shell.codes() == ["SNAPSHOT"]
    assert second.core.orders.get(order) is not None
    assert second.core.leading


async def test_a_halt_beside_the_bus_that_a_snapshot_saw_first_is_journaled_after_the_restart_and_can_be_resumed(
    world: ProcessWorld,
) -> None:
    first = await world.process()
    first.shell.bus.disconnect()
    LatchFiles(world.data_dir).add(halt("k1"))
    first.runtime._halts.read_latches()
    await first.runtime._errands.close()
    first.shell.bus.reconnect()
    await first.runtime.desks[0].snapshots.save()
    await first.shell.kill()
    assert not [r for r in world.server.log_of("OMS").records if r.subject == subjects.halt("execution")]
    assert world.server.log_of("SNAP").records
    assert first.core.halts.state_for(ACCOUNT) == (TradingState.HALTED, ("k1",))

    second = await world.process("0.exec2")
    log = world.server.log_of("OMS").records
    assert [record.subject for record in log].count(subjects.halt("execution")) == 1
    assert world.told(await world.approve()) == ["NotSent HALTED"]
    await world.write(subjects.RESUME, resume("k1"))
    await world.settle()
    assert second.latches.read() == []
    assert world.told(await world.approve())[0] == "Submitting"


async def test_an_account_at_which_nothing_happens_does_not_hold_back_where_a_start_reads_from(
    world: ProcessWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handling, "SNAPSHOT_EVERY", 5)
    first = await world.process(accounts=(ACCOUNT, "idle"))
    own = [r.sequence for r in world.server.log_of("OMS").records if r.subject == subjects.exec_events("idle")]
    for _ in range(6):
        await world.approve()
    await first.shell.kill()
    second = Process(world, "0.exec2", (ACCOUNT, "idle"))
    for desk in second.runtime.desks:
        await desk.snapshots.restore()
    busy, idle = (desk.core.sequence for desk in second.runtime.desks)
    assert idle > own[-1]
    assert abs(busy - idle) <= 5


async def test_what_the_snapshot_of_one_account_covers_is_not_decoded_again_because_another_stands_behind(
    world: ProcessWorld,
) -> None:
    first = await world.process(accounts=(ACCOUNT, "idle"))
    await world.approve()
    await first.runtime.desks[0].snapshots.save()
    await first.shell.kill()
    log = world.server.log_of("OMS")
    log.records[1] = log.records[1].__class__(subjects.ledger(ACCOUNT), b"{", "RiskDecision/1", sequence=2)
    second = await world.process("0.exec2", accounts=(ACCOUNT, "idle"))
    assert second.shell.codes() == []
    assert [desk.core.leading for desk in second.runtime.desks] == [True, True]
