"""The journal as evidence: read once, from its beginning, exactly as far as it is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from pitwire.common import topology
from pitwire.common.bus.port import Bus, Record
from pitwire.common.errors import BusUnavailable

READ_SILENCE_MAX_S: Final = 30.0
"""The journal is there and yet no record comes: the bus is not well."""


class JournalReader:
    """The journal from its beginning, read exactly as far as asked."""

    def __init__(self, bus: Bus) -> None:
        self._batches = bus.read(topology.OMS.name, topology.OMS.subjects, after=0)
        self._kept: list[Record] = []
        self._at = 0

    async def upto(self, sequence: int) -> AsyncIterator[list[Record]]:
        """The records not yet given, up to and with `sequence`."""
        while self._at < sequence:
            batch = self._kept or await self._next()
            given = [record for record in batch if record.sequence <= sequence]
            self._kept = batch[len(given) :]
            if given:
                self._at = given[-1].sequence
                yield given
            if self._kept:
                return

    async def aclose(self) -> None:
        close = getattr(self._batches, "aclose", None)
        if close is not None:
            await close()

    async def _next(self) -> list[Record]:
        try:
            async with asyncio.timeout(READ_SILENCE_MAX_S):
                return await anext(self._batches)
        except TimeoutError:
            raise BusUnavailable(f"the journal could not be read past {self._at}") from None
