"""Intents that wait for a decision: a queue per strategy, so that one that floods waits behind itself alone."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from pitwire.risk_gate.core import IntentInput

INTENTS_WAITING_MAX: Final = 20_000
"""More than one strategy may have in the stream; beyond it the reader waits, and intents expire there."""


class IntentQueue:
    """Strategies take turns; the intents of one are decided in the order they were read."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[IntentInput]] = {}
        self._read = 0
        self._waiting = 0
        self._room = asyncio.Event()

    def put(self, found: Iterable[IntentInput]) -> None:
        """Takes what was read next."""
        for waiting in found:
            self._queues.setdefault(waiting.strategy, deque()).append(waiting)
            self._read = waiting.sequence
            self._waiting += 1

    async def has_room(self) -> None:
        """Returns when more may be read."""
        while self._waiting > INTENTS_WAITING_MAX:
            self._room.clear()
            await self._room.wait()

    def next(self, is_decided: Callable[[IntentInput], bool], most: int) -> list[IntentInput]:
        """Up to `most` to decide now; they stay until `done`. Those that the ledger answers already go."""
        for queue in self._queues.values():
            self._drop(queue, is_decided)
        self._queues = {strategy: queue for strategy, queue in self._queues.items() if queue}
        turns = [iter(queue) for queue in self._queues.values()]
        batch: list[IntentInput] = []
        while turns and len(batch) < most:
            for turn in list(turns):
                waiting = next((one for one in turn if not is_decided(one)), None)
                if waiting is None:
                    turns.remove(turn)
                elif len(batch) < most:
                    batch.append(waiting)
        return batch

    def cursor_after(self, batch: Iterable[IntentInput]) -> int:
        """The sequence up to which every intent is decided once `batch` is."""
        decided = {waiting.sequence for waiting in batch}
        first = [next((w.sequence for w in queue if w.sequence not in decided), 0) for queue in self._queues.values()]
        return min((sequence for sequence in first if sequence), default=self._read + 1) - 1

    def done(self, batch: Iterable[IntentInput]) -> None:
        """A ledger record decided these; whoever had a turn goes to the end of the line."""
        decided = {waiting.sequence for waiting in batch}
        served = dict.fromkeys(waiting.strategy for waiting in batch)
        for strategy in served:
            queue = self._queues.pop(strategy, None)
            if queue is not None:
                self._drop(queue, lambda waiting: waiting.sequence in decided)
                self._queues[strategy] = queue

    def _drop(self, queue: deque[IntentInput], goes: Callable[[IntentInput], bool]) -> None:
        while queue and goes(queue[0]):
            queue.popleft()
            self._waiting -= 1
        self._room.set()
