"""The one writer of an account's execution events: one after the other, by compare-and-set, nothing lost on the way."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from pitwire.common import subjects
from pitwire.common.agreement import BUILD
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity, ExecType
from pitwire.common.errors import AppendRefused, BusUnavailable
from pitwire.common.journal import FencedWriter
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecEvent, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import LeaderChanged
from pitwire.execution.core.fold import SERVICE, ExecutionCore
from pitwire.execution.handlers.metrics import Metrics
from pitwire.execution.ports import Shell

QUEUE_MAX: Final = 100_000
URGENT_IN_A_ROW_MAX: Final = 8
"""New orders go before reports, but not for ever."""

REFUSED_WAIT_S: Final = 1.0

APPENDED: Final[Mapping[type[ExecEvent], CrashPoint]] = {
    Submitting: CrashPoint.EXECUTION_SUBMITTING_APPENDED,
    NotSent: CrashPoint.EXECUTION_NOT_SENT_APPENDED,
    ExecReport: CrashPoint.EXECUTION_REPORT_APPENDED,
}
Job = tuple[Callable[[], ExecEvent | None], str]
"""What makes the event, and the trace it belongs to."""


class ExecWriter:
    """Two queues: `submit` for what leads to a new order, `tell` for what the venue said. `run` empties them.

    An event is made when its turn comes. After a lost race or an unknown outcome the same event is offered for the same
    place, until it stands there; if another leader's record stands there instead, the core has seen it and nothing more
    is written.
    """

    def __init__(self, shell: Shell, core: ExecutionCore, metrics: Metrics) -> None:
        self._shell = shell
        self._core = core
        self._metrics = metrics
        self._subject = subjects.exec_events(core.account)
        self._fenced = FencedWriter(shell.bus, self._subject, self)
        self._urgent: deque[Job] = deque()
        self._ordinary: deque[ExecEvent] = deque()
        self._in_a_row = 0
        self._wake = asyncio.Event()
        self._folded = asyncio.Condition()
        self._busy = False

    # -- what `FencedWriter` asks ------------------------------------------------------------------------------------

    @property
    def last_sequence(self) -> int:
        return self._core.place.sequence

    def written(self, sequence: int, message: Message, data: bytes) -> None:  # noqa: ARG002 - the shape of the port
        """Only the place moves on: the event is folded when the reader brings it, after all that is before it."""
        if isinstance(message, ExecEvent | LeaderChanged):
            self._core.place.take(sequence, message)

    async def folded(self, sequence: int) -> None:
        async with self._folded:
            await self._folded.wait_for(lambda: self._core.place.sequence >= sequence)

    def own(self, record: Record) -> Message | None:
        """The event of this process that the record is; None for anybody else's."""
        return self._fenced.own(record.data) if record.subject == self._subject else None

    async def on_folded(self) -> None:
        """The reader has folded another batch."""
        async with self._folded:
            self._folded.notify_all()

    # -- queues --------------------------------------------------------------------------------------------------

    def submit(self, make: Callable[[], ExecEvent | None], trace: str) -> None:
        """`make` is asked for its event right before it is appended: it signs as late as can be."""
        self._urgent.append((make, trace))
        self._wake.set()

    def tell(self, event: ExecEvent) -> None:
        if len(self._ordinary) >= QUEUE_MAX:
            self._shell.fail(f"more than {QUEUE_MAX} events of {self._core.account} wait for the journal")
            return
        self._ordinary.append(event)
        self._wake.set()

    @property
    def is_idle(self) -> bool:
        return not self._busy and not self._urgent and not self._ordinary

    async def lead(self, leader: str) -> None:
        """Takes over the account: the first record of this process; an older leader loses its next write."""

        def make() -> Message | None:
            place = self._core.place
            if place.leader == leader:
                return None
            return LeaderChanged(
                service=SERVICE,
                leader=leader,
                build=BUILD,
                epoch=place.epoch + 1,
                account=self._core.account,
                exec_no=place.exec_no + 1,
                ts_ns=self._shell.clock.wall_ns(),
            )

        await self._fenced.write(make)

    async def run(self) -> None:
        """Appends for ever, in order; waits as long as the bus is away."""
        while True:
            job = self._next()
            if job is None:
                self._wake.clear()
                await self._wake.wait()
                continue
            self._busy = True
            await self._append(*job)
            self._busy = False

    def _next(self) -> Job | None:
        self._metrics.queued.set(len(self._urgent) + len(self._ordinary))
        if self._urgent and (self._in_a_row < URGENT_IN_A_ROW_MAX or not self._ordinary):
            self._in_a_row += 1
            return self._urgent.popleft()
        self._in_a_row = 0
        if not self._ordinary:
            return None
        event = self._ordinary.popleft()
        return (lambda: event), event.trace

    async def _append(self, job: Callable[[], ExecEvent | None], trace: str) -> None:
        attempt: ExecEvent | None = None

        def make() -> ExecEvent | None:
            nonlocal attempt
            core = self._core
            if not core.leading or core.stopped:
                return None
            if attempt is None:
                event = job()
                if event is None:
                    return None
                placed = {"exec_no": core.place.exec_no + 1, "epoch": core.place.epoch}
                attempt = event.model_copy(update=placed)
                if isinstance(event, ExecReport):
                    crashpoint(CrashPoint.EXECUTION_REPORT_MADE)
            return attempt if attempt.exec_no > core.place.exec_no else None

        with self._shell.tracing.span("execution.append", trace, account=self._core.account) as here:
            await self._write(make, here)
        if self._fenced.races_lost:
            self._metrics.races.inc(self._fenced.races_lost)
            self._fenced.races_lost = 0
        if attempt is not None:
            self._appended(attempt)

    async def _write(self, make: Callable[[], ExecEvent | None], trace: str) -> None:
        """Until it stands in the journal, or is not wanted there any more."""
        while True:
            try:
                await self._fenced.write(make, trace=trace)
            except BusUnavailable as away:
                self._shell.log.warning("execution events wait for the bus", reason=str(away))
            except AppendRefused as refused:
                await self._shell.alert(
                    AlertSeverity.CRITICAL, "JOURNAL_REFUSES", str(refused), account=self._core.account
                )
                await asyncio.sleep(REFUSED_WAIT_S)
            else:
                return

    def _appended(self, event: ExecEvent) -> None:
        if (point := APPENDED.get(type(event))) is not None:
            crashpoint(point)
        kind = event.exec_type.value if isinstance(event, ExecReport) else type(event).__name__
        self._metrics.events.labels(kind).inc()
        if isinstance(event, NotSent):
            self._metrics.not_sent.labels(event.reason.value).inc()
        elif isinstance(event, ExecReport) and event.exec_type is ExecType.UNKNOWN:
            self._metrics.unknown.inc()
