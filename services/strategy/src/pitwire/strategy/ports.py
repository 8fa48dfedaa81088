"""What of the service shell is used here."""

from __future__ import annotations

from typing import Protocol

from pitwire.common.bus.port import Bus, Record
from pitwire.common.clock import Clock
from pitwire.common.enums import AlertSeverity


class Shell(Protocol):
    """Bus, clock, and a voice."""

    @property
    def bus(self) -> Bus: ...

    @property
    def clock(self) -> Clock: ...

    def progress(
        self, *, ts_market_ns: int | None = None, cursor: int | None = None, lag: int | None = None, now: bool = False
    ) -> None: ...

    async def quarantine(self, record: Record, reason: str, *, stream: str = "") -> None: ...

    async def alert(
        self, severity: AlertSeverity, code: str, text: str, *, account: str = "", strategy: str = ""
    ) -> None: ...
