"""Small jobs that run beside the readers, each under its own name at most once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

ERRANDS_MAX: Final = 20_000


class Errands:
    """Runs them; one that fails ends the process, since what it was to do is then undone."""

    def __init__(self, fail: Callable[[str, BaseException | None], None]) -> None:
        self._fail = fail
        self._running: dict[str, asyncio.Task[None]] = {}
        self._nudges: dict[str, asyncio.Event] = {}

    def run(self, name: str, work: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
        """Starts `work(nudge)`; while an errand of this name runs, that one is nudged instead."""
        if name in self._running:
            self._nudges[name].set()
            return
        if len(self._running) >= ERRANDS_MAX:
            self._fail(f"more than {ERRANDS_MAX} errands at once, last {name}", None)
            return
        nudge = self._nudges[name] = asyncio.Event()
        task = asyncio.create_task(work(nudge), name=name)
        self._running[name] = task
        task.add_done_callback(self._done)

    def __len__(self) -> int:
        return len(self._running)

    async def close(self) -> None:
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        name = task.get_name()
        self._running.pop(name, None)
        self._nudges.pop(name, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(f"{name} failed: {error}", error)


async def pause(nudge: asyncio.Event, seconds: float) -> None:
    """Waits for `seconds`, or until nudged."""
    nudge.clear()
    try:
        async with asyncio.timeout(seconds):
            await nudge.wait()
    except TimeoutError:
        return
