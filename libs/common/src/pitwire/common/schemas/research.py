"""Messages of research: the runs of a sweep, handed out to workers one by one."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from pitwire.common.schemas.base import Count, Message, RecordRef, Text, TimeNs, Token

DOCUMENT_MAX: Final = 256_000
"""Characters of a job, or of the figures of one run."""


class BacktestJob(Message):
    """`job.backtest.<sweep>.<run>`: one parameter set to run."""

    sweep: Token
    run: Token
    runs: Count = Field(description="of the sweep, so that a worker knows whether compiling pays")
    job: str = Field(max_length=DOCUMENT_MAX, description="the job that all runs share, as JSON")
    params: dict[str, str] = Field(default_factory=dict, description="what this run has besides")
    digests: dict[str, RecordRef] = Field(default_factory=dict, description="sha256 of each file it needs, by its path")
    ts_ns: TimeNs


class BacktestResult(Message):
    """`result.backtest.<sweep>.<run>`: the one result of a run, by compare-and-set."""

    sweep: Token
    run: Token
    worker: Text
    row: str = Field(max_length=DOCUMENT_MAX, description="params with metrics or error, as JSON")
    ts_ns: TimeNs


class BacktestProgress(Message):
    """`progress.backtest.<sweep>`: how far a worker is with the run in its hands, about once a second."""

    sweep: Token
    run: Token
    worker: Text
    percent: Count
    ts_ns: TimeNs
