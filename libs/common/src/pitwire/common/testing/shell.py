"""The shell without a process: memory bus, manual clock, and everything told is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.bus.port import Record
from pitwire.common.clock import ManualClock
from pitwire.common.enums import AlertSeverity
from pitwire.common.telemetry import Tracing

SETTLE_TURNS: Final = 500


class FakeShell:
    """Implements `Shell`. `failures` holds what a supervised task raised: a real process would have ended."""

    def __init__(self, server: MemoryServer | None = None, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        self.server = server or MemoryServer(self.clock)
        self.bus = MemoryBus(self.server)
        self.tracing = Tracing()
        self.reached: list[int] = []
        self.quarantined: list[tuple[Record, str]] = []
        self.alerts: list[tuple[AlertSeverity, str, str]] = []
        self.failures: list[BaseException] = []
        self._tasks: list[asyncio.Task[None]] = []

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_done)
        self._tasks.append(task)
        return task

    def _on_done(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    def progress(
        self, *, ts_market_ns: int | None = None, cursor: int | None = None, lag: int | None = None, now: bool = False
    ) -> None:
        if ts_market_ns is not None and now:
            self.reached.append(ts_market_ns)

    async def quarantine(self, record: Record, reason: str, *, stream: str = "") -> None:
        self.quarantined.append((record, reason))

    async def alert(
        self, severity: AlertSeverity, code: str, text: str, *, account: str = "", strategy: str = "", **data: str
    ) -> None:
        self.alerts.append((severity, code, text))

    async def settle(self) -> None:
        """Lets every task run until nothing more happens by itself."""
        for _ in range(SETTLE_TURNS):
            await asyncio.sleep(0)

    async def kill(self) -> None:
        """Ends every task as kill -9 would: the bus is gone first, so that no clean-up speaks to it."""
        self.bus.disconnect()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
