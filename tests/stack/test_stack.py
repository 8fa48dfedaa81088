"""docker-compose.yml, really run once: it trades, it survives a killed service, and it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

if not os.environ.get("PITWIRE_STACK_TEST"):
    pytest.skip("builds images and runs the whole stack, for minutes: `make stack-test`", allow_module_level=True)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(3600)]

SERVICES = ("venue-sim", "market-data", "strategy", "risk-gate", "execution", "persistence")
READY_MAX_S = 120
TRADES_MAX_S = 300


class Engine(Protocol):
    """`conftest.Engine`."""

    is_private: bool

    def docker(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]: ...
    def compose(self, *words: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]: ...


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Iterator[Engine]:
    """The running stack; its logs are shown when it does not come up."""
    engine.compose("down", "-v", "--remove-orphans")
    up = engine.compose("up", "-d", "--wait", "--wait-timeout", str(READY_MAX_S), "--no-build", *SERVICES, check=False)
    if up.returncode != 0:
        logs = engine.compose("logs", "--no-color", "--tail", "40", check=False).stdout
        engine.compose("down", "-v", check=False)
        pytest.fail(f"{up.stderr[-3000:]}\n{logs[-12000:]}")
    yield engine
    engine.compose("down", "-v")


def count(stack: Engine, table: str) -> int:
    """Rows of a table, asked inside the stack."""
    program = (
        "import os, psycopg; c = psycopg.connect(os.environ['PITWIRE_DATABASE_URL'].replace('+psycopg', '')); "
        f"print(c.execute('SELECT count(*) FROM {table}').fetchone()[0])"
    )
    return int(stack.compose("run", "--rm", "-T", "--entrypoint", "python", "pitwire", "-c", program).stdout)


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(1)
    return False


def state_of(stack: Engine, service: str) -> dict[str, Any]:
    container = stack.compose("ps", "-q", service).stdout.strip()
    found: list[dict[str, Any]] = json.loads(stack.docker("inspect", container).stdout)
    return found[0]


def test_every_service_is_healthy(stack: Engine) -> None:
    states = {name: state_of(stack, name)["State"]["Health"]["Status"] for name in (*SERVICES, "nats", "postgres")}
    assert set(states.values()) == {"healthy"}, states


def test_no_container_is_root_or_can_write_its_image(stack: Engine) -> None:
    for name in (*SERVICES, "nats", "postgres"):
        seen = state_of(stack, name)
        assert seen["Config"]["User"] == "10001:10001"
        assert seen["HostConfig"]["ReadonlyRootfs"] is True
        assert not seen["NetworkSettings"]["Ports"] or not any(seen["NetworkSettings"]["Ports"].values())


def test_orders_are_filled_and_written_down(stack: Engine) -> None:
    assert wait_for(lambda: count(stack, "fills") > 0, TRADES_MAX_S)
    assert count(stack, "risk_decisions") > 0


def test_the_command_speaks_to_the_running_stack(stack: Engine) -> None:
    answer = stack.compose("run", "--rm", "-T", "pitwire", "positions", "-o", "json")
    json.loads(answer.stdout)


def test_a_killed_service_comes_back_and_goes_on(stack: Engine) -> None:
    if not stack.is_private:
        pytest.skip("killing a process of a container from outside takes an engine of our own")
    before = state_of(stack, "execution")["State"]["Pid"]
    os.kill(before, signal.SIGKILL)
    assert wait_for(lambda: state_of(stack, "execution")["State"]["Pid"] not in {0, before}, READY_MAX_S)
    assert wait_for(lambda: state_of(stack, "execution")["State"]["Health"]["Status"] == "healthy", READY_MAX_S)
    fills = count(stack, "fills")
    assert wait_for(lambda: count(stack, "fills") > fills, TRADES_MAX_S)


def test_the_stack_can_be_stopped_and_started_with_all_it_had(stack: Engine) -> None:
    fills = count(stack, "fills")
    stack.compose("stop")
    stack.compose("up", "-d", "--wait", "--wait-timeout", str(READY_MAX_S), "--no-build", *SERVICES)
    assert count(stack, "fills") >= fills
