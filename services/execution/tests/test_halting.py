"""Halts from the bus, from beside it and from poison; the gate's silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from services.execution.tests.builders import ACCOUNT, GATE, START_NS, halt, resume
from services.execution.tests.world import Process, ProcessWorld, until

from pitwire.common import codec, subjects
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import HaltScope, TradingState
from pitwire.common.ids import partition_of
from pitwire.common.schemas.control import HaltSeen
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.adapters.fake import Fate
from pitwire.execution.adapters.latch import LatchFiles
from pitwire.execution.handlers.halting import HaltDesk
from pitwire.execution.handlers.journal import JournalReader
from pitwire.execution.handlers.watchdog import Watchdog


async def look(process: Process) -> None:
    watchdog: Watchdog = process.runtime.watchdog
    for desk in process.runtime.desks:
        await watchdog.look(desk)
    await process.shell.settle()


def halts_of(world: ProcessWorld, source: str = "execution") -> list[Halt]:
    records = world.server.log_of("OMS").records
    found = [r for r in records if r.subject == subjects.halt(source)]
    return [codec.decode(Halt, record.data, subject=record.subject) for record in found]


# -- halts on the bus ----------------------------------------------------------------------------------------------


async def test_a_halt_stops_orders_cancels_what_works_and_is_acknowledged(world: ProcessWorld) -> None:
    await world.process()
    working = await world.approve(limit_price="90")
    await world.halt(halt("h1"))
    at = next(r.sequence for r in world.server.log_of("OMS").records if r.subject == subjects.halt("ops"))
    refused = await world.approve()
    assert world.told(working)[-1] == "CANCELED CANCELED"
    assert world.told(refused) == ["NotSent HALTED"]
    assert world.seen() == ["h1"]
    record = world.server.log_of("CTL").records[0]
    seen = codec.decode(HaltSeen, record.data, subject=record.subject)
    assert (seen.cancels_requested, seen.oms_sequence) == (1, at)


async def test_a_venue_that_owes_an_answer_holds_up_neither_orders_nor_halts(world: ProcessWorld) -> None:
    """S-36: nothing waits for the network while the journal waits to be read."""
    await world.process()
    world.venue.stream_mute = True
    world.venue.fates.append(Fate.HOLD_ANSWER)
    first = await world.approve()
    await world.approve()
    assert world.told(first) == ["Submitting"]
    assert len(world.venue.frames) == 2
    await world.halt(halt("h1"))
    assert world.seen() == ["h1"]


async def test_a_halt_of_another_account_is_acknowledged_and_stops_nothing(world: ProcessWorld) -> None:
    await world.process()
    await world.halt(halt("h1", HaltScope.ACCOUNT, "other"))
    order_id = await world.approve()
    assert world.told(order_id)[0] == "Submitting"
    assert world.seen() == ["h1"]


async def test_a_halt_that_holds_is_acknowledged_again_after_a_restart(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    await world.halt(halt("h1"))
    await world.halt(halt("h2"))
    await world.write(subjects.RESUME, resume("h1"))
    await world.settle()
    await first.shell.kill()
    world.clock.advance(ns=200 * NS_PER_S)
    await world.process("0.exec2")
    assert world.seen() == ["h1", "h2", "h2"]
    assert world.told(await world.approve()) == ["NotSent HALTED"]


async def test_an_unreadable_halt_halts_everything(world: ProcessWorld) -> None:
    process = await world.process()
    sequence = await world.raw(subjects.halt("ops"), b"{", Halt.schema_name())
    await world.settle()
    assert world.told(await world.approve()) == ["NotSent HALTED"]
    assert [reason for _, reason in process.shell.quarantined]
    assert world.seen() == [f"undecodable-{sequence}"]


async def test_an_unreadable_resume_clears_nothing(world: ProcessWorld) -> None:
    process = await world.process()
    await world.halt(halt("h1"))
    await world.raw(subjects.RESUME, b"{}", "Resume/1")
    await world.settle()
    assert world.told(await world.approve()) == ["NotSent HALTED"]
    assert "POISON" in process.shell.codes()


@pytest.mark.parametrize("kind", ["risk", "exec"])
async def test_an_unreadable_record_stops_the_account_halts_it_and_is_never_skipped(
    world: ProcessWorld, kind: str
) -> None:
    """I-32, section 3 point 9."""
    process = await world.process()
    working = await world.approve(limit_price="90")
    subject = f"oms.{partition_of(ACCOUNT)}.{kind}.{ACCOUNT}"
    sequence = await world.raw(subject, b"not json", "RiskDecision/1" if kind == "risk" else "ExecReport/1")
    await world.settle()
    assert "POISON" in process.shell.codes()
    assert [(h.scope, h.target) for h in halts_of(world)] == [(HaltScope.ACCOUNT, ACCOUNT)]
    assert str(sequence) in halts_of(world)[0].halt_id
    assert not process.shell.ready
    assert world.venue.cancels == [working]
    order_id = await world.approve()
    assert world.told(order_id) == []
    assert len(world.venue.frames) == 1


async def test_a_poisoned_account_stays_stopped_over_restarts_and_halts_once(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    await world.raw(subjects.ledger(ACCOUNT), b"not json", "RiskDecision/1")
    await world.settle()
    await first.shell.kill()
    second = await world.process("0.exec2")
    assert len(halts_of(world)) == 1
    assert not second.core.leading
    assert not second.shell.ready


async def test_a_record_of_another_account_on_this_subject_is_poison(world: ProcessWorld) -> None:
    process = await world.process()
    record = world.ledger.incarnation().model_copy(update={"account": "other"})
    await world.write(subjects.ledger(ACCOUNT), record)
    await world.settle()
    assert "POISON" in process.shell.codes()


# -- beside the bus ------------------------------------------------------------------------------------------------


async def test_a_halt_beside_the_bus_is_obeyed_acknowledged_and_journaled(world: ProcessWorld) -> None:
    """Law 7: the kill path needs no bus."""
    process = await world.process()
    working = await world.approve(limit_price="90")
    process.shell.bus.disconnect()
    LatchFiles(world.data_dir).add(halt("k1"))
    desk: HaltDesk = process.runtime._halts
    desk.read_latches()
    await world.settle()
    assert process.latches.acknowledged_ns("k1") == START_NS
    assert world.venue.cancels == [working]
    assert process.core.halts.state_for(ACCOUNT)[0] is TradingState.HALTED
    process.shell.bus.reconnect()
    await until(lambda: bool(halts_of(world)))
    assert [found.halt_id for found in halts_of(world)] == ["k1"]


async def test_a_halt_beside_the_bus_survives_restarts_until_a_resume_names_it(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    LatchFiles(world.data_dir).add(halt("k1"))
    first.runtime._halts.read_latches()
    await world.settle()
    assert [found.halt_id for found in halts_of(world)] == ["k1"]
    assert world.seen() == ["k1"]
    await first.shell.kill()
    second = await world.process("0.exec2")
    assert world.told(await world.approve()) == ["NotSent HALTED"]
    await world.write(subjects.RESUME, resume("k1"))
    await world.settle()
    assert second.latches.read() == []
    assert world.told(await world.approve())[0] == "Submitting"
    assert len(halts_of(world)) == 1


async def test_a_halt_given_while_nothing_ran_is_obeyed_before_anything_else(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    working = await world.approve(limit_price="90")
    await first.shell.kill()
    LatchFiles(world.data_dir).add(halt("k1"))
    process = await world.process("0.exec2")
    assert world.told(await world.approve()) == ["NotSent HALTED"]
    assert world.venue.cancels == [working]
    assert process.latches.acknowledged_ns("k1") > 0


async def test_a_resume_that_came_while_the_latch_was_still_there_clears_it_at_the_next_start(
    world: ProcessWorld, tmp_path: Path
) -> None:
    await world.halt(halt("k1"), "execution")
    await world.write(subjects.RESUME, resume("k1"))
    LatchFiles(tmp_path).add(halt("k1"))
    await world.process()
    assert LatchFiles(tmp_path).read() == []
    assert world.told(await world.approve())[0] == "Submitting"


# -- the gate's silence --------------------------------------------------------------------------------------------


async def test_no_order_leaves_when_the_gate_was_not_heard_for_three_seconds(world: ProcessWorld) -> None:
    """I-23."""
    await world.process()
    world.clock.advance(ns=3 * NS_PER_S)
    assert world.told(await world.approve()) == ["NotSent GATE_SILENT"]
    await world.beat()
    assert world.told(await world.approve())[0] == "Submitting"


async def test_another_gates_heartbeat_does_not_speak_for_the_one_that_leads(world: ProcessWorld) -> None:
    await world.process()
    world.clock.advance(ns=3 * NS_PER_S)
    await world.beat("1.gate9")
    assert world.told(await world.approve()) == ["NotSent GATE_SILENT"]
    await world.write(subjects.ledger(ACCOUNT), world.ledger.leader("1.gate9"))
    assert world.told(await world.approve())[0] == "Submitting"


async def test_working_orders_are_withdrawn_when_the_gate_is_lost_for_ten_seconds(world: ProcessWorld) -> None:
    process = await world.process()
    working = await world.approve(limit_price="90")
    world.clock.advance(ns=9_900_000_000)
    await look(process)
    assert world.venue.cancels == []
    world.clock.advance(ns=100_000_000)
    await look(process)
    await look(process)
    assert world.venue.cancels == [working]
    assert world.told(working)[-1] == "CANCELED CANCELED"
    assert process.shell.codes().count("GATE_LOST") == 1


async def test_what_is_not_a_gates_heartbeat_is_not_taken_for_one(world: ProcessWorld) -> None:
    process = await world.process()
    world.clock.advance(ns=4 * NS_PER_S)
    slot, _ = GATE.split(".")
    await world.hands.bus.publish(subjects.heartbeat("risk-gate", slot), b"{}", {codec.SCHEMA_HEADER: "Heartbeat/1"})
    await world.hands.bus.publish(subjects.heartbeat("strategy", slot), b"{}")
    await world.settle()
    assert world.told(await world.approve()) == ["NotSent GATE_SILENT"]
    assert process.shell.failures == []


async def test_the_reader_knows_when_it_has_caught_up(world: ProcessWorld) -> None:
    process = await world.process()
    reader: JournalReader = process.runtime._reader
    assert reader.caught_up.is_set()
    assert reader.sequence == len(world.server.log_of("OMS").records)
