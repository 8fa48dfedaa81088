"""kill -9 of each process of a run, one after the other: it recovers by itself and the books still agree."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest
from tests.integration.run_world import Run, running, until_gone

from pitwire.cli.run.plan import SERVICES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

VICTIMS = (*SERVICES, "venue-sim", "nats", "postgres")


def fills(run: Run) -> int:
    code, found = run.pitwire("strategies")
    return sum(row["fills"] for row in found) if code == 0 else -1


def replaced(run: Run, victim: str, before: int) -> bool:
    return bool(run.current()["pids"].get(victim, before) != before)


def test_a_run_survives_the_death_of_each_of_its_processes_and_verify_holds(tmp_path: Path) -> None:
    with running(tmp_path, "--speed", "600") as run:
        run.until_trading()
        run.until("a first fill", lambda: fills(run) > 0, timeout_s=60)
        for victim in VICTIMS:
            before = run.current()["pids"][victim]
            os.kill(before, signal.SIGKILL)
            run.until(f"another {victim}", partial(replaced, run, victim, before))
            run.until(f"everything ready after {victim}", run.all_ready, timeout_s=60)
        at_end = fills(run)
        run.until("trading after all of them", lambda: fills(run) > at_end, timeout_s=60)
        code, found = run.pitwire("verify", "--timeout", "30")
        assert code == 0, (found["violated"], found["checks"])
        run.interrupt()
        code, summary = run.wait()
        assert code == 0, run.said()
    assert summary["restarts"] >= len(SERVICES) + 1
    assert until_gone(tmp_path) == {}
