"""Orders through real processes, a real bus and a venue that misbehaves: each there once, each fill told once."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from services.execution.tests.builders import halt, resume
from tests.integration.bus_world import free_ports
from tests.integration.execution_world import ExecutionWorld, execution_world
from tests.integration.takeover import TAKEOVER_WAIT_S, check_lease, takeover, until_cursor

from pitwire.common import codec, subjects
from pitwire.common.enums import NotSentReason, OrderStatus, OrderType, TimeInForce
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SEED = 20_261
KILLS = 4


@pytest.fixture
async def world(infra: str, tmp_path: Path) -> AsyncIterator[ExecutionWorld]:
    async with execution_world(tmp_path) as made:
        yield made


FAULTS: tuple[dict[str, object], ...] = (
    {},
    {"kind": "lose_answer"},
    {"kind": "unknown_answer"},
    {"kind": "delay_answer", "ms": 200},
    {"kind": "duplicate_events"},
    {"kind": "drop", "mode": "hard", "who": "ws_api"},
    {"kind": "drop", "mode": "graceful", "who": "ws_api"},
    {"kind": "drop", "mode": "half_open", "who": "ws_api"},
)


async def test_every_order_is_at_the_venue_once_and_every_fill_told_once_whatever_the_venue_does(
    world: ExecutionWorld,
) -> None:
    """F-14, F-15, F-19, I-1, I-2, I-8."""
    world.start_execution()
    await world.until_trading()
    orders: list[str] = []
    for fault in FAULTS:
        if fault:
            await world.fault(**fault)
        at_market = await world.approve()
        at_limit = await world.approve(
            limit_price=f"{world.price * 2:.2f}", time_in_force=TimeInForce.IOC, order_type=OrderType.LIMIT
        )
        resting = await world.approve(limit_price=f"{world.price / 2:.2f}")
        await asyncio.sleep(0.1)
        await world.cancel(resting)
        orders += [at_market, at_limit, resting]
        await asyncio.sleep(0.4)
    await world.until_over(*orders)
    counts = world.check_against_the_venue()
    assert counts["fills"] >= len(FAULTS)
    for order_id in orders:
        last = world.of(order_id)[-1]
        assert isinstance(last, ExecReport | NotSent)


async def test_after_kills_at_any_moment_nothing_is_doubled_and_nothing_lost(world: ExecutionWorld) -> None:
    """F-1: execution is killed with orders in every state."""
    chance = random.Random(SEED)
    orders: list[str] = []
    for _ in range(KILLS):
        child = world.start_execution()
        await world.until_trading()
        for _ in range(chance.randint(3, 12)):
            far = chance.random() < 0.3
            orders.append(await world.approve(**({"limit_price": f"{world.price / 2:.2f}"} if far else {})))
            if far and chance.random() < 0.5:
                await world.cancel(orders[-1])
        await asyncio.sleep(chance.random() * 0.03)
        child.kill()
    world.start_execution()
    await world.until_trading()
    for order_id in orders:
        if not world.is_over(order_id):
            await world.cancel(order_id)
    await world.until_over(*orders)
    counts = world.check_against_the_venue()
    assert counts["submitted"] > KILLS
    assert not [order_id for order_id in orders if not world.of(order_id)]


async def test_a_venue_that_dies_with_orders_in_flight_is_asked_when_it_is_back(world: ExecutionWorld) -> None:
    world.start_execution()
    await world.until_trading()
    orders = [await world.approve() for _ in range(5)]
    world.venue.kill()
    await asyncio.sleep(0.5)
    refused = await world.approve()
    await world.until_over(refused)
    world.start_venue(int(world.place["http"].rsplit(":", 1)[1]))
    await world.until_over(*orders)
    await world.until_trading()
    world.check_against_the_venue()
    event = world.of(refused)[-1]
    assert isinstance(event, NotSent)
    assert event.reason is NotSentReason.VENUE_UNAVAILABLE


async def test_a_bus_that_dies_and_returns_loses_no_fill(world: ExecutionWorld) -> None:
    world.start_execution()
    await world.until_trading()
    resting = await world.approve(limit_price=f"{world.price / 2:.2f}")
    orders = [await world.approve() for _ in range(5)]
    world.nats.server.kill()
    await asyncio.sleep(0.5)
    world.nats.server.restart()
    await world.until_over(*orders)
    await world.cancel(resting)
    await world.until_over(resting)
    await world.until_trading()
    world.check_against_the_venue()


async def test_a_halt_beside_the_process_is_obeyed_within_a_second_and_outlives_it(world: ExecutionWorld) -> None:
    """I-22: and the bus is told."""
    child = world.start_execution()
    await world.until_trading()
    resting = await world.approve(limit_price=f"{world.price / 2:.2f}")
    command = [sys.executable, "-m", "pitwire.execution", "halt", "--reason", "drill"]
    data_dir = ["--data-dir", str(world.folder / "data")]
    done = await asyncio.to_thread(subprocess.run, [*command, *data_dir], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["ms"] < 1_000
    await world.until_over(resting)
    refused = await world.approve()
    await world.until_over(refused)
    child.kill()
    world.start_execution()
    again = await world.approve()
    await world.until_over(again)
    reasons = [event.reason for event in (world.of(refused)[-1], world.of(again)[-1]) if isinstance(event, NotSent)]
    assert reasons == [NotSentReason.HALTED, NotSentReason.HALTED]
    await world.write(subjects.RESUME, resume(answer["halt_id"]))
    await world.until_trading()
    assert not list((world.folder / "data" / "halts").glob("*.json"))


async def test_a_halt_on_the_bus_cancels_and_is_acknowledged(world: ExecutionWorld) -> None:
    world.start_execution()
    await world.until_trading()
    resting = await world.approve(limit_price=f"{world.price / 2:.2f}")
    await asyncio.sleep(0.3)
    operator = await world.nats.connect("operator")
    message = halt("h1")
    await operator.append(subjects.halt("operator"), codec.encode(message), codec.headers_for(message))
    await world.until_over(resting)
    seen = await operator.last("CTL", subjects.halt_seen("execution", "h1"))
    assert seen is not None
    assert world.of(resting)[-1].order_status is OrderStatus.CANCELED  # type: ignore[attr-defined] # an ExecReport


async def test_an_orderly_end_leaves_nothing_working(world: ExecutionWorld) -> None:
    child = world.start_execution()
    await world.until_trading()
    resting = [await world.approve(limit_price=f"{world.price / 2:.2f}") for _ in range(5)]
    await asyncio.sleep(0.5)
    assert child.kill(signal.SIGTERM) == 0
    await world.until_over(*resting)
    world.check_against_the_venue()


async def test_a_standby_takes_over_within_two_seconds_and_the_paused_leader_sends_nothing_more(
    world: ExecutionWorld,
) -> None:
    """I-30, F-2: orders of the standby reach the venue; what the paused one had in hand loses its next write."""
    leader = world.start_execution()
    await world.until_trading()
    (port,) = free_ports(1)
    standby = world.start_execution(PITWIRE_HEALTH_PORT=str(port))
    await until_cursor(port, lambda: len(world.events))
    assert len(world.leaders()) == 1
    orders = [await world.approve(limit_price=f"{world.price / 2:.2f}") for _ in range(3)]
    async with takeover("execution", standby) as taken:
        leader.process.send_signal(signal.SIGSTOP)
        await world.until(lambda: len(world.leaders()) == 2, TAKEOVER_WAIT_S)
    await check_lease(world.nats, "execution")
    await world.until_trading()
    leader.process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(15):
        while leader.process.poll() is None:
            orders.append(await world.approve())
            await asyncio.sleep(0.1)
    assert leader.process.returncode == 1
    for order_id in orders[:3]:
        await world.cancel(order_id)
    await world.until_over(*orders)
    world.check_against_the_venue()
    assert len(world.leaders()) == 2
    epochs = [event.epoch for event in world.events if isinstance(event, Submitting)]
    assert epochs == sorted(epochs)
    taken.check()


async def test_two_processes_without_leases_never_double_an_order(world: ExecutionWorld) -> None:
    """I-30: the compare-and-set alone keeps it right."""
    first = world.start_execution(PITWIRE_LEASES="false")
    await world.until_trading()
    orders = [await world.approve() for _ in range(3)]
    world.start_execution(PITWIRE_LEASES="false")
    while first.process.poll() is None:
        orders.append(await world.approve())
        await asyncio.sleep(0.1)
    assert first.kill() == 1
    await world.until_trading()
    await world.until_over(*orders)
    world.check_against_the_venue()
    epochs = {event.epoch for event in world.events if isinstance(event, Submitting)}
    assert epochs == {1, 2}
