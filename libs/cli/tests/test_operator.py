"""Halts and commands over the bus, with the other side played by the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from pitwire.cli.operator import NoAnswer, Operator
from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.bus.port import Record
from pitwire.common.clock import SystemClock
from pitwire.common.enums import CancelPolicy, CommandStatus, CommandVerb, HaltScope, TradingState
from pitwire.common.errors import BusUnavailable
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Command, CommandResult, HaltSeen, Heartbeat
from pitwire.common.schemas.ledger import Halt, Resume

SHORT_S = 0.05


class World:
    """A bus in memory, an operator on it, and whoever answers."""

    def __init__(self) -> None:
        self.server = MemoryServer(SystemClock())
        self.bus = MemoryBus(self.server)
        self.operator = Operator(MemoryBus(self.server), SystemClock(), answer_timeout_s=SHORT_S)
        self.tasks: list[asyncio.Task[None]] = []

    async def store(self, subject: str, message: Message) -> int:
        return await self.bus.append(subject, codec.encode(message), codec.headers_for(message))

    def answer(self, pattern: str, reply: Callable[[Record], tuple[str, Message]]) -> None:
        def on_record(record: Record) -> None:
            subject, message = reply(record)
            self.tasks.append(asyncio.ensure_future(self._store(subject, message)))

        self.server.listen(pattern, on_record)

    async def _store(self, subject: str, message: Message) -> None:
        await self.store(subject, message)

    async def halt(self) -> object:
        return await self.operator.halt(
            HaltScope.ALL, "", state=TradingState.HALTED, cancel=CancelPolicy.NONE, reason="test"
        )


def seen(record: Record) -> tuple[str, Message]:
    halt = codec.decode(Halt, record.data, subject=record.subject)
    ack = HaltSeen(halt_id=halt.halt_id, service="execution", slot="0", oms_sequence=1, cancels_requested=2, ts_ns=1)
    return subjects.halt_seen("execution", halt.halt_id), ack


def done(record: Record) -> tuple[str, Message]:
    command = codec.decode(Command, record.data, subject=record.subject)
    result = CommandResult(
        command_id=command.command_id,
        operator=command.operator,
        service=command.service,
        status=CommandStatus.DONE,
        data=command.args,
        ts_ns=1,
    )
    return subjects.command_result(command.operator, command.command_id), result


async def test_halt_returns_with_the_acknowledgement_of_execution() -> None:
    world = World()
    world.answer(subjects.HALTS, seen)
    answer = await world.operator.halt(
        HaltScope.VENUE, "sim", state=TradingState.REDUCING, cancel=CancelPolicy.ALL, reason="test"
    )
    assert answer.seen.cancels_requested == 2
    assert answer.elapsed_ms > 0
    stored = await world.bus.last("OMS", subjects.halt("operator"))
    assert stored is not None
    halt = codec.decode(Halt, stored.data, subject=stored.subject)
    assert (halt.scope, halt.target, halt.state) == (HaltScope.VENUE, "sim", TradingState.REDUCING)
    assert halt == answer.halt


async def test_halt_without_execution_holds_and_says_that_nobody_answered() -> None:
    world = World()
    with pytest.raises(NoAnswer, match="is on the journal"):
        await world.halt()
    assert [halt.reason for halt in await world.operator.active_halts()] == ["test"]


async def test_the_acknowledgement_of_an_earlier_halt_is_not_taken_for_this_one() -> None:
    world = World()
    early = HaltSeen(halt_id="other", service="execution", slot="0", oms_sequence=1, cancels_requested=0, ts_ns=1)
    await world.store(subjects.halt_seen("execution", "other"), early)
    with pytest.raises(NoAnswer):
        await world.halt()


async def test_command_is_stored_with_reason_and_expiry_and_returns_its_own_answer() -> None:
    world = World()
    world.answer(subjects.commands_for("risk-gate"), done)
    result = await world.operator.command(CommandVerb.FLATTEN, {"strategy": "s"}, account="main", reason="why")
    assert (result.status, result.data) == (CommandStatus.DONE, {"strategy": "s"})
    stored = await world.bus.last("CTL", subjects.command("operator", "risk-gate", "flatten"))
    assert stored is not None
    command = codec.decode(Command, stored.data, subject=stored.subject)
    assert (command.command_id, command.reason) == (result.command_id, "why")
    assert command.expires_ns > command.ts_ns


async def test_command_that_nobody_answers_is_not_repeated() -> None:
    world = World()
    with pytest.raises(NoAnswer, match="it expires after"):
        await world.operator.command(CommandVerb.CANCEL, {}, account="main", reason="why")
    assert (await world.bus.state("CTL")).last_sequence == 1


async def test_no_bus_is_said_at_once() -> None:
    world = World()
    await world.operator.bus.close()
    with pytest.raises(BusUnavailable):
        await world.halt()


async def test_active_halts_are_those_that_no_resume_names_and_an_unreadable_one_halts_everything() -> None:
    world = World()
    for name in ("a", "b"):
        halt = Halt(halt_id=name, scope=HaltScope.ACCOUNT, target="main", reason="r", source="operator")
        await world.store(subjects.halt("operator"), halt)
    cleared = Resume(
        resume_id="r", cleared=("a",), command_id="c", operator="operator", approver="", reason="r", ts_ns=1
    )
    await world.store(subjects.RESUME, cleared)
    await world.bus.append(subjects.halt("operator"), b"{broken", {codec.SCHEMA_HEADER: "Halt/1"})
    found = await world.operator.active_halts()
    assert [(halt.halt_id, halt.scope) for halt in found] == [
        ("b", HaltScope.ACCOUNT),
        ("undecodable-4", HaltScope.ALL),
    ]


async def test_heartbeats_are_the_last_of_each_process() -> None:
    world = World()
    for service, ts in (("strategy", 1), ("execution", 2), ("strategy", 3)):
        beat = Heartbeat(service=service, slot="0", instance="i", ts_ns=ts)
        await world.store(subjects.heartbeat(service, "0"), beat)
    found = await world.operator.heartbeats()
    assert [(beat.service, beat.ts_ns) for beat in found] == [("execution", 2), ("strategy", 3)]
