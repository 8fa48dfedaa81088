"""The whole system as `pitwire up` runs it, with workers that can be made to die and that are always started again."""

from __future__ import annotations

import asyncio
import os
import signal
import time
import tomllib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tomli_w
from typing_extensions import override

from pitwire.cli.run.folder import newest_run, open_run
from pitwire.cli.run.plan import SERVICES, ProcessPlan, RunFolder, service_plan
from pitwire.cli.run.restarts import FINAL_EXIT_CODES, FIRST_WAIT_MS, GiveUp, Restarts, StartAgain
from pitwire.cli.run.system import System, UpOptions
from pitwire.cli.run.venue_control import VenueControlFailed
from pitwire.cli.run.workers import Worker
from pitwire.common.clock import SystemClock
from pitwire.common.crashpoints import MARK, TRACE, TRACE_MARK, CrashPoint

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pitwire.toml"
CACHE = ROOT / ".pitwire" / "cache"
RESTLESS = Path(__file__).with_name("restless.py")
DOUBLED = ("risk-gate", "execution")
TWIN = "-2"
POLL_S = 0.05


@dataclass(frozen=True)
class Death:
    """One process that ended without being asked to: when, by which exit code, and at which crash point."""

    name: str
    wall_ns: int
    exit_code: int
    point: str

    @property
    def is_kill(self) -> bool:
        return self.exit_code == -signal.SIGKILL


class Patient(Restarts):
    """Starts again at once, however often: in a campaign deaths are no sign of trouble."""

    def __init__(self, told: Callable[[int], None]) -> None:
        super().__init__()
        self._told = told

    @override
    def on_died(self, *, exit_code: int, now_ns: int) -> StartAgain | GiveUp:
        self._told(exit_code)
        self.total += 1
        reason = FINAL_EXIT_CODES.get(exit_code)
        return GiveUp(reason) if reason else StartAgain(FIRST_WAIT_MS)


class MortalWorker(Worker):
    """`next_points` are the crash points of its next lives, `point` that of this one; `deaths` tell of past ones."""

    def __init__(self, plan: ProcessPlan, **options: Any) -> None:
        super().__init__(plan, **options)
        self.next_points: deque[str] = deque()
        self.point = ""
        self.life = 0
        self.otherwise = ""
        self.deaths: list[Death] = []
        self._restarts = Patient(self._on_death)

    @override
    def start(self) -> None:
        self.point = self.next_points.popleft() if self.next_points else ""
        self.life += 1
        plain = self.plan
        self.plan = replace(plain, env={**plain.env, "PITWIRE_CRASHPOINT": self.point or self.otherwise})
        super().start()
        self.plan = plain

    def has_left(self, point: str) -> bool:
        """The life that was to end there is over."""
        return self.point != point

    def _on_death(self, exit_code: int) -> None:
        self.deaths.append(Death(self.name, time.time_ns(), exit_code, self._reached()))

    def _reached(self) -> str:
        """The point at which this life ended; empty when it ended in any other way."""
        with self.log_path.open("rb") as file:
            file.seek(self._log_start)
            lines = file.read().decode(errors="replace").splitlines()
        found = [line for line in lines if line.startswith(MARK) and not line.startswith(TRACE_MARK)]
        return found[-1].removeprefix(MARK) if found else ""


class MortalSystem(System):
    """`double`: two gates and two executions at work at once, with leases off. `traced`: see `passed`."""

    def __init__(
        self, data_dir: Path, *, double: bool, speed: float, tell: Callable[[str], None], traced: bool = False
    ) -> None:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.double = double
        self.traced = traced
        if not (data_dir / CACHE.name).exists():
            CACHE.mkdir(parents=True, exist_ok=True)
            (data_dir / CACHE.name).symlink_to(CACHE)
        options = UpOptions(write_config(data_dir), data_dir, speed=speed)
        folder = RunFolder(open_run(data_dir, keep=newest_run(data_dir) is not None).resolve())
        super().__init__(options, folder, clock=SystemClock(), tell=tell)
        self.deaths: list[Death] = []

    @override
    def _add_worker(self, name: str, plan: ProcessPlan, *, answer_path: Path | None = None) -> Worker:
        made = super()._add_worker(name, plan, answer_path=answer_path)
        worker = MortalWorker(
            plan,
            log_path=made.log_path,
            cwd=self.folder.root,
            clock=self.clock,
            on_event=self.tell,
            announces=made._announces,
            answer_path=answer_path,
        )
        worker.deaths = self.deaths
        worker.otherwise = TRACE if self.traced else ""
        self.workers[name] = worker
        return worker

    @override
    def _start_service(self, name: str) -> None:
        self._add_worker(name, self.plan_of(name, name, leases=not self.double)).start()

    def start_twins(self) -> None:
        """The second ones, at work beside the first: once those are ready, since a twin may well end its sibling."""
        for service in DOUBLED:
            self._add_worker(service + TWIN, self.plan_of(service, service + TWIN, leases=False)).start()

    def passed(self) -> set[str]:
        """The crash points that traced processes passed alive."""
        texts = [path.read_text(errors="replace") for path in self.folder.logs.glob("*.log")]
        lines = [line for text in texts for line in text.splitlines()]
        return {line.removeprefix(TRACE_MARK) for line in lines if line.startswith(TRACE_MARK)}

    def plan_of(self, service: str, name: str, *, leases: bool) -> ProcessPlan:
        """A process of `service` under another name, with a data folder of its own."""
        plan = service_plan(service, self.folder, nats_url=self.infra.nats_url, database_url=self.infra.database_url)
        env = {**plan.env, "PITWIRE_LEASES": str(leases).lower(), "PITWIRE_DATA_DIR": str(self.folder.root / name)}
        return replace(plan, name=name, env=env)

    def mortal(self, name: str) -> MortalWorker:
        worker = self.workers[name]
        assert isinstance(worker, MortalWorker)
        return worker

    def signal(self, name: str, number: signal.Signals) -> int:
        """Sends it to one process, server or service; the moment (wall clock)."""
        os.kill(self.pids()[name], number)
        return time.time_ns()

    def is_recovered(self, name: str) -> bool:
        """The process that runs now says by its own heartbeat that it is ready."""
        worker = self.workers[name]
        said, beat = worker.announcement(), self.health.beat_of(name)
        lives = worker.pid != 0 and worker.returncode is None
        return bool(lives and said and beat and beat.ready and beat.instance == said["instance"])

    async def until_recovered(self, *, timeout_s: float) -> list[str]:
        """Waits until everything works; the names of what does not when the time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            await asyncio.sleep(POLL_S)
            alone = [name for name in SERVICES if not (self.double and name in DOUBLED)]
            waiting = [name for name in alone if not self.is_recovered(name)]
            waiting += [] if waiting else list(self.health.not_ready(now_ns=self.clock.monotonic_ns()))
            waiting += [name for name in ("nats", "postgres", "venue-sim") if name not in self.pids()]
            waiting += [] if waiting or await self._venue_answers() else ["venue-sim"]
            if not waiting or time.monotonic() > deadline:
                return waiting

    async def _venue_answers(self) -> bool:
        if self.control is None:
            return False
        try:
            await self.control.status()
        except VenueControlFailed:
            return False
        return True

    async def stand_still(self) -> None:
        """The market stops as soon as its venue can be told."""
        while True:
            try:
                await self.freeze_market()
            except VenueControlFailed:
                await asyncio.sleep(POLL_S)
            else:
                return


def write_config(data_dir: Path) -> Path:
    """The shipped configuration and the restless strategy, in the data folder of the campaign."""
    document = tomllib.loads(CONFIG.read_text())
    document["strategies"]["restless"] = {
        "type": f"{RESTLESS}:Restless",
        "account": "main",
        "capital": "20000",
        "instruments": list(document["strategies"]["momentum"]["instruments"]),
    }
    path = data_dir / "chaos.toml"
    path.write_text(tomli_w.dumps(document))
    return path


def points_of(service: str) -> list[CrashPoint]:
    """The crash points of one service, in the order in which it passes them."""
    return [point for point in CrashPoint if point.service == service]
