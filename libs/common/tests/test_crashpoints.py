"""Crash points: nothing while unarmed, a death like kill -9 at the pass that was named."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pitwire.common import crashpoints
from pitwire.common.crashpoints import MARK, TRACE, TRACE_MARK, CrashPoint, arm, crashpoint
from pitwire.common.errors import ConfigError

ROOT = Path(__file__).parents[3]
POINT = CrashPoint.EXECUTION_SENT
LOOP = """
from pitwire.common.crashpoints import CrashPoint, arm, crashpoint
arm({armed!r})
for number in range(1, 6):
    crashpoint(CrashPoint.GATE_DECIDED)
    print(number, flush=True)
    crashpoint(CrashPoint.EXECUTION_SENT)
"""


def ran(armed: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", LOOP.format(armed=armed)], capture_output=True, text=True, check=False)


def test_an_armed_process_dies_at_the_pass_that_was_named_and_says_where() -> None:
    third = ran(f"{POINT}:3")
    assert (third.returncode, third.stdout.split()) == (-signal.SIGKILL, ["1", "2", "3"])
    assert third.stderr == f"{MARK}{POINT}\n"
    assert ran(str(POINT)).stdout.split() == ["1"]


def test_a_pass_that_never_comes_kills_nobody() -> None:
    assert ran(f"{POINT}:6").returncode == 0
    assert ran("").returncode == 0


def test_a_traced_process_tells_each_point_once_and_lives() -> None:
    traced = ran(TRACE)
    assert traced.returncode == 0
    assert traced.stderr.splitlines() == [f"{TRACE_MARK}{CrashPoint.GATE_DECIDED}", f"{TRACE_MARK}{POINT}"]


@pytest.mark.parametrize("text", ["nowhere", f"{POINT}:0", f"{POINT}:x", f"{POINT}:-1", ":1"])
def test_a_point_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="PITWIRE_CRASHPOINT"):
        arm(text)
    assert crashpoints._armed is None
    crashpoint(POINT)


def test_every_point_stands_in_its_service_and_only_there() -> None:
    sources = {
        folder.parent.name: "".join(path.read_text() for path in folder.rglob("*.py"))
        for folder in ROOT.glob("services/*/src")
    }
    for point in CrashPoint:
        where = [name for name, text in sources.items() if f"CrashPoint.{point.name}" in text]
        assert where == [point.service], point
    assert len(CrashPoint) >= 30
