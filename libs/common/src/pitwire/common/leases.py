"""One leader per process slot, so that standbys wait instead of competing. Only for liveness.

The lease is a record renewed by compare-and-set. A standby that sees no new record for the lease's whole time, on its
own monotonic clock, takes it over. A paused holder that wakes up may still believe that it leads: that costs it lost
races on the ledger, and nothing else.
"""

from __future__ import annotations

import asyncio
from typing import Final

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus
from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.errors import AppendRefused, BusUnavailable, LostRace, OutcomeUnknown
from pitwire.common.schemas.control import Lease

LEASE_TIME_NS: Final = 1 * NS_PER_S
RENEW_S: Final = 0.3
LOOK_S: Final = 0.1
RELEASED: Final = "released"


class LeadershipLost(LostRace):
    """Another process took the lease: this one ends and starts again as a standby."""

    code = "LEADERSHIP_LOST"


class LeaseHolder:
    """The lease of one slot as one process sees it."""

    def __init__(self, bus: Bus, clock: Clock, *, service: str, slot: str, holder: str) -> None:
        self._bus = bus
        self._clock = clock
        self._service, self._slot, self._holder = service, slot, holder
        self._subject = subjects.lease(service, slot)
        self._sequence = 0

    async def acquire(self) -> None:
        """Returns when this process leads: at once on a free slot, else when its holder has been silent."""
        seen, since_ns = -1, self._clock.monotonic_ns()
        while True:
            try:
                newest = await self._bus.last(topology.LEASES.name, self._subject)
                sequence = newest.sequence if newest else 0
                now = self._clock.monotonic_ns()
                if sequence != seen:
                    seen, since_ns = sequence, now
                free = newest is None or self._is_released(newest.data)
                if free or now - since_ns >= LEASE_TIME_NS:
                    self._sequence = await self._write(self._holder, sequence)
                    return
            except (LostRace, OutcomeUnknown, BusUnavailable, AppendRefused):
                seen = -1
            await asyncio.sleep(LOOK_S)

    async def keep(self) -> None:
        """Renews for ever; raises `LeadershipLost` once another process has it. A silent bus is not a loss."""
        while True:
            await asyncio.sleep(RENEW_S)
            try:
                self._sequence = await self._write(self._holder, self._sequence)
            except (LostRace, OutcomeUnknown, BusUnavailable, AppendRefused):
                await self._look()

    async def _look(self) -> None:
        try:
            newest = await self._bus.last(topology.LEASES.name, self._subject)
        except BusUnavailable:
            return
        if newest is None:
            self._sequence = 0
            return
        found = codec.decode(Lease, newest.data, subject=self._subject)
        if found.holder != self._holder:
            raise LeadershipLost(f"{self._subject} is held by {found.holder}")
        self._sequence = newest.sequence

    async def release(self) -> None:
        """Lets a standby take over at once; on a bus that is gone the lease just runs out."""
        try:
            await self._write(RELEASED, self._sequence)
        except (LostRace, OutcomeUnknown, BusUnavailable, AppendRefused):
            return

    def _is_released(self, data: bytes) -> bool:
        return codec.decode(Lease, data, subject=self._subject).holder == RELEASED

    async def _write(self, holder: str, expected_last: int) -> int:
        lease = Lease(service=self._service, slot=self._slot, holder=holder, ts_ns=self._clock.wall_ns())
        return await self._bus.append(
            self._subject, codec.encode(lease), codec.headers_for(lease), expected_last=expected_last
        )
