"""What the contract tests do again and again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pitwire.common.bus.port import Bus, Record

WAIT_S = 15.0
AT_ONCE_MAX = 100


async def last_sequence(bus: Bus, stream: str) -> int:
    return (await bus.state(stream)).last_sequence


async def read_until_caught_up(bus: Bus, stream: str, filters: tuple[str, ...], after: int = 0) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(WAIT_S):
        async for batch in bus.read(stream, filters, after=after):
            if not batch:
                return found
            found += batch
    raise AssertionError("the reader ended")


async def read_count(bus: Bus, stream: str, filters: tuple[str, ...], count: int, after: int = 0) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(WAIT_S):
        async for batch in bus.read(stream, filters, after=after):
            found += batch
            if len(found) >= count:
                return found
    raise AssertionError("the reader ended")


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await holds():
            await asyncio.sleep(0.01)


async def append_many(bus: Bus, subject: str, count: int) -> list[int]:
    return [await bus.append(subject, f"r{n}".encode()) for n in range(count)]


async def append_at_once(bus: Bus, subject: str, count: int) -> list[int]:
    """Many appends on their way at the same time, so many that a busy machine still answers each."""
    semaphore = asyncio.Semaphore(AT_ONCE_MAX)

    async def one(n: int) -> int:
        async with semaphore:
            return await bus.append(subject, str(n).encode())

    return await asyncio.gather(*(one(n) for n in range(count)))
