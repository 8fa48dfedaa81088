"""One account's gate: journal and intents in, the ledger out by compare-and-set."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_MS, NS_PER_S
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity, CancelPolicy, HaltScope
from pitwire.common.errors import AppendRefused, DecodeError, InvariantBroken, LostRace, PitwireError
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.journal import FencedWriter
from pitwire.common.portfolio import AccountState
from pitwire.common.portfolio.chain import LedgerRecord
from pitwire.common.portfolio.view import CoveredEvent
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.ledger import DECISIONS_MAX, Cursors, Halt, RiskDecision
from pitwire.common.shell import Shell
from pitwire.common.snapshots import SnapshotStore
from pitwire.risk_gate import core
from pitwire.risk_gate.handlers.agreement import Agreement, must_lead_alone
from pitwire.risk_gate.handlers.breaches import BreachDesk
from pitwire.risk_gate.handlers.effects import Effects
from pitwire.risk_gate.handlers.intent_queue import IntentQueue
from pitwire.risk_gate.handlers.intents import intent_input, intent_life
from pitwire.risk_gate.handlers.market import MarketView
from pitwire.risk_gate.handlers.metrics import Metrics, publish_figures

SNAPSHOT_EVERY: Final = 1_000
"""Ledger records between two snapshots: what a start reads at most beyond the last one."""

QUIET_NS: Final = 20 * NS_PER_MS
"""So long after a ledger record, news that no decision covered meanwhile gets a record of its own.

An order that follows another within this time saves a synced write: one in four at 100 orders a second.
"""

TICK_S: Final = 0.25
"""Between two looks at what only time brings: figures, marks that may be recorded again. Everything else wakes it."""

HALT_RETRY_S: Final = 1.0
METRICS_PERIOD_NS: Final = 1 * NS_PER_S
MARKS_WALL_PERIOD_NS: Final = 100 * NS_PER_MS
"""A fast replay passes a market second every few milliseconds; the ledger takes marks at most this often."""


class AccountGate:
    """Live runtime of `AccountState` and the core. Everything that changes the state comes from the journal.

    `state` has applied everything read, so that decisions see it; `_ledger` only what the ledger covers. When another
    gate's record covers less than `state` has applied, `state` is made anew from `_ledger`, and nothing is lost.
    What a subject can carry is fixed by the registry, which the codec enforces: hence the casts.
    """

    def __init__(
        self,
        service: Shell,
        state: AccountState,
        market: MarketView,
        agreement: Agreement,
        venue_accounts: Mapping[str, str],
        metrics: Metrics,
    ) -> None:
        self.state = state
        self._ledger = state.rewound()
        self._venue_accounts = dict(venue_accounts)
        self._service = service
        self._market = market
        self._metrics = metrics
        self._agreement = agreement
        self._subject = subjects.ledger(state.account)
        self._writer = FencedWriter(service.bus, self._subject, self, on_refused=self._on_refused)
        self._intents = IntentQueue()
        self._breaches = BreachDesk(self)
        self.effects = Effects()
        self._deciding: list[core.IntentInput] = []
        self._intent_epoch = ""
        self._refused = False
        self.stopped = ""
        self.leads = False
        self._wake = asyncio.Event()
        self._folded = asyncio.Condition()
        self._caught_up = asyncio.Event()
        self._snapshots = SnapshotStore(service.bus, service="risk-gate", account=state.account)
        self._snapshot_no = state.ledger_no
        self._read_to = state.resume_from - 1
        self._marks_ns = self._written_ns = self._metrics_ns = 0
        market.on_change.append(self._wake.set)

    @property
    def shell(self) -> Shell:
        """The shell this gate runs in."""
        return self._service

    @property
    def venue_accounts(self) -> tuple[str, ...]:
        return tuple(self._venue_accounts)

    # -- the fold ------------------------------------------------------------------------------------------------

    @property
    def last_sequence(self) -> int:
        return self.state.ledger_sequence

    def written(self, sequence: int, message: Message, data: bytes) -> None:
        if sequence <= self._ledger.ledger_sequence:
            return
        self._refused = False
        self._written_ns = self._service.clock.monotonic_ns()
        record = cast("LedgerRecord", message)
        if self.leads:
            must_lead_alone(record)
        self._ledger.apply_ledger(sequence, record, data)
        self.effects.note(sequence, record)
        try:
            self.state.apply_ledger(sequence, record, data)
        except LostRace:
            self.state = self._ledger.rewound()

    async def folded(self, sequence: int) -> None:
        async with self._folded:
            await self._folded.wait_for(lambda: self.state.ledger_sequence >= sequence)

    async def follow_journal(self) -> None:
        """Folds the journal for ever; `caught_up` is set when everything stored before the start is folded."""
        filters = subjects.oms_of(self.state.account)
        after = self.state.resume_from - 1
        async for batch in self._service.bus.read(topology.OMS.name, filters, after=after):
            news = False
            for record in batch:
                try:
                    news |= await self._fold(record)
                except (DecodeError, InvariantBroken) as fault:
                    await self._halt_account(record, str(fault))
                    return
            if not batch:
                crashpoint(CrashPoint.GATE_FOLDED)
                self._caught_up.set()
            else:
                self._read_to = batch[-1].sequence
                self._service.progress(cursor=batch[-1].sequence, lag=batch[-1].pending)
            async with self._folded:
                self._folded.notify_all()
            if news:
                self._wake.set()

    async def _fold(self, record: Record) -> bool:
        """Whether it was new. What cannot be decoded: a ledger or execution event stops this account, a halt all."""
        own = self._writer.own(record.data) if record.subject == self._subject else None
        if record.subject == self._subject and record.sequence <= self._ledger.ledger_sequence:
            return False
        try:
            message = own or codec.decode_known(record.subject, record.schema, record.data)
        except DecodeError as error:
            await self._service.quarantine(record, error.reason, stream=topology.OMS.name)
            if subjects.tokens(subjects.HALT, record.subject) is not None:
                for state in (self.state, self._ledger):
                    state.observe_undecodable_halt(record.sequence)
                return True
            raise
        if record.subject == self._subject:
            self.written(record.sequence, message, record.data)
        else:
            for state in (self.state, self._ledger):
                state.observe(record.sequence, cast("CoveredEvent", message))
        return True

    async def caught_up(self) -> None:
        """Returns when everything stored before the start is folded, or the account had to be stopped."""
        await self._caught_up.wait()

    async def _halt_account(self, record: Record, fault: str) -> None:
        """A record that cannot be folded is never skipped: this account decides nothing more, the others go on."""
        account = self.state.account
        self.stopped = f"{record.subject} {record.sequence}: {fault}"
        await self._service.alert(AlertSeverity.CRITICAL, "POISON", self.stopped, account=account)
        halt = Halt(
            halt_id=f"poison-{account[:16]}-{record.sequence}",
            scope=HaltScope.ACCOUNT,
            target=account,
            cancel=CancelPolicy.NON_PROTECTIVE,
            reason=self.stopped[:512],
            source="risk-gate",
            ts_ns=self._service.clock.wall_ns(),
        )
        self._caught_up.set()
        while True:
            try:
                await self._service.bus.append(
                    subjects.halt("risk-gate"), codec.encode(halt), codec.headers_for(halt), message_id=halt.halt_id
                )
            except PitwireError as error:
                await self._service.alert(AlertSeverity.CRITICAL, "HALT_NOT_STORED", str(error), account=account)
                await asyncio.sleep(HALT_RETRY_S)
            else:
                return

    async def _on_refused(self, refused: AppendRefused) -> None:
        """The ledger takes nothing: told once until it does again."""
        if not self._refused:
            self._refused = True
            text = f"the ledger takes no record: {refused}"
            await self._service.alert(AlertSeverity.CRITICAL, "LEDGER_REFUSED", text, account=self.state.account)

    # -- intents -------------------------------------------------------------------------------------------------

    async def find_intents(self) -> None:
        """Learns which life of the intent stream this is: before anything is written, since every record says it."""
        self._intent_epoch = intent_life(await self._service.bus.state(topology.INTENTS.name), self.state.cursors)

    async def follow_intents(self) -> None:
        """Queues intents from the cursor in the ledger on; what was decided before a restart is not read again."""
        cursors = self.state.cursors
        after = cursors.intent_sequence if cursors.intent_epoch == self._intent_epoch else 0
        filters = (subjects.intents_of(self.state.account),)
        async for batch in self._service.bus.read(topology.INTENTS.name, filters, after=after):
            if self.stopped:
                return
            self._intents.put(intent_input(record) for record in batch)
            if batch:
                crashpoint(CrashPoint.GATE_INTENT_READ)
            self._wake.set()
            await self._intents.has_room()

    def _is_decided(self, waiting: core.IntentInput) -> bool:
        """The ledger answers it already: republished, or decided by another gate."""
        cursors, intent = self.state.cursors, waiting.intent
        if cursors.intent_epoch == self._intent_epoch and waiting.sequence <= cursors.intent_sequence:
            return True
        return intent is not None and intent.intent_no <= self.state.last_intent_no(intent.strategy)

    # -- the ledger ----------------------------------------------------------------------------------------------

    async def until(self, holds: Callable[[], bool], *, timeout_s: float) -> bool:
        """Waits, bounded, for the state to be so; whether it came to that."""
        try:
            async with asyncio.timeout(timeout_s):
                async with self._folded:
                    await self._folded.wait_for(holds)
        except TimeoutError:
            return False
        return True

    async def write(self, make: Callable[[], Message | None], *, trace: str = "") -> int:
        """Writes one ledger record made from the current state; 0 when there was nothing to write."""
        sequence = await self._writer.write(make, trace=trace)
        self._metrics.wrote(self.state.account, self._writer, sequence)
        return sequence

    def place(self, *, intent_sequence: int | None = None, control_sequence: int | None = None) -> dict[str, Any]:
        """The fields that put a record at the end of the chain, covering everything seen so far."""
        cursors = self.state.cursors
        same_life = cursors.intent_epoch == self._intent_epoch
        return {
            "account": self.state.account,
            "ledger_no": self.state.ledger_no + 1,
            "epoch": self.state.epoch,
            "prev_hash": self.state.prev_hash,
            "ts_ns": self._service.clock.wall_ns(),
            "ts_market_ns": self._market.ts_market_ns,
            "cursors": Cursors(
                intent_epoch=self._intent_epoch,
                intent_sequence=intent_sequence or (cursors.intent_sequence if same_life else 0),
                oms_sequence=self.state.observed_sequence,
                control_sequence=control_sequence or cursors.control_sequence,
            ),
        }

    async def work(self) -> None:
        """Rolls the day, withdraws at a breach, decides and marks for ever, in that order of urgency."""
        loop = asyncio.get_running_loop()
        while not self.stopped:
            self._wake.clear()
            while await self._step():
                pass
            timer = loop.call_later(QUIET_NS / NS_PER_S if self.state.has_news else TICK_S, self._wake.set)
            await self._wake.wait()
            timer.cancel()

    async def _step(self) -> bool:
        """One piece of work; False when nothing is due."""
        if self.stopped:
            return False
        await self._publish_metrics()
        if self._ledger.ledger_no - self._snapshot_no >= SNAPSHOT_EVERY:
            await self.save_snapshot()
        if await self.write(self._day) or await self._breaches.act() or await self._decide():
            return True
        if await self.write(self._quarantine):
            return True
        if not await self.write(self._marks):
            return False
        crashpoint(CrashPoint.GATE_MARKS_APPENDED)
        return True

    async def _decide(self) -> bool:
        """Decides the next intents, in the trace of each."""
        traces = [waiting.trace for waiting in self._intents.next(self._is_decided, DECISIONS_MAX)]
        if not traces:
            return False
        with self._service.tracing.span("risk-gate.decide", *traces, account=self.state.account) as trace:
            if not await self.write(self._decision, trace=trace):
                return False
        self._intents.done(self._deciding)
        crashpoint(CrashPoint.GATE_DECISION_APPENDED)
        return True

    async def save_snapshot(self) -> None:
        """Keeps the state at the last ledger record; a failure costs only a longer start, so it is only told."""
        self._snapshot_no = self._ledger.ledger_no
        crashpoint(CrashPoint.GATE_SNAPSHOT_DUE)
        try:
            await self._snapshots.save(
                self._ledger,
                oms_sequence=self._ledger.ledger_sequence,
                record_hash=self._ledger.prev_hash,
                ts_ns=self._service.clock.wall_ns(),
                read_to=min(self._read_to, self._ledger.settled_to),
            )
        except PitwireError as error:
            text = f"snapshot at ledger record {self._snapshot_no} not kept: {error}"
            await self._service.alert(AlertSeverity.WARNING, "SNAPSHOT", text, account=self.state.account)
            return
        crashpoint(CrashPoint.GATE_SNAPSHOT_STORED)

    def advance(self) -> None:
        """Applies what was read, which the next record will cover: decisions are made on that state."""
        self.state.advance(self.state.observed_sequence)

    def _day(self) -> Message | None:
        now = self._market.ts_market_ns
        if not now or core.session_day(now) <= self.state.day:
            return None
        self.advance()
        return core.day_due(self.state, self._market.marks, ts_market_ns=now, place=self.place())

    @property
    def instruments(self) -> InstrumentRegistry:
        """Every instrument that its venue defined."""
        return self._market.instruments

    def decision(self, batch: Sequence[core.IntentInput], **cursors: int | None) -> RiskDecision:
        """The core's verdicts on `batch` now, in the record that says all they are made of; `cursors` of `place`."""
        self.advance()
        place = self.place(**cursors)
        context = self._market.context(
            place, batch, venue_accounts=self._venue_accounts, disagreement=self._agreement.disagreement
        )
        return core.decided(self.state, batch, context, place=place)

    def _decision(self) -> Message | None:
        batch = self._deciding = self._intents.next(self._is_decided, DECISIONS_MAX)
        if not batch:
            return None
        record = self.decision(batch, intent_sequence=self._intents.cursor_after(batch, self._is_decided))
        crashpoint(CrashPoint.GATE_DECIDED)
        return record

    def valuation(self, asset: str) -> Message:
        """What `asset` is worth now: recorded before money in it is booked, which then is neither profit nor loss."""
        self.advance()
        return core.marks_record(self.state, self._market.marks, place=self.place(), asset=asset)

    def _quarantine(self) -> Message | None:
        return core.quarantine_due(self.state, place=self.place())

    def _marks(self) -> Message | None:
        now = self._service.clock.monotonic_ns()
        marks, market_ns = self._market.marks, self._market.ts_market_ns
        due = core.marks_due(
            self.state,
            marks,
            ts_market_ns=market_ns,
            periodic=now - self._marks_ns >= MARKS_WALL_PERIOD_NS,
            quiet=now - self._written_ns >= QUIET_NS,
        )
        if not due:
            return None
        self._marks_ns = now
        self.advance()
        crashpoint(CrashPoint.GATE_MARKED)
        return core.marks_record(self.state, marks, place=self.place())

    async def _publish_metrics(self) -> None:
        now = self._service.clock.monotonic_ns()
        if now - self._metrics_ns < METRICS_PERIOD_NS or self.state.limits is None:
            return
        self._metrics_ns = now
        await publish_figures(self._service, self.state, self._market)
