"""The end of a run: working orders are cancelled, bounded; and what a market may be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pitwire.cli.operator import Operator
from pitwire.cli.run.session import CANCEL_COMMANDS_MAX, STOP_SIGNALS, cancel_everything
from pitwire.cli.run.system import check_market
from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.bus.port import Record
from pitwire.common.clock import SystemClock
from pitwire.common.enums import CommandStatus, CommandVerb
from pitwire.common.errors import ConfigError
from pitwire.common.schemas.control import Command, CommandResult


class FakeGate:
    """Answers cancels: `working` orders, some at each command, as the gate does."""

    def __init__(self, working: int, at_once: int) -> None:
        self.server = MemoryServer(SystemClock())
        self.bus = MemoryBus(self.server)
        self.working = working
        self.commands: list[Command] = []
        self._at_once = at_once
        self._tasks: list[asyncio.Task[int]] = []
        self.server.listen(subjects.commands_for("risk-gate"), self._on_command)

    def _on_command(self, record: Record) -> None:
        command = codec.decode(Command, record.data, subject=record.subject)
        self.commands.append(command)
        taken = min(self.working, self._at_once)
        self.working -= taken
        result = CommandResult(
            command_id=command.command_id,
            operator=command.operator,
            service="risk-gate",
            status=CommandStatus.DONE,
            data={str(number): "CANCEL_APPROVED x" for number in range(taken)},
            ts_ns=1,
        )
        subject = subjects.command_result(command.operator, command.command_id)
        appending = self.bus.append(subject, codec.encode(result), codec.headers_for(result))
        self._tasks.append(asyncio.ensure_future(appending))

    def operator(self) -> Operator:
        return Operator(MemoryBus(self.server), SystemClock(), answer_timeout_s=5)


async def test_every_working_order_is_cancelled_before_the_gate_stops() -> None:
    gate = FakeGate(working=45, at_once=20)
    assert await cancel_everything(gate.operator(), "main") == 4
    assert gate.working == 0
    assert {(command.verb, command.account) for command in gate.commands} == {(CommandVerb.CANCEL, "main")}


async def test_a_gate_that_always_finds_more_does_not_keep_the_run_from_ending() -> None:
    gate = FakeGate(working=10**6, at_once=1)
    assert await cancel_everything(gate.operator(), "main") == CANCEL_COMMANDS_MAX


def test_a_closed_terminal_stops_a_run_as_an_interrupt_does() -> None:
    assert {signal.name for signal in STOP_SIGNALS} == {"SIGINT", "SIGTERM", "SIGHUP"}


def test_a_market_is_generated_or_a_path_that_is_there(tmp_path: Path) -> None:
    assert check_market("generated") == "generated"
    assert check_market(str(tmp_path)) == str(tmp_path.resolve())
    with pytest.raises(ConfigError, match="is not there"):
        check_market(str(tmp_path / "nothing"))
