"""The venue's clock in our hands: heartbeats come in from the bus, the market is let go bar by bar."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

from pitwire.cli.run.pacing import Pace
from pitwire.cli.run.venue_control import VenueControl, VenueControlFailed
from pitwire.common import codec
from pitwire.common.bus.port import Record
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.control import Heartbeat

RETRY_WAIT_S: Final = 0.05
STANDSTILL_S: Final = 5.0
"""The market stands at its limit, every service is ready, and nobody reported for so long: one more bar is let go."""


class Pacer:
    """Holds the market at what `pace` allows. `on_record` takes heartbeats; `run` tells the venue the newest limit.

    `all_ready` says whether a standstill can only be a lost report, and not a service that is still on its way.
    """

    def __init__(
        self, control: VenueControl, pace: Pace, *, all_ready: Callable[[], bool], standstill_s: float = STANDSTILL_S
    ) -> None:
        self._control = control
        self._pace = pace
        self._all_ready = all_ready
        self._standstill_s = standstill_s
        self._moved = asyncio.Event()
        self._running = False

    def on_record(self, record: Record) -> None:
        with contextlib.suppress(DecodeError):
            beat = codec.decode(Heartbeat, record.data, subject=record.subject)
            if self._pace.observe(beat) is not None and self._running:
                self._moved.set()

    def begin(self) -> None:
        """Lets the market go."""
        self._pace.begin()
        self._running = True
        self._moved.set()

    def freeze(self) -> None:
        """The market stays where it is allowed to be now."""
        self._running = False

    def again(self) -> None:
        """The venue was started again and has forgotten its limit."""
        self._moved.set()

    async def run(self) -> None:
        """Works until cancelled; a venue that is down is told when it is back."""
        while True:
            try:
                async with asyncio.timeout(self._standstill_s):
                    await self._moved.wait()
            except TimeoutError:
                await self._end_standstill()
                continue
            self._moved.clear()
            try:
                await self._control.hold(self._pace.until_ms)
            except VenueControlFailed:
                await asyncio.sleep(RETRY_WAIT_S)
                self._moved.set()

    async def _end_standstill(self) -> None:
        if not self._running or not self._all_ready():
            return
        with contextlib.suppress(VenueControlFailed):
            status = await self._control.status()
            if status["market_ms"] >= self._pace.until_ms and not status["ended"]:
                self._pace.nudge()
                self._moved.set()
