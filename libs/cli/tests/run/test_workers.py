"""A real process kept alive: started again when it dies, gone when it is stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from pitwire.cli.run.plan import ProcessPlan, base_env
from pitwire.cli.run.workers import GaveUp, Refused, Worker, first_json_line
from pitwire.cli.servers import ServerError
from pitwire.common.clock import SystemClock

SLEEPER = "import sys,time,os; print('{\"here\": %d}' % os.getpid(), flush=True); time.sleep(60)"


def worker(tmp_path: Path, program: str, events: list[str]) -> Worker:
    plan = ProcessPlan("thing", (sys.executable, "-c", program), base_env())
    return Worker(
        plan,
        log_path=tmp_path / "thing.log",
        cwd=tmp_path,
        clock=SystemClock(),
        on_event=events.append,
        announces="here",
    )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_a_killed_process_is_started_again_and_told_of(tmp_path: Path) -> None:
    events: list[str] = []
    restarted = asyncio.Event()
    thing = worker(tmp_path, SLEEPER, events)
    thing.start()
    first = (await thing.announced(timeout_s=10))["here"]
    keeping = asyncio.create_task(thing.keep_alive(restarted.set))
    os.kill(first, signal.SIGKILL)
    await asyncio.wait_for(restarted.wait(), 10)
    second = (await thing.announced(timeout_s=10))["here"]
    assert second == thing.pid != first
    assert events == ["thing ended with code -9; starting it again in 100 ms"]
    assert thing.restarts == 1
    await thing.stop()
    await asyncio.wait_for(keeping, 10)
    assert not alive(second)


async def test_a_process_that_refuses_its_configuration_ends_the_run_with_its_last_words(tmp_path: Path) -> None:
    thing = worker(tmp_path, "import sys; print('CONFIG: key x is unknown'); sys.exit(2)", [])
    thing.start()
    with pytest.raises(GaveUp, match="refuses its configuration") as caught:
        await asyncio.wait_for(thing.keep_alive(), 10)
    assert "CONFIG: key x is unknown" in str(caught.value)


async def test_a_process_that_will_not_work_with_its_data_is_a_matter_of_the_request(tmp_path: Path) -> None:
    thing = worker(tmp_path, "import sys; print('line 2: high is below low'); sys.exit(2)", [])
    thing.start()
    with pytest.raises(Refused, match="line 2: high is below low"):
        await thing.announced(timeout_s=10)
    await thing.stop()


async def test_waiting_for_a_process_that_ends_says_what_it_said(tmp_path: Path) -> None:
    thing = worker(tmp_path, "raise SystemExit('no market there')", [])
    thing.start()
    with pytest.raises(ServerError, match="no market there"):
        await thing.announced(timeout_s=10)
    await thing.stop()


async def test_waiting_has_an_end(tmp_path: Path) -> None:
    thing = worker(tmp_path, "import time; time.sleep(60)", [])
    thing.start()
    with pytest.raises(ServerError, match="said nothing"):
        await thing.announced(timeout_s=0.2)
    await thing.stop()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", None),
        ('{"http": 1', None),
        ('{"http": 1}', None),
        ('{"http": 1}\n', {"http": 1}),
        ('noise\n{"other": 1}\n{broken\n{"http": 2}\n{"http": 3}\n', {"http": 2}),
    ],
)
def test_only_a_whole_json_line_with_the_key_counts(tmp_path: Path, text: str, found: object) -> None:
    path = tmp_path / "log"
    path.write_text(text)
    assert first_json_line(path, "http", offset=0) == found


def test_lines_of_an_earlier_life_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text('{"http": 1}\n')
    assert first_json_line(path, "http", offset=path.stat().st_size) is None
    assert first_json_line(tmp_path / "none", "http", offset=0) is None


async def test_answers_stay_out_of_the_log_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    plan = ProcessPlan("thing", (sys.executable, "-c", SLEEPER), base_env())
    answer = tmp_path / "answer.json"
    thing = Worker(
        plan,
        log_path=tmp_path / "thing.log",
        cwd=tmp_path,
        clock=SystemClock(),
        on_event=lambda _: None,
        announces="here",
        answer_path=answer,
    )
    thing.start()
    assert (await thing.announced(timeout_s=10))["here"] == thing.pid
    await thing.stop()
    assert (tmp_path / "thing.log").read_text() == ""
    assert answer.stat().st_mode & 0o077 == 0
