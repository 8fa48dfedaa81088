"""`pitwire sweep --workers bus`: the runs go to the workers of a running system."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from pitwire.backtest.core.sweep import Params
from pitwire.backtest.handlers.submitting import Submission, Sweep
from pitwire.cli.discovery import Running
from pitwire.cli.identities import connect_as
from pitwire.common.clock import SystemClock

PRINCIPAL: Final = "researcher"
QUIET_MAX_S: Final = 5.0
"""Without a result and without a word of any worker for so long, the person who waits is told."""


def run_on_bus(
    running: Running, sweep: Sweep, todo: Sequence[Params], on_row: Callable[[Mapping[str, Any]], None]
) -> None:
    """Hands `todo` out and gives each result to `on_row`, as it comes.

    Raises:
        NotRunning: no bus is named.
        BusUnavailable: it does not answer.
    """
    if todo:
        asyncio.run(_collect(running, sweep, todo, on_row))


async def _collect(
    running: Running, sweep: Sweep, todo: Sequence[Params], on_row: Callable[[Mapping[str, Any]], None]
) -> None:
    bus = await connect_as(PRINCIPAL, running)
    try:
        submission = Submission(bus, SystemClock(), sweep, todo)
        async with contextlib.aclosing(submission.results()) as results:
            watching = asyncio.create_task(_tell_of_silence(submission))
            try:
                async for row in results:
                    on_row(row)
            finally:
                watching.cancel()
    finally:
        await bus.close()


async def _tell_of_silence(submission: Submission) -> None:
    """Once: a sweep that nobody works on would otherwise just stand there."""
    heard = -1
    while submission.heard != heard:
        heard = submission.heard
        await asyncio.sleep(QUIET_MAX_S)
    text = (
        "no worker answers; start some with `python -m pitwire.backtest` (see its README); the runs wait in the queue"
    )
    sys.stderr.write(f"{text}\n")
