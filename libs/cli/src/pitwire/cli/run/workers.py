"""The child processes of a run: started, watched, started again when they die, stopped in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from pitwire.cli.run.plan import ProcessPlan
from pitwire.cli.run.restarts import USAGE_EXIT_CODE, GiveUp, Restarts, wait_s
from pitwire.cli.servers import ChildProcess, ServerError
from pitwire.common.clock import Clock
from pitwire.common.errors import UsageError

WATCH_PERIOD_S: Final = 0.05
STOP_TIMEOUT_S: Final = 12.0
"""A service bounds each step of its own stop; past this it is killed and recovers at its next start."""

LOG_SCAN_MAX: Final = 512 * 1024


class GaveUp(ServerError):
    """A process of the run could not be kept alive."""

    code = "GAVE_UP"


class Refused(UsageError):
    """A process will not work with its configuration or its data; its own words say why."""

    code = "REFUSED"


class Worker:
    """One supervised process: `keep_alive` starts it again whenever it dies, until `stop`.

    Early in its life it writes one JSON line with the key `announces`: where it is. What it prints goes to its log;
    with `answer_path` its standard output goes there, away from the eyes of the log.
    """

    def __init__(
        self,
        plan: ProcessPlan,
        *,
        log_path: Path,
        cwd: Path,
        clock: Clock,
        on_event: Callable[[str], None],
        announces: str,
        answer_path: Path | None = None,
    ) -> None:
        self.plan = plan
        self.log_path = log_path
        self._announces = announces
        self._answer_path = answer_path
        self._cwd = cwd
        self._clock = clock
        self._on_event = on_event
        self._restarts = Restarts()
        self._child: ChildProcess | None = None
        self._log_start = 0
        self._stopping = False

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def pid(self) -> int:
        return self._child.pid if self._child else 0

    @property
    def returncode(self) -> int | None:
        """None while the process runs or before it was started."""
        return self._child.returncode if self._child else None

    def log_tail(self) -> str:
        return self._child.log_tail() if self._child else f"{self.name} was not started"

    @property
    def restarts(self) -> int:
        return self._restarts.total

    def replace_plan(self, plan: ProcessPlan) -> None:
        """What the next start runs."""
        self.plan = plan

    def start(self) -> None:
        """Starts the process; what it prints goes to its log."""
        self._log_start = self.log_path.stat().st_size if self.log_path.exists() else 0
        self._child = ChildProcess(
            self.plan.argv,
            name=self.name,
            log_path=self.log_path,
            env=self.plan.env,
            cwd=self._cwd,
            answer_path=self._answer_path,
        )
        self._restarts.on_started(now_ns=self._clock.monotonic_ns())

    async def keep_alive(self, on_restarted: Callable[[], None] = lambda: None) -> None:
        """Starts the process again whenever it died; raises `GaveUp` when that does not help.

        `on_restarted` is called once the new process has announced itself.
        """
        awaited = False
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            child = self._child
            if self._is_over():
                return
            if awaited and self.announcement() is not None:
                awaited = False
                on_restarted()
            if child is None or child.returncode is None:
                continue
            code, self._child = child.stop(timeout_s=0), None
            decision = self._restarts.on_died(exit_code=code, now_ns=self._clock.monotonic_ns())
            if isinstance(decision, GiveUp):
                raise GaveUp(f"{self.name}: {decision.reason} (exit code {code}); {child.log_tail()}")
            self._on_event(f"{self.name} ended with code {code}; starting it again in {decision.wait_ms} ms")
            await asyncio.sleep(wait_s(decision))
            if self._is_over():
                return
            self.start()
            awaited = True

    def refuse_death(self) -> None:
        """Raises what the death of a process that should be starting means; nothing while it lives."""
        child = self._child
        if child is None or child.returncode is None:
            return
        if child.returncode == USAGE_EXIT_CODE:
            raise Refused(f"{self.name} refuses to start; {child.log_tail()}")
        raise ServerError(f"{self.name} ended with code {child.returncode} while starting; {child.log_tail()}")

    def _is_over(self) -> bool:
        return self._stopping

    async def stop(self) -> None:
        """Asks the process to end and waits, bounded; afterwards it is gone."""
        self._stopping = True
        child, self._child = self._child, None
        if child is not None:
            await asyncio.to_thread(child.stop, timeout_s=STOP_TIMEOUT_S)

    def announcement(self) -> dict[str, Any] | None:
        """What the process said about itself since its last start; None when it has not yet."""
        if self._answer_path is not None:
            return first_json_line(self._answer_path, self._announces, offset=0)
        return first_json_line(self.log_path, self._announces, offset=self._log_start)

    async def announced(self, *, timeout_s: float) -> dict[str, Any]:
        """Waits for that; `ServerError` with the end of the log when the process ends first or says nothing."""
        child = self._child
        if child is None:
            raise ServerError(f"{self.name} was not started")
        deadline = self._clock.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            found = self.announcement()
            if found is not None:
                return found
            self.refuse_death()
            if self._clock.monotonic_ns() > deadline:
                raise ServerError(f"{self.name} said nothing for {timeout_s:g} s; {child.log_tail()}")
            await asyncio.sleep(WATCH_PERIOD_S)


def first_json_line(path: Path, key: str, *, offset: int) -> dict[str, Any] | None:
    """The first complete line after `offset` that is a JSON object with `key`."""
    try:
        with path.open("rb") as file:
            file.seek(offset if offset <= path.stat().st_size else 0)
            text = file.read(LOG_SCAN_MAX)
    except FileNotFoundError:
        return None
    for line in text.splitlines(keepends=True):
        if not line.endswith(b"\n") or not line.startswith(b"{"):
            continue
        try:
            found: Mapping[str, Any] = json.loads(line)
        except json.JSONDecodeError:
            continue
        if key in found:
            return dict(found)
    return None
