"""A way that takes a while: what enters leaves in the same order, each so many milliseconds later."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Thing = TypeVar("Thing")


class Lane(Generic[Thing]):
    """Hands things to `arrive` after `latency_ms`; at once when that is zero."""

    def __init__(self, latency_ms: int, arrive: Callable[[Thing], None]) -> None:
        self._latency_s = latency_ms / 1000
        self._arrive = arrive
        self._under_way: deque[Thing] = deque()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def put(self, thing: Thing) -> None:
        """Let one thing enter."""
        if not self._latency_s:
            self._arrive(thing)
            return
        self._under_way.append(thing)
        self._is_empty.clear()
        # Timers of one time may fire in any order; what they let out is the oldest each time.
        asyncio.get_running_loop().call_later(self._latency_s, self._let_out)

    def _let_out(self) -> None:
        self._arrive(self._under_way.popleft())
        if not self._under_way:
            self._is_empty.set()

    def __len__(self) -> int:
        return len(self._under_way)

    async def emptied(self) -> None:
        """Return when all that is under way has arrived."""
        await self._is_empty.wait()
