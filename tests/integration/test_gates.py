"""Gates as processes: paused leaders lose, standbys take over, two at once stay right, floods harm nobody else."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from services.execution.tests.builders import halt
from tests.integration.bus_world import ACCOUNT, STRATEGIES
from tests.integration.gate_world import GateWorld, gate_world
from tests.integration.takeover import BUSY_FACTOR, TAKEOVER_WAIT_S, check_lease, takeover, waiting

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.nats import NatsBus
from pitwire.common.enums import HaltScope
from pitwire.common.errors import AppendRefused
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.ledger import LeaderChanged, RiskDecision, StrategyRegistered

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

MOMENTUM, REVERSION = STRATEGIES
PRESSED_MAX_S = 2.0
"""Longer than an intent lives: what takes as long under a flood was harmed."""

FLOOD = 12_500
CALM_S = 0.05


@pytest.fixture
async def world(infra: str, tmp_path: Path) -> AsyncIterator[GateWorld]:
    async with gate_world(tmp_path, *STRATEGIES) as made:
        yield made


async def ask(world: GateWorld, bus: NatsBus, strategy: str, number: int) -> float:
    """Appends an intent; when it was sent."""
    asked = world.intent(strategy, number)
    sent = asyncio.get_running_loop().time()
    await bus.append(subjects.intent(ACCOUNT, strategy), codec.encode(asked), codec.headers_for(asked))
    return sent


def check_fold(world: GateWorld) -> None:
    """The ledger is one unbroken chain that decided each intent once (`GateWorld` refuses a second verdict)."""
    numbers = [getattr(event, "ledger_no", 0) for event in world.ledger]
    assert numbers == list(range(1, len(numbers) + 1))
    epochs = [getattr(event, "epoch", 0) for event in world.ledger]
    assert epochs == sorted(epochs)


async def test_a_standby_takes_over_within_two_seconds_and_the_paused_leader_loses_its_next_write_and_ends(
    world: GateWorld,
) -> None:
    strategy = await world.nats.connect("strategy")
    leader = world.start_gate()
    number = await world.until_deciding(strategy, MOMENTUM)
    standby = world.start_gate()
    await world.until_folded(1)
    assert len(world.leaders()) == 1
    async with takeover("gate", standby) as taken:
        leader.process.send_signal(signal.SIGSTOP)
        await world.until(lambda: len(world.leaders()) == 2, TAKEOVER_WAIT_S)
    await check_lease(world.nats, "risk-gate")
    for offset in range(10):
        await ask(world, strategy, MOMENTUM, number + offset)
    leader.process.send_signal(signal.SIGCONT)
    for offset in range(10, 20):
        await ask(world, strategy, MOMENTUM, number + offset)
    await world.until(lambda: (MOMENTUM, number + 19) in world.verdicts)
    async with asyncio.timeout(15):
        while leader.process.poll() is None:
            await asyncio.sleep(0.05)
    assert leader.process.returncode != 0
    assert all((MOMENTUM, number + offset) in world.verdicts for offset in range(20))
    check_fold(world)
    taken.check()


async def test_a_new_ledger_decides_nothing_before_persistence_has_said_that_its_rows_follow(world: GateWorld) -> None:
    """An empty journal is a first start or a total loss; whoever stored the rows of a former one knows which."""
    world.rows_follow = False
    strategy = await world.nats.connect("strategy")
    world.start_gate()
    await world.until(lambda: any(isinstance(event, StrategyRegistered) for event in world.ledger))
    await ask(world, strategy, MOMENTUM, 1)
    await asyncio.sleep(1)
    assert not world.verdicts
    world.rows_follow = True
    await world.until(lambda: (MOMENTUM, 1) in world.verdicts)


async def test_two_gates_without_leases_decide_each_intent_once_and_both_win(world: GateWorld) -> None:
    """Compare-and-set alone: leases only decide who waits."""
    strategy = await world.nats.connect("strategy")
    for slot in ("0", "1"):
        world.start_gate(PITWIRE_LEASES="false", PITWIRE_SLOT=slot)
    number = await world.until_deciding(strategy, MOMENTUM)
    await world.until(lambda: len(world.leaders()) == 2)
    sent = range(number, number + 300)
    for each in sent:
        await ask(world, strategy, MOMENTUM, each)
        await asyncio.sleep(0.004)
    await world.until(lambda: (MOMENTUM, sent[-1]) in world.verdicts)
    assert all((MOMENTUM, each) in world.verdicts for each in sent)
    check_fold(world)
    won = await world.wins()
    assert min(won.values()) >= 0.2 * sum(won.values()), won
    print(f"\nledger records won: {won}")  # noqa: T201 - a figure for who runs it with -s


async def test_a_flood_by_one_strategy_leaves_halts_fills_and_other_strategies_alone(world: GateWorld) -> None:
    flooding, calm = await world.nats.connect("strategy"), await world.nats.connect("strategy")
    execution = await world.nats.connect("execution")
    world.start_gate()
    number = await world.until_deciding(calm, REVERSION)
    loop = asyncio.get_running_loop()

    async def flood() -> bool:
        """Whether the stream refused the last one."""
        subject = subjects.intent(ACCOUNT, MOMENTUM)
        for each in range(1, FLOOD + 1):
            asked = world.intent(MOMENTUM, each, quantity="900")
            await flooding.publish(subject, codec.encode(asked), codec.headers_for(asked))
            await asyncio.sleep(0)
        try:
            await flooding.append(subject, codec.encode(world.intent(MOMENTUM, FLOOD + 1)))
        except AppendRefused:
            return True
        return False

    async with waiting() as waited:
        flood_task = asyncio.create_task(flood())
        halts, fills, asked = [], [], {}
        for turn in range(20):
            message = halt(f"h{turn}", HaltScope.STRATEGY, "nobody")
            began = loop.time()
            await world.operator.append(subjects.halt("operator"), codec.encode(message), codec.headers_for(message))
            await world.until(lambda turn=turn: f"h{turn}" in world.halts, 10)  # type: ignore[misc] # bound at once
            halts.append(loop.time() - began)
            began = loop.time()
            led = LeaderChanged(
                service="execution",
                leader=f"0.{turn}",
                account=ACCOUNT,
                exec_no=turn + 1,
                epoch=turn + 1,
                ts_ns=world.clock.wall_ns(),
            )
            await execution.append(subjects.exec_events(ACCOUNT), codec.encode(led), codec.headers_for(led))
            fills.append(loop.time() - began)
            asked[number + turn] = await ask(world, calm, REVERSION, number + turn)
            await asyncio.sleep(CALM_S)
        refused = await flood_task
    await world.until(lambda: (REVERSION, number + 19) in world.verdicts)
    took = sorted(world.verdicts[REVERSION, each][1] - sent for each, sent in asked.items())
    assert refused, "the stream takes no more than its cap from one strategy"
    pressed_max_s = PRESSED_MAX_S + BUSY_FACTOR * waited.worst_s
    assert max(halts) < pressed_max_s
    assert max(fills) < pressed_max_s
    assert took[-1] < pressed_max_s
    check_fold(world)
    figures = {"halt read": max(halts), "execution append": max(fills), "verdict for another": took[-1]}
    print("\nworst under a flood: " + ", ".join(f"{name} {1000 * value:.0f} ms" for name, value in figures.items()))  # noqa: T201 - a figure for who runs it with -s


async def test_a_restarted_gate_stands_where_the_fold_of_the_journal_stands(world: GateWorld) -> None:
    """I-29 on real processes: from its snapshot, its restart and from the beginning, the same hash."""
    strategy = await world.nats.connect("strategy")
    gate = world.start_gate()
    number = await world.until_deciding(strategy, MOMENTUM)
    for each in range(number, number + 50):
        await ask(world, strategy, MOMENTUM, each)
    await world.until(lambda: (MOMENTUM, number + 49) in world.verdicts)
    gate.kill(signal.SIGTERM)
    hashes = await snapshot_hashes(world)
    assert hashes
    folded = await fold_hashes(world, set(hashes))
    assert hashes == folded
    assert any(isinstance(event, RiskDecision | LeaderChanged) for event in world.ledger)


async def snapshot_hashes(world: GateWorld) -> dict[int, str]:
    """Cursor to state hash, as the gate told them."""
    gate = await world.nats.connect("risk-gate")
    newest = await gate.last(topology.SNAPSHOTS.name, subjects.snapshot("risk-gate", ACCOUNT))
    assert newest is not None
    message = codec.decode_known(newest.subject, newest.schema, newest.data)
    return {message.oms_sequence: message.state_hash}  # type: ignore[attr-defined] # the subject carries snapshots alone


async def fold_hashes(world: GateWorld, wanted: set[int]) -> dict[int, str]:
    """The same from the beginning of the journal."""
    gate = await world.nats.connect("risk-gate")
    state = AccountState(ACCOUNT, "USDT")
    found: dict[int, str] = {}
    async for batch in gate.read(topology.OMS.name, subjects.oms_of(ACCOUNT), after=0):
        for record in batch:
            message = codec.decode_known(record.subject, record.schema, record.data)
            if record.subject == subjects.ledger(ACCOUNT):
                state.apply_ledger(record.sequence, message, record.data)  # type: ignore[arg-type] # by its subject
                if record.sequence in wanted:
                    found[record.sequence] = state.state_hash()
            else:
                state.observe(record.sequence, message)  # type: ignore[arg-type] # by its subject
        if not batch:
            return found
    raise AssertionError("the reader ended")
