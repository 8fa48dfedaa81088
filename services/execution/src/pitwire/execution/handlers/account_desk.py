"""One account at work: what the core wants is done here, and what came of it goes back to the core."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final

from pitwire.common import subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_S
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity, CancelPolicy, HaltScope, NotSentReason
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecEvent
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.core.actions import (
    Action,
    Alarm,
    Cancel,
    Deposed,
    FetchTrades,
    Investigate,
    Send,
    Submit,
    Tell,
)
from pitwire.execution.core.fold import SERVICE, ExecutionCore
from pitwire.execution.core.last_hop import Refusal
from pitwire.execution.core.silence import GateWatch
from pitwire.execution.core.venue import OrderFacts, SubmitAnswer
from pitwire.execution.handlers.errands import Errands
from pitwire.execution.handlers.metrics import Metrics
from pitwire.execution.handlers.snapshots import SnapshotDesk
from pitwire.execution.handlers.venue_desk import VenueDesk
from pitwire.execution.handlers.writer import ExecWriter
from pitwire.execution.ports import CannotSign, Prepared, Shell, Unsupported

POISON_ID: Final = "poison-{account}-{sequence}"


class AccountDesk:
    """Runtime of one `ExecutionCore`. `observe` is called by the journal's reader alone, in sequence order."""

    def __init__(
        self,
        shell: Shell,
        core: ExecutionCore,
        venues: Mapping[str, VenueDesk],
        watch: GateWatch,
        metrics: Metrics,
        errands: Errands,
        *,
        on_change: Callable[[], None],
    ) -> None:
        self.core = core
        self.venues = venues
        self.writer = ExecWriter(shell, core, metrics)
        self.snapshots = SnapshotDesk(shell, core)
        self.stopping = False
        self.led = asyncio.Event()
        """This process leads the account, or will never: its journal cannot be read."""

        self._shell = shell
        self._watch = watch
        self._metrics = metrics
        self._errands = errands
        self._on_change = on_change
        self._prepared: dict[str, Prepared] = {}
        self._approved_ns: dict[str, int] = {}
        for venue in venues.values():
            venue.desk = self

    @property
    def account(self) -> str:
        return self.core.account

    # -- the journal ---------------------------------------------------------------------------------------------

    async def observe(self, sequence: int, event: Message) -> int:
        """Folds one record and does what follows; returns how many cancels were asked for."""
        actions = self.core.observe(sequence, event, self._shell.clock.wall_ns())
        for action in actions:
            if isinstance(action, Send):
                await self._send(action.client_order_id)
            else:
                self._do(action)
        if self.core.leading or self.core.stopped:
            self.led.set()
        return sum(isinstance(action, Cancel) for action in actions)

    async def poison(self, record: Record, reason: str) -> Halt:
        """A record of this account that cannot be folded: the account stops here; returns the halt that tells all."""
        why = f"{record.subject} at sequence {record.sequence}: {reason}"
        self.perform(self.core.stop(why))
        self.led.set()
        self._on_change()
        await self._shell.quarantine(record, reason, stream=topology.OMS.name)
        await self._shell.alert(AlertSeverity.CRITICAL, "POISON", why, account=self.account)
        return Halt(
            halt_id=POISON_ID.format(account=self.account, sequence=record.sequence)[-36:],
            scope=HaltScope.ACCOUNT,
            target=self.account,
            cancel=CancelPolicy.NON_PROTECTIVE,
            reason=why[:512],
            source=SERVICE,
            ts_ns=self._shell.clock.wall_ns(),
        )

    # -- actions -------------------------------------------------------------------------------------------------

    def perform(self, actions: Iterable[Action]) -> int:
        """Does what the core wants, in order; returns how many execution events that makes."""
        told = 0
        for action in actions:
            self._do(action)
            told += isinstance(action, Tell)
        return told

    def _do(self, action: Action) -> None:
        if isinstance(action, Tell):
            self.writer.tell(action.event)
        elif isinstance(action, Submit):
            self._submit(action.client_order_id)
        elif isinstance(action, Cancel | Investigate | FetchTrades):
            entry = self.core.orders.get(action.client_order_id)
            if entry is not None:
                self.venues[entry.told.venue_account].do(action)
        elif isinstance(action, Alarm):
            self._raise_alarm(action)
        elif isinstance(action, Deposed):
            self._shell.fail(action.detail)

    def _raise_alarm(self, alarm: Alarm) -> None:
        async def raise_it(_: asyncio.Event) -> None:
            await self._shell.alert(
                alarm.severity, alarm.code, alarm.text, account=self.account, strategy=alarm.strategy
            )

        self._errands.run(f"alarm {alarm.code} {alarm.text}", raise_it)

    # -- the order path --------------------------------------------------------------------------------------------

    def _submit(self, client_order_id: str) -> None:
        entry = self.core.orders.get(client_order_id)
        if entry is not None and not self.stopping:
            crashpoint(CrashPoint.EXECUTION_APPROVAL_READ)
            self._approved_ns[client_order_id] = self._shell.clock.monotonic_ns()
            self.writer.submit(partial(self._compose, client_order_id), entry.trace)

    def _compose(self, client_order_id: str) -> ExecEvent | None:
        """A new order's turn: its `Submitting`, signed now. What goes no further is told in the other queue.

        So orders that came too late in a crowd do not hold up those that are still in time.
        """
        now_ns = self._shell.clock.wall_ns()
        refusal = self._refuse(client_order_id, now_ns)
        if refusal is not None:
            self._approved_ns.pop(client_order_id, None)
            self.writer.tell(refusal)
            return None
        hop = self.core.last_hop
        entry = self.core.orders.get(client_order_id)
        order = hop.wanted(client_order_id)
        if entry is None:
            return None
        venue = self.venues[entry.told.venue_account].venue
        with self._shell.tracing.span("execution.submit", entry.trace, client_order_id=client_order_id) as trace:
            try:
                prepared = venue.prepare(order, now_ns=now_ns, expires_ns=entry.valid_until_ns)
            except Unsupported as error:
                self.writer.tell(hop.not_sent(client_order_id, Refusal(NotSentReason.UNSUPPORTED, str(error)), now_ns))
                return None
            except CannotSign as error:
                self.writer.tell(hop.not_sent(client_order_id, Refusal(NotSentReason.CLOCK_SKEW, str(error)), now_ns))
                return None
            self._prepared[client_order_id] = prepared
            crashpoint(CrashPoint.EXECUTION_SUBMITTING_MADE)
            return hop.submitting(
                order,
                request_hash=prepared.request_hash,
                valid_until_ns=prepared.valid_until_ns,
                trace=trace,
                now_ns=now_ns,
            )

    def _refuse(self, client_order_id: str, now_ns: int) -> ExecEvent | None:
        entry = self.core.orders.get(client_order_id)
        venue = self.venues.get(entry.told.venue_account) if entry else None
        gate_fresh = self._watch.is_fresh(self.core.gate_leader, self._shell.clock.monotonic_ns())
        return self.core.last_hop.refuse(
            client_order_id,
            now_ns,
            venue_trouble=venue.trouble if venue else "no such venue account",
            gate_fresh=gate_fresh,
        )

    async def _send(self, client_order_id: str) -> None:
        """Everything before the own `Submitting` has been seen: the last look, then the wire, with nothing between."""
        clock = self._shell.clock
        prepared = self._prepared.pop(client_order_id, None)
        approved_ns = self._approved_ns.pop(client_order_id, 0)
        refusal = self._refuse(client_order_id, clock.wall_ns())
        if refusal is not None or prepared is None:
            if refusal is not None:
                self.writer.tell(refusal)
            return
        self.core.last_hop.sending(client_order_id)
        entry = self.core.orders.get(client_order_id)
        if entry is None:
            return
        crashpoint(CrashPoint.EXECUTION_RELEASED)
        with self._shell.tracing.span("execution.send", entry.trace, client_order_id=client_order_id):
            answer = await self.venues[entry.told.venue_account].venue.send(prepared)
        crashpoint(CrashPoint.EXECUTION_SENT)
        sent_ns = clock.monotonic_ns()
        answer.add_done_callback(partial(self._on_answer, client_order_id, sent_ns))
        self._metrics.sent.inc()
        if approved_ns:
            self._metrics.approval_to_wire.observe((sent_ns - approved_ns) / NS_PER_S)

    def _on_answer(self, client_order_id: str, sent_ns: int, answer: asyncio.Future[SubmitAnswer]) -> None:
        if answer.cancelled():
            return
        crashpoint(CrashPoint.EXECUTION_ANSWERED)
        self._metrics.wire_to_answer.observe((self._shell.clock.monotonic_ns() - sent_ns) / NS_PER_S)
        try:
            self.perform(self.core.answered(client_order_id, answer.result(), self._shell.clock.wall_ns()))
        except Exception as error:  # noqa: BLE001 - a callback of the loop has nobody above it: the process ends instead
            self._shell.fail(f"answer to {client_order_id} could not be taken: {error}", error)

    # -- the venue's words -----------------------------------------------------------------------------------------

    def told(self, facts: OrderFacts, venue_account: str) -> int:
        """Takes a word of the venue; returns how many events it made."""
        if not self.core.leading or self.core.stopped:
            return 0
        return self.perform(self.core.told(facts, venue_account, self._shell.clock.wall_ns()))

    def withdraw(self, reason: str) -> int:
        """Cancels what works, except protective stops."""
        actions = self.core.withdraw(reason, self._shell.clock.wall_ns())
        self.perform(actions)
        return sum(isinstance(action, Cancel) for action in actions)

    @property
    def is_settled(self) -> bool:
        """Nothing is on its way to the journal, and no answer of the venue is outstanding."""
        waiting = (entry for entry in self.core.orders.unsettled() if entry.queued or entry.awaiting)
        return self.writer.is_idle and not any(True for _ in waiting)

    @property
    def is_quiet(self) -> bool:
        """Nothing is on its way to the venue or the journal, and nothing works but protective stops."""
        if self.core.stopped or not self.core.leading:
            return True
        waiting = (entry for entry in self.core.orders.unsettled() if entry.is_out and not entry.is_protective)
        return self.writer.is_idle and not any(True for _ in waiting)

    @property
    def subjects(self) -> tuple[str, str]:
        return subjects.ledger(self.account), subjects.exec_events(self.account)
