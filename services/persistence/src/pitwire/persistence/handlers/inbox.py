"""Records between the reader and the writer of one stream: bounded, in order, taken in batches."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable

from pitwire.persistence.core.entries import Entry


class Inbox:
    """The reader waits when it is full, so an outage of the database costs no memory; the writer when it is empty."""

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._entries: deque[Entry] = deque()
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    async def put(self, entries: Iterable[Entry]) -> None:
        """Adds what one read brought, then waits while too much is waiting."""
        self._entries.extend(entries)
        self._changed.set()
        while len(self._entries) >= self._size_max:
            await self._change()

    async def take(self, count_max: int, *, gather_s: float = 0.0) -> list[Entry]:
        """The oldest entries, at least one and at most `count_max`.

        Where the newest of fewer is the last of its stream, `gather_s` is waited for more to come.
        """
        while not self._entries:
            await self._change()
        if len(self._entries) < count_max and self._entries[-1].pending == 0:
            await asyncio.sleep(gather_s)
        taken = [self._entries.popleft() for _ in range(min(count_max, len(self._entries)))]
        self._changed.set()
        return taken

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
