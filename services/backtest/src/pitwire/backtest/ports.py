"""Where a run's candles and strategies come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.job import StrategyJob


class Sources(Protocol):
    """Both raise `UsageError` that says what is wrong and where."""

    def candles(self, data: Sequence[str]) -> list[Candles]:
        """One series per word."""
        ...

    def strategy(self, job: StrategyJob) -> object:
        """A new instance."""
        ...
