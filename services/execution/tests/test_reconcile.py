"""How things stand at the venue against how they stand in the journal."""

from __future__ import annotations

from decimal import Decimal

from services.execution.tests.builders import BTC, VENUE_ACCOUNT, venue_order
from services.execution.tests.world import Process, ProcessWorld, until

from pitwire.common.schemas.execution import ExecReport
from pitwire.execution.core.actions import Investigate
from pitwire.execution.core.venue import OrderFacts
from pitwire.execution.handlers.reconcile import Reconciler
from pitwire.execution.handlers.venue_desk import VenueDesk


def desk_of(process: Process) -> VenueDesk:
    return process.runtime.desks[0].venues[VENUE_ACCOUNT]


async def test_a_foreign_order_at_the_venue_is_adopted_at_start(world: ProcessWorld) -> None:
    world.venue.add_foreign(venue_order("human-1"))
    await world.process()
    report = next(event for event in world.exec_events() if isinstance(event, ExecReport))
    assert (report.client_order_id, report.external, report.strategy) == ("human-1", True, "external")


async def test_fills_while_execution_was_down_are_booked_at_start(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    done = await world.approve(limit_price="100")
    part = await world.approve(limit_price="100")
    await first.shell.kill()
    world.venue.stream_mute = True
    world.venue.fill(done, Decimal(1))
    world.venue.fill(part, Decimal("0.3"))
    world.venue.stream_mute = False
    second = await world.process("0.exec2")
    assert world.told(done)[-1] == "TRADE 1 FILLED"
    assert world.told(part)[-1] == "TRADE 0.3 PARTIALLY_FILLED"
    assert second.shell.registry.get_sample_value(
        "pitwire_execution_reconcile_differences_total", {"venue_account": VENUE_ACCOUNT}
    )


async def test_an_order_that_ended_while_execution_was_down_is_found_ended_with_its_fills(world: ProcessWorld) -> None:
    first = await world.process("0.exec1")
    order_id = await world.approve(limit_price="100")
    await first.shell.kill()
    world.venue.stream_mute = True
    world.venue.fill(order_id, Decimal("0.3"))
    await world.venue.cancel_order(BTC, order_id)
    world.venue.stream_mute = False
    await world.process("0.exec2")
    assert world.told(order_id)[-2:] == ["TRADE 0.3 PARTIALLY_FILLED", "CANCELED CANCELED"]


async def test_what_the_stream_lost_is_found_after_the_gap(world: ProcessWorld) -> None:
    """F-14: and no order leaves meanwhile."""
    process = await world.process()
    order_id = await world.approve(limit_price="100")
    world.venue.stream_mute = True
    world.venue.fill(order_id, Decimal(1))
    world.venue.lose_stream()
    assert desk_of(process).trouble == "not reconciled yet"
    await world.settle()
    assert desk_of(process).trouble == ""
    assert world.told(order_id)[-1] == "TRADE 1 FILLED"


async def test_a_trade_of_a_foreign_order_that_came_and_went_in_a_gap_is_booked_as_external(
    world: ProcessWorld,
) -> None:
    await world.process()
    await world.approve()
    world.venue.stream_mute = True
    world.venue.add_foreign(venue_order("human-1", venue_order_id="900"))
    world.venue.fill("human-1", Decimal(1))
    world.venue.lose_stream()
    await world.settle()
    reports = [event for event in world.exec_events() if isinstance(event, ExecReport) and event.external]
    assert [(r.exec_type.value, r.last_quantity, r.strategy) for r in reports] == [("TRADE", Decimal(1), "external")]


async def test_trades_of_before_the_first_order_here_are_not_ours(world: ProcessWorld) -> None:
    world.venue.add_foreign(venue_order("human-1", venue_order_id="900"))
    world.venue.fill("human-1", Decimal(1))
    await world.process()
    assert world.told("human-1") == []
    await world.approve()
    world.venue.lose_stream()
    await world.settle()
    assert world.told("human-1") == []


async def test_an_order_that_vanished_comes_into_doubt_and_ends_only_by_proof(world: ProcessWorld) -> None:
    """Testnet wipes: F-21, no terminal decision from one absence."""
    process = await world.process()
    order_id = await world.approve(limit_price="90")
    world.venue.orders.clear()
    world.venue.lose_stream()
    await world.settle()
    assert world.told(order_id) == ["Submitting", "NEW NEW", "UNKNOWN UNKNOWN"]
    for _ in range(6):
        world.clock.advance(ns=1_000_000_000)
        desk_of(process).do(Investigate(order_id))
        await world.settle()
    assert world.told(order_id)[-1] == "EXPIRED EXPIRED"
    assert "ORDER_VANISHED" in process.shell.codes()


async def test_a_reconcile_of_what_agrees_finds_no_difference(world: ProcessWorld) -> None:
    process = await world.process()
    await world.approve(limit_price="90")
    await world.approve()
    desk = desk_of(process)
    metrics = process.runtime._metrics
    reconciler = Reconciler(desk, desk._instruments, process.shell, metrics, lambda: 0.0, publish=lambda _: None)
    assert await reconciler.once() == 0
    assert await reconciler.once() == 0


async def test_a_reconcile_that_keeps_failing_is_a_persons_business(world: ProcessWorld) -> None:
    world.venue.reads_down = True
    process = await world.process()
    await until(lambda: "RECONCILE_FAILS" in process.shell.codes())
    world.venue.reads_down = False
    await until(lambda: process.shell.ready)
    assert process.shell.codes().count("RECONCILE_FAILS") == 1


async def test_missing_trades_are_asked_for_until_they_are_there(world: ProcessWorld) -> None:
    process = await world.process()
    order_id = await world.approve(limit_price="100")
    world.venue.stream_mute = True
    world.venue.fill(order_id, Decimal(1))
    hidden, world.venue.trades = world.venue.trades, []
    desk_of(process).on_facts(OrderFacts(world.venue.orders[order_id]))
    await until(lambda: "TRADES_MISSING" in process.shell.codes())
    assert world.told(order_id) == ["Submitting", "NEW NEW"]
    world.venue.trades = hidden
    world.venue.lose_stream()
    await until(lambda: world.told(order_id)[-1] == "TRADE 1 FILLED")
