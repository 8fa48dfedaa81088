"""Cycles of killing, recovering and trading on, with an operator who halts, resumes and cancels all the while."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.chaos.checker import Verdict, check
from tests.chaos.system import DOUBLED, TWIN, MortalSystem, points_of

from pitwire.cli.addresses import plain_url
from pitwire.cli.operator import Operator
from pitwire.cli.run.plan import SERVICES
from pitwire.cli.run.session import cancel_everything
from pitwire.cli.verify import Outcome
from pitwire.cli.views.verified import verify_system
from pitwire.common.crashpoints import CrashPoint
from pitwire.common.enums import CancelPolicy, CommandVerb, HaltScope, TradingState
from pitwire.common.errors import PitwireError

ACCOUNT = "main"
SERVERS = ("nats", "postgres", "venue-sim")
RECOVERY_MAX_S = 60.0
REACH_MAX_S = 20.0
TRADE_ON_S = 0.5
PAUSE_S = 2.5
PASSES_MAX = 12
OPERATOR_PERIOD_S = 1.5
HALTED_S = 0.3
ANSWER_MAX_S = 3.0
VERIFY_WAIT_S = 45.0
POLL_S = 0.02
ON_STOP = frozenset({CrashPoint.GATE_SNAPSHOT_DUE, CrashPoint.GATE_SNAPSHOT_STORED, CrashPoint.EXECUTION_WITHDRAWN})
"""Points that are passed when a process is asked to stop."""

AFTER = {
    CrashPoint.EXECUTION_NOT_SENT_APPENDED: CrashPoint.EXECUTION_APPROVAL_READ,
    CrashPoint.EXECUTION_DOUBT_ASKED: CrashPoint.EXECUTION_RELEASED,
    CrashPoint.EXECUTION_DOUBT_ANSWERED: CrashPoint.EXECUTION_RELEASED,
}
"""Points that a life passes for sure when the one before ended at another."""


@dataclass
class Cycle:
    """What was done in one cycle and what came of it."""

    number: int
    kind: str
    kills: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    missed: list[str] = field(default_factory=list[str])
    recovered_s: float = 0.0
    orders: int = 0
    stuck: list[str] = field(default_factory=list[str])
    verified: dict[str, Any] = field(default_factory=dict[str, Any])
    checked: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def is_clean(self) -> bool:
        judged = not self.verified or (bool(self.verified["holds"]) and bool(self.checked["clean"]))
        return not self.stuck and judged


class Campaign:
    """Runs cycles on one system. `seed` decides what is killed when; `died_at` counts the points of earlier cycles."""

    def __init__(
        self, system: MortalSystem, *, seed: int, tell: Callable[[str], None], died_at: Counter[str] | None = None
    ) -> None:
        self.system = system
        self.random = random.Random(seed)
        self.cycles: list[Cycle] = []
        self.judgements = 0
        self._tell = tell
        self._seen = 0
        self._operating = asyncio.Event()
        self._operating.set()
        self._tried = Counter(died_at)

    # -- ways to die ---------------------------------------------------------------------------------------------

    async def walk(self, made: Cycle, service: str, points: list[tuple[CrashPoint, int]]) -> None:
        """Kills `service` at any moment, then has each further life end at the next point."""
        name = self._one_of(service)
        worker = self.system.mortal(name)
        worker.next_points.extend(f"{point}:{passes}" for point, passes in points)
        before = worker.pid
        self._kill(made, name)
        await self._until(lambda: worker.pid not in (0, before), REACH_MAX_S)
        for point, passes in points:
            await self._reach(made, name, point, partial(worker.has_left, f"{point}:{passes}"))

    async def _reach(self, made: Cycle, name: str, point: CrashPoint, died: Callable[[], bool]) -> None:
        """Waits for the life that is armed with this point to end there; one that will not is killed."""
        worker = self.system.mortal(name)
        if point in ON_STOP:
            await self._until(lambda: died() or self.system.is_recovered(name.removesuffix(TWIN)), RECOVERY_MAX_S)
            if not died():
                self.system.signal(name, signal.SIGTERM)
        if not await self._until(died, REACH_MAX_S):
            made.missed.append(str(point))
            self._kill(made, name)
            await self._until(died, REACH_MAX_S)
        await self._until(lambda: worker.pid != 0 and died(), REACH_MAX_S)

    async def at_a_point(self, made: Cycle) -> None:
        """A life that is armed ends at its point; a service whose life is not is killed, and its next one is armed."""
        service = self.random.choice(SERVICES)
        name = self._one_of(service)
        worker = self.system.mortal(name)
        life, armed = worker.life, worker.point
        worker.next_points.extend(f"{point}:{passes}" for point, passes in self._next_points(service))
        if armed:
            await self._reach(made, name, CrashPoint(armed.partition(":")[0]), lambda: worker.life != life)
            return
        self._kill(made, name)
        await self._until(lambda: worker.life != life, REACH_MAX_S)

    def _next_points(self, service: str) -> list[tuple[CrashPoint, int]]:
        """The point tried least so far, and at which pass: what happens once in a life cannot be passed twice."""
        point = min(points_of(service), key=lambda point: self._tried[point])
        points = [AFTER[point], point] if point in AFTER else [point]
        self._tried.update(points)
        return [(point, self.random.randint(1, PASSES_MAX) if point in REPEATED else 1) for point in points]

    async def at_random(self, made: Cycle) -> None:
        """One to three processes, servers included, a moment apart or none."""
        for name in self.random.sample((*SERVICES, *SERVERS), self.random.randint(1, 3)):
            self._kill(made, self._one_of(name))
            await asyncio.sleep(self.random.choice((0.0, 0.05, 0.3)))

    async def server(self, made: Cycle) -> None:
        """The bus, the database or the venue."""
        self._kill(made, self.random.choice(SERVERS))

    async def everything(self, made: Cycle) -> None:
        """All processes at once."""
        for name in list(self.system.pids()):
            self._kill(made, name)

    async def paused(self, made: Cycle) -> None:
        """The leader stands still while a standby takes over, then wakes up as if nothing had happened."""
        service = self.random.choice(DOUBLED)
        system, twin = self.system, service + TWIN
        standby = None
        if not system.double:
            standby = system._add_worker(twin, system.plan_of(service, twin, leases=True))
            standby.start()
            await asyncio.sleep(PAUSE_S)
        made.kills.append(
            {"name": service, "how": "paused", "point": "", "wall_ns": system.signal(service, signal.SIGSTOP)}
        )
        await asyncio.sleep(PAUSE_S)
        with contextlib.suppress(ProcessLookupError):
            system.signal(service, signal.SIGCONT)
        await asyncio.sleep(TRADE_ON_S)
        if standby is not None:
            made.kills.append(
                {"name": service, "how": "random", "point": "", "wall_ns": system.signal(twin, signal.SIGKILL)}
            )
            await standby.stop()
            del system.workers[twin]

    def _kill(self, made: Cycle, name: str) -> None:
        with contextlib.suppress(ProcessLookupError, KeyError):
            moment = self.system.signal(name, signal.SIGKILL)
            made.kills.append({"name": name.removesuffix(TWIN), "how": "random", "point": "", "wall_ns": moment})

    def _one_of(self, service: str) -> str:
        """One of the processes of a service."""
        twin = self.system.double and service in DOUBLED and self.random.random() < 0.5
        return service + TWIN if twin else service

    async def _until(self, holds: Callable[[], bool], timeout_s: float) -> bool:
        deadline = time.monotonic() + timeout_s
        while not holds():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    # -- cycles --------------------------------------------------------------------------------------------------

    async def run_cycle(self, kind: str, how: Callable[[Cycle], Coroutine[Any, Any, None]], *, judge: bool) -> Cycle:
        """One cycle: trade, die, recover, and where wanted stand still and be judged."""
        made = Cycle(len(self.cycles) + 1, kind)
        self.cycles.append(made)
        await asyncio.sleep(TRADE_ON_S)
        await how(made)
        began = time.monotonic()
        made.stuck = await self.system.until_recovered(timeout_s=RECOVERY_MAX_S)
        made.recovered_s = round(time.monotonic() - began, 2)
        made.orders = self.venue_log.read_bytes().count(b'"r":"order",')
        self._collect(made)
        if judge:
            await self.judge(made)
        return made

    def _collect(self, made: Cycle) -> None:
        """The deaths at crash points since the last cycle; our own signals were counted when sent."""
        for death in self.system.deaths[self._seen :]:
            if death.point:
                name = death.name.removesuffix(TWIN)
                made.kills.append({"name": name, "how": "point", "point": death.point, "wall_ns": death.wall_ns})
        self._seen = len(self.system.deaths)

    async def judge(self, made: Cycle) -> None:
        """Everything stands still, then both judges look."""
        self._operating.clear()
        await self.system.stand_still()
        await self._resume_all()
        outcome = await self._verified()
        verdict = await asyncio.to_thread(self._checked)
        made.verified = {
            "holds": outcome.holds,
            "checked": len(outcome.checks),
            "violated": [f"{found.id}: {found.detail}" for found in outcome.checks if not found.holds],
        }
        made.checked = verdict.document()
        self.judgements += 1
        self.system.trade()
        self._operating.set()

    async def _verified(self) -> Outcome:
        system = self.system
        return await verify_system(system.running(), system.bus, system.clock, wait_s=VERIFY_WAIT_S, say=self._tell)

    def _checked(self) -> Verdict:
        return check(self.venue_log, plain_url(self.system.infra.database_url))

    @property
    def venue_log(self) -> Path:
        return self.system.folder.venue / "venue.jsonl"

    # -- the operator --------------------------------------------------------------------------------------------

    async def operate(self) -> None:
        """Halts, resumes and cancels for ever; what is not answered is not waited for."""
        halts = cycle((HaltScope.STRATEGY, HaltScope.INSTRUMENT, HaltScope.ALL))
        while True:
            await asyncio.sleep(OPERATOR_PERIOD_S)
            await self._operating.wait()
            operator = Operator(self.system.bus, self.system.clock, answer_timeout_s=ANSWER_MAX_S)
            with contextlib.suppress(PitwireError):
                await self._halt(operator, next(halts))
            with contextlib.suppress(PitwireError):
                await operator.command(
                    CommandVerb.CANCEL, {"strategy": "restless"}, account=ACCOUNT, reason="the campaign"
                )

    async def _halt(self, operator: Operator, scope: HaltScope) -> None:
        targets = {HaltScope.STRATEGY: f"{ACCOUNT}/restless", HaltScope.INSTRUMENT: "BTC-USDT.sim"}
        try:
            await operator.halt(
                scope,
                targets.get(scope, ""),
                state=TradingState.HALTED,
                cancel=CancelPolicy.NON_PROTECTIVE,
                reason="the campaign",
            )
            await asyncio.sleep(HALTED_S)
        finally:
            await self._resume(operator)

    async def _resume(self, operator: Operator) -> None:
        await operator.command(CommandVerb.RESUME, {"halts": "all"}, account=ACCOUNT, reason="the campaign")

    async def _resume_all(self) -> None:
        operator = Operator(self.system.bus, self.system.clock, answer_timeout_s=ANSWER_MAX_S)
        for _ in range(3):
            with contextlib.suppress(PitwireError):
                if not await operator.active_halts():
                    return
                await self._resume(operator)

    async def settle(self) -> None:
        """The end: nothing new, nothing working."""
        self._operating.clear()
        await self.system.stand_still()
        await self._resume_all()
        await self.system.stop_strategies()
        operator = Operator(self.system.bus, self.system.clock, answer_timeout_s=ANSWER_MAX_S)
        with contextlib.suppress(PitwireError):
            await cancel_everything(operator, ACCOUNT)


REPEATED = frozenset(
    {
        CrashPoint.FEED_QUOTE_PUBLISHED,
        CrashPoint.STRATEGY_INTENT_MADE,
        CrashPoint.STRATEGY_INTENT_STORED,
        CrashPoint.STRATEGY_ANSWER_READ,
        CrashPoint.GATE_INTENT_READ,
        CrashPoint.GATE_DECIDED,
        CrashPoint.GATE_DECISION_APPENDED,
        CrashPoint.GATE_MARKED,
        CrashPoint.GATE_MARKS_APPENDED,
        CrashPoint.EXECUTION_APPROVAL_READ,
        CrashPoint.EXECUTION_SUBMITTING_MADE,
        CrashPoint.EXECUTION_SUBMITTING_APPENDED,
        CrashPoint.EXECUTION_RELEASED,
        CrashPoint.EXECUTION_SENT,
        CrashPoint.EXECUTION_ANSWERED,
        CrashPoint.EXECUTION_WORD_HEARD,
        CrashPoint.EXECUTION_REPORT_MADE,
        CrashPoint.EXECUTION_REPORT_APPENDED,
        CrashPoint.ROWS_BATCH_READ,
        CrashPoint.ROWS_LOCKED,
        CrashPoint.ROWS_WRITTEN,
        CrashPoint.ROWS_CURSOR_MOVED,
        CrashPoint.ROWS_COMMITTED,
    }
)
"""Points that a trading process passes all the time."""
