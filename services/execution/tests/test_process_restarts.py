"""Execution as a whole process that ends and starts again: nothing is sent twice, nothing is forgotten."""

from __future__ import annotations

import asyncio

from services.execution.tests.builders import (
    ACCOUNT,
    VENUE_ACCOUNT,
    approval,
    intent,
)
from services.execution.tests.world import Process, ProcessWorld, until

from pitwire.common import subjects
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import OrderType, Side
from pitwire.execution.adapters.fake import Fate
from pitwire.execution.core.actions import Investigate
from pitwire.execution.handlers.account_desk import AccountDesk

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def desk_of(process: Process) -> AccountDesk:
    return process.runtime.desks[0]


async def test_a_second_process_deposes_the_first_which_ends_and_sends_nothing_more(world: ProcessWorld) -> None:
    """I-30."""
    first = await world.process("0.exec1")
    before = await world.approve(limit_price="90")
    second = await world.process("0.exec2")
    assert first.shell.failures
    assert not first.core.leading
    assert second.core.leading
    after = await world.approve()
    assert world.venue.frames == [before.encode(), after.encode()]
    assert world.told(after).count("Submitting") == 1


async def test_a_restart_knows_its_working_orders_and_sends_nothing_again(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    order_id = await world.approve(limit_price="90")
    await first.shell.kill()
    second = await world.process("0.exec2")
    assert world.venue.frames == [order_id.encode()]
    assert [entry.client_order_id for entry in second.core.orders.active()] == [order_id]
    await world.cancel(order_id)
    assert world.told(order_id)[-1] == "CANCELED CANCELED"


async def test_a_crash_after_submitting_and_before_the_wire_ends_as_not_placed(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    desk_of(first)._send = _die  # type: ignore[method-assign] # the process dies between reading back and sending
    order_id = await world.approve()
    await first.shell.kill()
    assert world.told(order_id) == ["Submitting"]
    second = await world.process("0.exec2")
    for _ in range(5):
        world.clock.advance(ns=NS_PER_S)
        desk_of(second).venues[VENUE_ACCOUNT].do(Investigate(order_id))
        await world.settle()
    assert world.told(order_id) == ["Submitting", "UNKNOWN UNKNOWN", "REJECTED REJECTED"]
    assert world.venue.frames == []


async def _die(client_order_id: str) -> None:
    await asyncio.Event().wait()


async def test_a_crash_after_the_wire_and_before_the_answer_finds_the_fill(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    world.venue.fates.append(Fate.HOLD_ANSWER)
    world.venue.stream_mute = True
    order_id = await world.approve()
    await first.shell.kill()
    world.venue.stream_mute = False
    await world.process("0.exec2")
    await until(lambda: world.told(order_id)[-1] == "TRADE 1 FILLED")
    assert len(world.venue.frames) == 1


# -- an orderly end ------------------------------------------------------------------------------------------------


async def test_an_orderly_end_cancels_what_works_except_protective_stops_and_waits_for_the_journal(
    world: ProcessWorld,
) -> None:
    process = await world.process()
    plain = await world.approve(limit_price="90")
    stop = approval(
        intent(50, order_type=OrderType.STOP_LOSS, stop_price="90", side=Side.SELL, reduce_only=True),
        is_reduction=True,
    )
    await world.write(subjects.ledger(ACCOUNT), world.ledger.decision(stop))
    await world.settle()
    await process.runtime.quiesce()
    assert world.told(plain)[-1] == "CANCELED CANCELED"
    assert world.told(stop.client_order_id) == ["Submitting", "NEW NEW"]
    late = approval(intent(51))
    await world.write(subjects.ledger(ACCOUNT), world.ledger.decision(late))
    await world.settle()
    assert world.told(late.client_order_id) == []
