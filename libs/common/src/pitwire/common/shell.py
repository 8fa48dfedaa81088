"""What handlers may ask of the shell they run in; `service.Service` is the real one, `testing.FakeShell` the other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from pitwire.common.bus.port import Bus, Record
from pitwire.common.clock import Clock
from pitwire.common.enums import AlertSeverity
from pitwire.common.telemetry import Tracing


class Shell(Protocol):
    """Bus, clock and the ways to tell the outside; handlers decide nothing with it."""

    @property
    def bus(self) -> Bus: ...

    @property
    def clock(self) -> Clock: ...

    @property
    def tracing(self) -> Tracing: ...

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Supervised work: when it raises, the process stops and its restart recovers."""
        ...

    def progress(
        self, *, ts_market_ns: int | None = None, cursor: int | None = None, lag: int | None = None, now: bool = False
    ) -> None:
        """How far this process is; `now` tells it at once."""
        ...

    async def quarantine(self, record: Record, reason: str, *, stream: str = "") -> None:
        """Sets a record aside, whole, with its place and reason."""
        ...

    async def alert(
        self, severity: AlertSeverity, code: str, text: str, *, account: str = "", strategy: str = "", **data: str
    ) -> None:
        """Tells a person."""
        ...
