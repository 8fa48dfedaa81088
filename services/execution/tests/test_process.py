"""A whole execution process on the bus in memory: the order path, doubt, lost writes, leaders, an orderly end."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import partial

import pytest
from prometheus_client import CollectorRegistry
from services.execution.tests.builders import (
    ACCOUNT,
    BTC,
    MS,
    START_NS,
    STRATEGY,
    VENUE_ACCOUNT,
    approval,
    intent,
)
from services.execution.tests.world import Process, ProcessWorld, until

from pitwire.common import subjects
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import OrderStatus
from pitwire.common.schemas.execution import ExecEvent, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import LeaderChanged
from pitwire.execution.adapters.fake import Fate
from pitwire.execution.core.actions import Investigate
from pitwire.execution.core.venue import OrderFacts
from pitwire.execution.handlers.account_desk import AccountDesk
from pitwire.execution.handlers.metrics import Metrics
from pitwire.execution.handlers.runtime import Runtime
from pitwire.execution.handlers.writer import URGENT_IN_A_ROW_MAX, ExecWriter
from pitwire.execution.ports import CannotSign, Unsupported

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def filled(world: ProcessWorld, order_id: str) -> bool:
    return world.told(order_id)[-1:] == ["TRADE 1 FILLED"]


def desk_of(process: Process) -> AccountDesk:
    return process.runtime.desks[0]


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(name, labels) or 0.0


# -- the order path ------------------------------------------------------------------------------------------------


async def test_an_approved_order_reaches_the_venue_once_and_its_fill_the_journal_once(world: ProcessWorld) -> None:
    process = await world.process()
    order_id = await world.approve()
    assert world.venue.frames == [order_id.encode()]
    assert world.told(order_id)[0] == "Submitting"
    assert world.told(order_id)[-1] == "TRADE 1 FILLED"
    assert sum("TRADE" in line for line in world.told(order_id)) == 1
    assert process.shell.failures == []
    assert process.shell.ready
    assert value(process.shell.registry, "pitwire_execution_orders_sent_total") == 1
    assert value(process.shell.registry, "pitwire_execution_submit_to_ack_seconds_count") == 1
    assert value(process.shell.registry, "pitwire_execution_events_total", kind="Submitting") == 1


async def test_every_event_has_its_number_and_epoch_without_a_gap(world: ProcessWorld) -> None:
    await world.process()
    for _ in range(5):
        await world.approve()
    events = [event for event in world.exec_events() if isinstance(event, ExecEvent | LeaderChanged)]
    assert [event.exec_no for event in events] == list(range(1, len(events) + 1))
    assert isinstance(events[0], LeaderChanged)
    assert {event.epoch for event in events} == {1}


async def test_the_trace_of_the_intent_goes_on_in_every_event_and_header(world: ProcessWorld) -> None:
    await world.process()
    order_id = await world.approve(trace=TRACE)
    events = [event for event in world.exec_events() if isinstance(event, Submitting | ExecReport)]
    assert {event.trace for event in events if event.client_order_id == order_id} == {TRACE}
    records = [r for r in world.server.log_of("OMS").records if r.subject == subjects.exec_events(ACCOUNT)]
    assert records[-1].trace == TRACE


async def test_an_approval_that_has_expired_is_not_sent(world: ProcessWorld) -> None:
    await world.process()
    verdict = approval(intent(1, now_ns=START_NS - 3 * NS_PER_S), now_ns=START_NS - 3 * NS_PER_S)
    await world.write(subjects.ledger(ACCOUNT), world.ledger.decision(verdict))
    await world.settle()
    assert world.told(verdict.client_order_id) == ["NotSent APPROVAL_EXPIRED"]
    assert world.venue.frames == []


async def test_the_clock_is_looked_at_once_more_right_before_the_wire(world: ProcessWorld) -> None:
    process = await world.process()
    writer = desk_of(process).writer
    composed = desk_of(process)._compose

    def slow(client_order_id: str) -> object:
        event = composed(client_order_id)
        world.clock.advance(ns=2_100 * MS)
        return event

    desk_of(process)._compose = slow  # type: ignore[method-assign, assignment] # the process is paused in between
    order_id = await world.approve()
    assert world.told(order_id) == ["Submitting", "NotSent APPROVAL_EXPIRED"]
    assert world.venue.frames == []
    assert writer.is_idle


async def test_no_order_leaves_while_the_venue_is_not_to_be_had(world: ProcessWorld) -> None:
    await world.process()
    world.venue.link_down = "order connection is down"
    order_id = await world.approve()
    assert world.told(order_id) == ["NotSent VENUE_UNAVAILABLE"]
    event = next(event for event in world.exec_events() if isinstance(event, NotSent))
    assert event.detail == "order connection is down"


async def test_no_order_leaves_before_the_venue_is_reconciled(world: ProcessWorld) -> None:
    world.venue.reads_down = True
    process = await world.process()
    order_id = await world.approve()
    assert world.told(order_id) == ["NotSent VENUE_UNAVAILABLE"]
    assert not process.shell.ready
    world.venue.reads_down = False
    await until(lambda: process.shell.ready)
    assert world.told(await world.approve())[0] == "Submitting"


@pytest.mark.parametrize(
    ("cannot", "reason"), [(Unsupported("no such type"), "UNSUPPORTED"), (CannotSign("no clock"), "CLOCK_SKEW")]
)
async def test_what_the_venue_cannot_be_asked_is_not_sent(
    world: ProcessWorld, cannot: Unsupported | CannotSign, reason: str
) -> None:
    await world.process()
    world.venue.cannot = cannot
    order_id = await world.approve()
    assert world.told(order_id) == [f"NotSent {reason}"]
    assert world.venue.frames == []


async def test_a_crowd_of_orders_that_came_too_late_does_not_hold_up_one_in_time(world: ProcessWorld) -> None:
    await world.process()
    old_ns = START_NS - 3 * NS_PER_S
    late = [approval(intent(number, now_ns=old_ns), now_ns=old_ns) for number in range(1, 40)]
    for start in range(0, len(late), 20):
        await world.write(subjects.ledger(ACCOUNT), world.ledger.decision(*late[start : start + 20]))
    in_time = approval(intent(99))
    await world.write(subjects.ledger(ACCOUNT), world.ledger.decision(in_time))
    await until(lambda: filled(world, in_time.client_order_id))
    await until(lambda: all(world.told(v.client_order_id) == ["NotSent APPROVAL_EXPIRED"] for v in late))
    ids = [getattr(event, "client_order_id", "") for event in world.exec_events()]
    assert ids.index(in_time.client_order_id) < ids.index(late[-1].client_order_id)


async def test_a_rejection_by_the_venue_is_told(world: ProcessWorld) -> None:
    await world.process()
    world.venue.fates.append(Fate.REJECT)
    order_id = await world.approve()
    assert world.told(order_id) == ["Submitting", "REJECTED REJECTED"]


async def test_a_cancel_goes_to_the_venue_and_counts_when_the_venue_confirms(world: ProcessWorld) -> None:
    await world.process()
    order_id = await world.approve(limit_price="90")
    await world.cancel(order_id)
    assert world.venue.cancels == [order_id]
    assert world.told(order_id) == ["Submitting", "NEW NEW", "CANCELED CANCELED"]


async def test_a_cancel_without_an_answer_is_asked_again_until_the_order_is_over(world: ProcessWorld) -> None:
    await world.process()
    order_id = await world.approve(limit_price="90")
    world.venue.cancel_fails = 3
    await world.cancel(order_id)
    await until(lambda: world.told(order_id)[-1] == "CANCELED CANCELED")
    assert len(world.venue.cancels) == 4


async def test_a_cancel_that_comes_too_late_finds_out_how_the_order_ended(world: ProcessWorld) -> None:
    await world.process()
    order_id = await world.approve(limit_price="100")
    world.venue.stream_mute = True
    world.venue.fill(order_id, Decimal(1))
    await world.cancel(order_id)
    await until(lambda: world.told(order_id)[-1] == "TRADE 1 FILLED")


# -- doubt ---------------------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_found_out_and_nothing_is_sent_again(world: ProcessWorld) -> None:
    await world.process()
    world.venue.stream_mute = True
    world.venue.fates.append(Fate.LOSE_ANSWER)
    order_id = await world.approve()
    assert world.told(order_id) == ["Submitting", "UNKNOWN UNKNOWN", "TRADE 1 FILLED"]
    assert len(world.venue.frames) == 1


async def test_a_lost_request_is_proven_not_placed_and_nothing_is_sent_again(world: ProcessWorld) -> None:
    process = await world.process()
    world.venue.fates.append(Fate.LOSE_REQUEST)
    order_id = await world.approve()
    assert world.told(order_id) == ["Submitting", "UNKNOWN UNKNOWN"]
    for _ in range(5):
        world.clock.advance(ns=NS_PER_S)
        await world.beat()
        desk_of(process).venues[VENUE_ACCOUNT].do(Investigate(order_id))
        await world.settle()
    assert world.told(order_id) == ["Submitting", "UNKNOWN UNKNOWN", "REJECTED REJECTED"]
    assert len(world.venue.frames) == 1
    assert value(process.shell.registry, "pitwire_execution_orders_unknown_total") == 1


async def test_a_doubt_outlasts_a_venue_that_does_not_answer(world: ProcessWorld) -> None:
    process = await world.process()
    world.venue.fates.append(Fate.LOSE_ANSWER)
    world.venue.stream_mute = world.venue.reads_down = True
    order_id = await world.approve()
    world.clock.advance(ns=31 * NS_PER_S)
    await until(lambda: "ORDER_IN_DOUBT" in process.shell.codes())
    assert world.told(order_id) == ["Submitting", "UNKNOWN UNKNOWN"]
    world.venue.reads_down = False
    await until(lambda: world.told(order_id)[-1] == "TRADE 1 FILLED")


async def test_an_answer_that_comes_late_is_still_taken(world: ProcessWorld) -> None:
    await world.process()
    world.venue.fates.append(Fate.HOLD_ANSWER)
    world.venue.stream_mute = True
    order_id = await world.approve()
    assert world.told(order_id) == ["Submitting"]
    world.venue.answer_held()
    await world.settle()
    assert world.told(order_id)[-1] == "TRADE 1 FILLED"


# -- lost and doubtful writes --------------------------------------------------------------------------------------


async def test_a_write_whose_answer_was_lost_stands_once(world: ProcessWorld) -> None:
    """F-9: the error is not interpreted; the journal is read back."""
    process = await world.process()
    for lost in (1, 3):
        process.shell.bus.lose_answers = lost
        order_id = await world.approve()
        await until(partial(filled, world, order_id))
        assert world.told(order_id).count("Submitting") == 1
    assert len(world.venue.frames) == 2
    assert process.shell.failures == []


async def test_leadership_whose_acknowledgement_was_lost_is_taken_once(world: ProcessWorld) -> None:
    waiting = await world.approve()
    process = Process(world, "0.exec1")
    world.processes.append(process)
    process.shell.bus.lose_answers = 1
    await process.start()
    await until(lambda: process.shell.ready)
    assert [type(event) for event in world.exec_events()].count(LeaderChanged) == 1
    assert world.told(waiting)[0].startswith("NotSent")
    assert process.shell.failures == []


async def test_a_write_whose_request_was_lost_is_made_again(world: ProcessWorld) -> None:
    process = await world.process()
    process.shell.bus.lose_requests = 2
    order_id = await world.approve()
    await until(lambda: world.told(order_id)[-1:] == ["TRADE 1 FILLED"])
    assert world.told(order_id).count("Submitting") == 1
    assert len(world.venue.frames) == 1


async def test_what_the_venue_says_while_the_bus_is_away_is_written_when_it_is_back(world: ProcessWorld) -> None:
    process = await world.process()
    order_id = await world.approve(limit_price="100")
    process.shell.bus.disconnect()
    world.venue.fill(order_id, Decimal("0.4"))
    world.venue.fill(order_id, Decimal("0.6"))
    await world.settle()
    assert world.told(order_id) == ["Submitting", "NEW NEW"]
    process.shell.bus.reconnect()
    await until(lambda: len(world.told(order_id)) == 4)
    assert world.told(order_id)[2:] == ["TRADE 0.4 PARTIALLY_FILLED", "TRADE 0.6 FILLED"]


async def test_a_journal_that_is_full_is_a_persons_business_and_nothing_is_sent(world: ProcessWorld) -> None:
    process = await world.process()
    await world.approve(settle=False)
    log = world.server.log_of("OMS")
    log.stream = replace(log.stream, max_bytes=log.bytes_held)
    await until(lambda: "JOURNAL_REFUSES" in process.shell.codes())
    assert world.venue.frames == []


def approval_report() -> ExecReport:
    values = {"account": ACCOUNT, "exec_no": 1, "epoch": 0, "strategy": STRATEGY, "client_order_id": "a", "ts_ns": 0}
    values |= {"venue": "sim", "venue_account": VENUE_ACCOUNT, "instrument_id": BTC, "side": "BUY"}
    return ExecReport.model_validate(values | {"exec_type": "NEW", "order_status": "NEW", "ts_event_ns": 0})


async def test_new_orders_go_before_reports_but_not_for_ever(world: ProcessWorld) -> None:
    process = await world.process()
    writer = ExecWriter(process.shell, process.core, Metrics(CollectorRegistry()))
    report = approval_report()
    for _ in range(URGENT_IN_A_ROW_MAX + 5):
        writer.submit(lambda: None, "")
    writer.tell(report)
    lanes = [writer._next() for _ in range(URGENT_IN_A_ROW_MAX + 1)]
    made = [lane[0]() for lane in lanes if lane is not None]
    assert made[:-1] == [None] * URGENT_IN_A_ROW_MAX
    assert made[-1] is report


async def test_every_module_of_the_process_is_wired(world: ProcessWorld) -> None:
    process = await world.process()
    assert isinstance(process.runtime, Runtime)
    assert desk_of(process).account == ACCOUNT
    order_id = await world.approve(limit_price="90", strategy=STRATEGY)
    facts = OrderFacts(world.venue.orders[order_id])
    assert desk_of(process).told(facts, VENUE_ACCOUNT) == 0
    assert facts.order.status is OrderStatus.NEW
