"""Many runs on all cores of this machine."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Final

from pitwire.backtest.adapters.bench import Bench
from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.job import Job
from pitwire.backtest.core.sweep import Params
from pitwire.common.errors import OutcomeUnknown

CHUNK: Final = 1
"""Runs handed to a worker at once: they take seconds, so handing over costs nothing and no core waits at the end."""

_BENCH: list[Bench] = []


def _begin(job: Job, sources: Files, runs: int) -> None:
    _BENCH[:] = [Bench(job, sources, runs)]


def _work(params: Params) -> dict[str, Any]:
    return _BENCH[0].run(params)


def run_all(job: Job, sources: Files, todo: Sequence[Params], *, workers: int) -> Iterator[dict[str, Any]]:
    """The rows in the order of `todo`, each as soon as it and those before it are there.

    Raises:
        OutcomeUnknown: a worker was killed; what was given out before stands.
    """
    context = multiprocessing.get_context("spawn")
    try:
        desk = job, sources, len(todo)
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=desk) as pool:
            yield from pool.map(_work, todo, chunksize=CHUNK)
    except BrokenProcessPool:
        msg = "a worker of the sweep died (out of memory?); run it again with the same --results to go on"
        raise OutcomeUnknown(msg) from None
