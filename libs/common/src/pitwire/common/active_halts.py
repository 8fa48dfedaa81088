"""The halts that hold, read from the journal: for whoever folds no account, or one whose fold has ended."""

from __future__ import annotations

import contextlib

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus
from pitwire.common.errors import DecodeError
from pitwire.common.halts import Halts, undecodable_halt
from pitwire.common.schemas.ledger import Halt, Resume


async def active_halts(bus: Bus) -> Halts:
    """Every halt of the journal that no resume has cleared; one that cannot be read halts all."""
    found = Halts()
    reading = bus.read(topology.OMS.name, (subjects.HALTS, subjects.RESUME), after=0)
    async with contextlib.aclosing(reading) as batches:
        async for batch in batches:
            for record in batch:
                try:
                    message = codec.decode_known(record.subject, record.schema, record.data)
                except DecodeError:
                    message = undecodable_halt(record.sequence)
                if isinstance(message, Halt):
                    found.add(message)
                elif isinstance(message, Resume):
                    found.clear(message)
            if not batch:
                return found
    raise AssertionError(topology.OMS.name)
