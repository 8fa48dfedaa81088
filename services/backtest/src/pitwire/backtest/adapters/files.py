"""Candles and strategies from files of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pitwire.backtest.adapters.candle_files import files_of, read_candles
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.job import StrategyJob
from pitwire.strategy.adapters.loader import load_strategy


@dataclass(frozen=True, slots=True)
class Files:
    """Implements `Sources`; `folders` are where relative paths of strategies are looked for."""

    folders: tuple[Path, ...]

    def candles(self, data: Sequence[str]) -> list[Candles]:
        return [read_candles(path, instrument_id=name) for name, path in files_of(data)]

    def strategy(self, job: StrategyJob) -> object:
        return load_strategy(job.name, job.type, job.params, folders=self.folders)
