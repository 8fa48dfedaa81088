"""How far the simulated market may run: never more than one bar past what the slowest service has handled.

Pure: heartbeats in, the newest permitted market time out. A replay at high speed slows down instead of leaving a
service behind, so what strategies see and when does not depend on how fast this machine is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from pitwire.common.clock import NS_PER_MS
from pitwire.common.schemas.control import Heartbeat

BARS_AHEAD_MAX: Final = 1
"""Bars that the market may be ahead of the slowest service."""


class Pace:
    """Folds heartbeats into the market time, in milliseconds, that the venue may reach.

    Each of `services` counts from its first heartbeat with a market time; before that, and while it is down, what it
    last reported stands, so the market waits for a service that restarts.
    """

    def __init__(self, services: Iterable[str], *, start_ms: int, bar_ms: int) -> None:
        self._handled_ms = dict.fromkeys(services, start_ms)
        self._bar_ms = bar_ms
        self._until_ms = start_ms

    @property
    def until_ms(self) -> int:
        """The market time that the venue may reach; never falls."""
        return self._until_ms

    @property
    def slowest(self) -> str:
        """The service that the market waits for; the first named one of several."""
        return min(self._handled_ms, key=self._handled_ms.__getitem__)

    def begin(self) -> int:
        """Lets the first bar go; from here on heartbeats move the market."""
        return self._advance()

    def nudge(self) -> int:
        """One bar more, though nobody reported: for a service whose last report was lost with the process it was in."""
        self._until_ms += self._bar_ms
        return self._until_ms

    def observe(self, beat: Heartbeat) -> int | None:
        """The new limit when this heartbeat moved it, else None."""
        known = self._handled_ms.get(beat.service)
        handled = beat.ts_market_ns // NS_PER_MS
        if known is None or handled <= known:
            return None
        self._handled_ms[beat.service] = handled
        before = self._until_ms
        return self._until_ms if self._advance() > before else None

    def _advance(self) -> int:
        slowest = min(self._handled_ms.values())
        self._until_ms = max(self._until_ms, slowest + BARS_AHEAD_MAX * self._bar_ms)
        return self._until_ms
