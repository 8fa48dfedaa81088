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
    """Strategies take turns; the intents of one are decided in the order they were read.

    What cannot be read has no number, so after a restart only the cursor says that it is decided: its strategy's turn
    comes when nothing older waits in another queue, and the cursor of the record that answers it is beyond it.
    """

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
        turns = {strategy: iter(queue) for strategy, queue in self._queues.items()}
        batch: list[IntentInput] = []
        while turns and len(batch) < most:
            for strategy, turn in list(turns.items()):
                waiting = next((one for one in turn if not is_decided(one)), None)
                if waiting is None or (waiting.intent is None and not self._is_oldest(waiting)):
                    del turns[strategy]
                elif len(batch) < most:
                    batch.append(waiting)
        return batch

    def cursor_after(self, batch: Iterable[IntentInput], is_decided: Callable[[IntentInput], bool]) -> int:
        """The sequence up to which every intent is decided once `batch` is."""
        decided = {waiting.sequence for waiting in batch}
        waits = (
            next((one.sequence for one in queue if one.sequence not in decided and not is_decided(one)), None)
            for queue in self._queues.values()
        )
        return min((sequence for sequence in waits if sequence is not None), default=self._read + 1) - 1

    def done(self, batch: Iterable[IntentInput]) -> None:
        """A ledger record decided these; whoever had a turn goes to the end of the line."""
        last = {waiting.strategy: waiting.sequence for waiting in batch}
        for strategy in last:
            queue = self._queues.pop(strategy, None)
            if queue is not None:
                self._drop(queue, lambda waiting: waiting.sequence <= last[waiting.strategy])
                self._queues[strategy] = queue

    def _is_oldest(self, waiting: IntentInput) -> bool:
        """Nothing older waits in another queue."""
        others = (queue[0] for strategy, queue in self._queues.items() if strategy != waiting.strategy)
        return all(waiting.sequence < other.sequence for other in others)

    def _drop(self, queue: deque[IntentInput], goes: Callable[[IntentInput], bool]) -> None:
        while queue and goes(queue[0]):
            queue.popleft()
            self._waiting -= 1
        self._room.set()
