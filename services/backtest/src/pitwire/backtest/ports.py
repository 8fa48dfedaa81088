"""Where a run's candles and strategies come from, and where it is done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.job import Job, StrategyJob


class Sources(Protocol):
    """All raise `UsageError` that says what is wrong and where."""

    def candles(self, data: Sequence[str]) -> list[Candles]:
        """One series per word."""
        ...

    def strategy(self, job: StrategyJob) -> object:
        """A new instance."""
        ...

    def digests(self, job: Job) -> Mapping[str, str]:
        """What tells other bytes of each file that the job names, by its path."""
        ...


class Desk(Protocol):
    """Where the runs of one sweep are done, one after the other."""

    def run(self, params: dict[str, str], progress: Callable[[float], None] | None = None) -> dict[str, Any]:
        """The row of one parameter set. `progress` is told the share done; what it raises ends the run."""
        ...


MakeDesk = Callable[[Job, Sources, int], Desk]
"""From the job, its sources and the number of runs of the sweep."""
