"""Waiting for room in the limits of a venue, a little."""

from __future__ import annotations

import asyncio
from typing import Final

from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.errors import RateLimited
from pitwire.execution.core.rate_limits import Lane, RateLimits, Ticket

TURN_WAIT_MAX_S: Final = 5.0
"""Who would have to wait longer is told so, and asks again later."""


async def take_turn(limits: RateLimits, clock: Clock, lane: Lane, weight: int, place: str) -> Ticket:
    """Waits for room; `RateLimited` where there is none for longer. The request leaves right after."""
    while wait_ns := limits.wait_ns(lane, weight, clock.monotonic_ns()):
        if wait_ns > TURN_WAIT_MAX_S * NS_PER_S:
            raise RateLimited(place=place, wait_s=wait_ns / NS_PER_S)
        await asyncio.sleep(wait_ns / NS_PER_S)
    return limits.take(weight, clock.monotonic_ns())
