"""What a worker does with a run that another had before it: computed at most once more, booked once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from pitwire.backtest.adapters.bench import Bench
from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.job import Job
from pitwire.backtest.handlers.worker import DELIVERIES_MAX, Worker
from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryBus
from pitwire.common.bus.port import Record
from pitwire.common.bus.queue import Work
from pitwire.common.errors import BusUnavailable
from pitwire.common.schemas.research import BacktestJob, BacktestResult
from pitwire.common.testing import FakeShell
from pitwire.common.topology import RESULTS, NatsAccount

SUBJECT = subjects.backtest_job("s1", "r1")
RESULT = subjects.backtest_result("s1", "r1")


class OneByOne:
    """A queue that gives out what it was given; then the bus is gone for good."""

    def __init__(self, *works: Work) -> None:
        self._works = [*works]
        self.confirmed: list[Work] = []

    async def take(self) -> Work | None:
        if not self._works:
            raise BusUnavailable("over")
        return self._works.pop(0)

    async def confirm(self, work: Work) -> None:
        self.confirmed.append(work)

    async def still_working(self, work: Work) -> None: ...

    async def give_back(self, work: Work) -> None: ...


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> FakeShell:
    monkeypatch.setattr("pitwire.backtest.handlers.worker.BUS_WAIT_S", 0)
    found = FakeShell()
    found.bus = MemoryBus(found.server, NatsAccount.RESEARCH)
    return found


def work_of(data: bytes, deliveries: int = 1) -> Work:
    return Work(Record(SUBJECT, data, "BacktestJob/1", sequence=1), deliveries, "receipt")


def job_data(folder: Path, params: Mapping[str, str] = {}) -> bytes:
    rows = [f"{1_704_067_200_000 + 60_000 * n},{c},{c + 1},{c - 1},{c},5" for n in range(300) for c in [100 + n % 40]]
    path = folder / "BTCUSDT_1m.csv"
    path.write_text("\n".join(["open_time_ms,open,high,low,close,volume", *rows]) + "\n")
    job = Job.model_validate({"strategies": [{"name": "m", "type": "momentum"}], "data": [str(path)]})
    return codec.encode(
        BacktestJob(
            sweep="s1",
            run="r1",
            runs=1,
            job=job.model_dump_json(),
            params=dict(params),
            digests=Files(()).digests(job),
            ts_ns=1,
        )
    )


async def worked(shell: FakeShell, *works: Work) -> OneByOne:
    queue = OneByOne(*works)
    with pytest.raises(BusUnavailable, match="over"):
        await Worker(shell, queue, Files(()), Bench, "w1").run()
    return queue


async def row(shell: FakeShell) -> dict[str, Any]:
    record = await shell.bus.last(RESULTS.name, RESULT)
    assert record is not None
    found: dict[str, Any] = orjson.loads(codec.decode(BacktestResult, record.data, subject=RESULT).row)
    return found


async def test_a_run_has_its_figures_and_is_confirmed(shell: FakeShell, tmp_path: Path) -> None:
    work = work_of(job_data(tmp_path, {"fast": "3", "slow": "9", "cooldown": "0"}))
    queue = await worked(shell, work)
    assert queue.confirmed == [work]
    assert (await row(shell))["metrics"]["trades"] > 2


async def test_a_run_that_has_its_result_is_only_confirmed(shell: FakeShell, tmp_path: Path) -> None:
    work = work_of(job_data(tmp_path))
    await worked(shell, work)
    again = await worked(shell, work, work)
    assert again.confirmed == [work, work]
    assert (await shell.bus.state(RESULTS.name)).last_sequence == 1


async def test_a_run_that_killed_its_workers_is_given_up_with_the_reason(shell: FakeShell, tmp_path: Path) -> None:
    await worked(shell, work_of(job_data(tmp_path), DELIVERIES_MAX + 1))
    assert (await row(shell))["error"] == f"{DELIVERIES_MAX} workers died while they ran it"


async def test_what_nobody_can_read_is_set_aside_and_does_not_come_again(shell: FakeShell) -> None:
    queue = await worked(shell, work_of(b"{"))
    assert len(queue.confirmed) == len(shell.quarantined) == 1


async def test_a_run_that_breaks_is_answered_with_how(
    shell: FakeShell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        msg = "no such figure"
        raise ArithmeticError(msg)

    monkeypatch.setattr("pitwire.backtest.adapters.bench.metrics", broken)
    await worked(shell, work_of(job_data(tmp_path)))
    assert (await row(shell))["error"] == "ArithmeticError: no such figure"
