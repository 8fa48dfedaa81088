"""A whole execution process on the bus in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from services.execution.tests.builders import (
    ACCOUNT,
    GATE,
    INSTRUMENT,
    START_NS,
    VENUE_ACCOUNT,
    Ledger,
    approval,
    cancel_of,
    intent,
    short,
)

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryServer
from pitwire.common.clock import ManualClock
from pitwire.common.config import ServiceSettings
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.ledger import (
    Halt,
)
from pitwire.common.testing import FakeShell
from pitwire.execution.adapters.fake import FakeVenue
from pitwire.execution.adapters.latch import LatchFiles
from pitwire.execution.core.fold import ExecutionCore
from pitwire.execution.handlers.runtime import Runtime

WAIT_MAX_S = 5.0


class ExecShell(FakeShell):
    """The fake shell with what execution needs besides."""

    def __init__(self, server: MemoryServer, clock: ManualClock, data_dir: Path) -> None:
        super().__init__(server, clock)
        self.log = structlog.stdlib.get_logger()
        self.registry = CollectorRegistry()
        self.settings = ServiceSettings(data_dir=data_dir)
        self.ready = False

    def fail(self, reason: str, error: BaseException | None = None) -> None:
        self.failures.append(error or RuntimeError(reason))

    def set_ready(self, ready: bool) -> None:
        self.ready = ready

    def codes(self) -> list[str]:
        return [code for _, code, _ in self.alerts]


class Process:
    """One execution process."""

    def __init__(self, world: ProcessWorld, leader: str, accounts: Sequence[str] = (ACCOUNT,)) -> None:
        self.shell = ExecShell(world.server, world.clock, world.data_dir)
        self.venue = world.venue
        self.latches = LatchFiles(world.data_dir)
        self.runtime = Runtime(
            self.shell,
            {account: {VENUE_ACCOUNT: ("sim", world.venue_of(account))} for account in accounts},
            InstrumentRegistry(),
            self.latches,
            leader=leader,
            fraction=lambda: 0.0,
        )

    @property
    def core(self) -> ExecutionCore:
        return self.runtime.desks[0].core

    async def start(self) -> Process:
        async def acquire() -> None:
            return

        self.shell.spawn("start", self.runtime.start(acquire))
        await self.shell.settle()
        return self


class ProcessWorld:
    """Bus, venue and clock outlive the processes on them. The gate is this test's hands."""

    def __init__(self, data_dir: Path) -> None:
        self.clock = ManualClock(START_NS)
        self.server = MemoryServer(self.clock)
        self.hands = FakeShell(self.server, self.clock)
        self.venue = FakeVenue([INSTRUMENT])
        self.ledger = Ledger()
        self.data_dir = data_dir
        self.processes: list[Process] = []
        self._intent_no = 0

    async def open(self) -> None:
        await self.write(subjects.ledger(ACCOUNT), self.ledger.leader())
        await self.write(subjects.ledger(ACCOUNT), self.ledger.incarnation())

    def venue_of(self, account: str) -> FakeVenue:
        """`venue` is that of `ACCOUNT`; at the venue of any other account nothing happens."""
        return self.venue if account == ACCOUNT else FakeVenue([INSTRUMENT])

    async def process(self, leader: str = "0.exec1", accounts: Sequence[str] = (ACCOUNT,)) -> Process:
        """A new process that has recovered and hears the gate."""
        made = await Process(self, leader, accounts).start()
        self.processes.append(made)
        await self.beat()
        return made

    async def write(self, subject: str, message: Message) -> int:
        return await self.hands.bus.append(subject, codec.encode(message), codec.headers_for(message))

    async def raw(self, subject: str, data: bytes, schema: str) -> int:
        return await self.hands.bus.append(subject, data, {codec.SCHEMA_HEADER: schema})

    async def beat(self, gate: str = GATE) -> None:
        slot, instance = gate.split(".")
        beat = Heartbeat(service="risk-gate", slot=slot, instance=instance, ts_ns=self.clock.wall_ns())
        await self.hands.bus.publish(subjects.heartbeat("risk-gate", slot), codec.encode(beat), codec.headers_for(beat))
        await self.hands.settle()

    async def approve(self, *, settle: bool = True, **changed: Any) -> str:
        self._intent_no += 1
        now_ns = self.clock.wall_ns()
        verdict = approval(intent(self._intent_no, now_ns=now_ns, **changed), now_ns=now_ns)
        await self.write(subjects.ledger(ACCOUNT), self.ledger.decision(verdict, now_ns=now_ns))
        if settle:
            await self.hands.settle()
        return verdict.client_order_id

    async def cancel(self, order_id: str) -> None:
        self._intent_no += 1
        await self.write(subjects.ledger(ACCOUNT), self.ledger.decision(cancel_of(order_id, self._intent_no)))
        await self.hands.settle()

    async def halt(self, message: Halt, source: str = "ops") -> None:
        await self.write(subjects.halt(source), message)
        await self.hands.settle()

    async def settle(self) -> None:
        await self.hands.settle()

    def exec_events(self) -> list[Message]:
        records = self.server.log_of("OMS").records
        subject = subjects.exec_events(ACCOUNT)
        readable = [r for r in records if r.subject == subject and r.data.startswith(b"{")]
        return [codec.decode_known(r.subject, r.schema, r.data) for r in readable]

    def told(self, order_id: str) -> list[str]:
        return [short(event) for event in self.exec_events() if getattr(event, "client_order_id", "") == order_id]

    def seen(self) -> list[str]:
        """Halts that execution has acknowledged."""
        records = self.server.log_of("CTL").records
        return [record.subject.rsplit(".", 1)[1] for record in records]

    async def close(self) -> None:
        for process in self.processes:
            await process.shell.kill()
            await process.runtime.close()


async def until(holds: Callable[[], bool]) -> None:
    """Waits, bounded, for what other tasks bring about."""
    async with asyncio.timeout(WAIT_MAX_S):
        while not holds():
            await asyncio.sleep(0.005)
