"""Candles and strategies from files of this machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pitwire.backtest.adapters.candle_files import DataError, files_of, read_candles
from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.job import Job, StrategyJob
from pitwire.common.ids import content_hash
from pitwire.strategy.adapters.loader import load_strategy, strategy_file


@dataclass(frozen=True, slots=True)
class Files:
    """Implements `Sources`; `folders` are where relative paths of strategies are looked for."""

    folders: tuple[Path, ...]

    def candles(self, data: Sequence[str]) -> list[Candles]:
        return [read_candles(path, instrument_id=name) for name, path in files_of(data)]

    def strategy(self, job: StrategyJob) -> object:
        return load_strategy(job.name, job.type, job.params, folders=self.folders)

    def located(self, job: Job) -> Job:
        """The same job with whole paths, so that it names the same files whoever runs it."""
        strategies: list[StrategyJob] = []
        for each in job.strategies:
            path = strategy_file(each.type, where=f"strategies.{each.name}.type", folders=self.folders)
            kind = each.type if path is None else f"{path.resolve()}:{each.type.rpartition(':')[2]}"
            strategies.append(each.model_copy(update={"type": kind}))
        data = [f"{name}={path.resolve()}" if name else str(path.resolve()) for name, path in files_of(job.data)]
        return job.model_copy(update={"strategies": tuple(strategies), "data": tuple(data)})

    def digests(self, job: Job) -> dict[str, str]:
        """Of every file that a located job names, by its path: the first 32 characters of its sha256.

        Raises:
            DataError: a file is not there.
        """
        paths = [path for _, path in files_of(job.data)]
        for each in job.strategies:
            found = strategy_file(each.type, where=f"strategies.{each.name}.type", folders=self.folders)
            paths += [] if found is None else [found]
        return {str(path): _digest(path) for path in paths}


def _digest(path: Path) -> str:
    try:
        return content_hash(path.read_bytes())[:32]
    except OSError as problem:
        raise DataError(f"{path}: cannot be read: {problem.strerror}") from None
