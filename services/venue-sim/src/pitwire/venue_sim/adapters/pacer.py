"""The timer of the market: plays instants when their time has come, never beyond what the control port allows."""

import asyncio
from collections.abc import Callable

from pitwire.venue_sim.ports import PacedMarket

LATE_S_MAX = 0.05
"""How late an instant may be and still be caught up; beyond that the market's clock slows, it never jumps."""
BATCH_MAX = 4
"""Instants played in one go before others get their turn."""


class Pacer:
    """Market time as a function of wall time; it stands still while held and when the market has ended."""

    def __init__(self, market: PacedMarket, *, speed: float, paused: bool, monotonic_s: Callable[[], float]) -> None:
        self._market = market
        self._speed = speed
        self._monotonic_s = monotonic_s
        self._anchor_ms = float(market.last_ms())
        self._anchor_s = monotonic_s()
        self._hold_ms: int | None = market.last_ms() if paused else None
        self._changed = asyncio.Event()
        self._started: tuple[float, int] | None = None
        self._shown_ms = market.last_ms()

    @property
    def speed(self) -> float:
        return self._speed

    @property
    def ended(self) -> bool:
        return self._market.next_ms() is None

    @property
    def hold_ms(self) -> int | None:
        return self._hold_ms

    def market_ms(self) -> int:
        """Market time now: between the last instant and the next, within the hold, never going back."""
        last, following = self._market.last_ms(), self._market.next_ms()
        if following is None:
            self._shown_ms = max(self._shown_ms, last)
            return self._shown_ms
        now = int(self._running_ms())
        if self._hold_ms is not None:
            now = min(now, self._hold_ms)
        self._shown_ms = max(self._shown_ms, last, min(now, following - 1))
        return self._shown_ms

    def _running_ms(self) -> float:
        """Market time if nothing held it."""
        return self._anchor_ms + (self._monotonic_s() - self._anchor_s) * self._speed * 1000

    def speed_reached(self) -> float:
        """Market seconds per wall second since the first instant was played."""
        if self._started is None:
            return 0.0
        started_s, started_ms = self._started
        elapsed_s = self._monotonic_s() - started_s
        return (self._market.last_ms() - started_ms) / 1000 / elapsed_s if elapsed_s > 0 else 0.0

    def hold(self, until_ms: int | None) -> None:
        """Let the market run up to a time (inclusive), or freely with None."""
        if self._hold_ms is not None and self._running_ms() > self._hold_ms:
            # It was held, so the clock stood still: begin to count again from where it stands.
            self._anchor_ms, self._anchor_s = float(self.market_ms()), self._monotonic_s()
        self._hold_ms = until_ms
        self._changed.set()

    async def run(self) -> None:
        """Play the market to its end."""
        self._anchor_s = self._monotonic_s()
        played = 0
        while (next_ms := self._market.next_ms()) is not None:
            self._changed.clear()
            if self._hold_ms is not None and next_ms > self._hold_ms:
                await self._changed.wait()
                continue
            due_s = self._anchor_s + (next_ms - self._anchor_ms) / (self._speed * 1000)
            wait_s = due_s - self._monotonic_s()
            if wait_s > 0:
                played = 0
                await self._wait(wait_s)
                continue
            if wait_s < -LATE_S_MAX:
                self._anchor_ms, self._anchor_s = float(next_ms), self._monotonic_s()
            self._market.advance()
            if self._started is None:
                self._started = (self._monotonic_s(), self._market.last_ms())
            played += 1
            if played % BATCH_MAX == 0:
                await asyncio.sleep(0)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
