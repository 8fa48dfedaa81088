"""One account's journal read once: numbers, chain, two folds, plain books, and every promise an order makes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from pitwire.cli.verify.evidence import VenueAccount
from pitwire.cli.verify.findings import JournalFindings
from pitwire.cli.verify.risk import RiskAudit
from pitwire.cli.verify.truth import Truth
from pitwire.common import codec
from pitwire.common.enums import ExecType, OrderStatus, TradingState
from pitwire.common.errors import InvariantBroken, LostRace
from pitwire.common.fills import Fill
from pitwire.common.halts import Halts
from pitwire.common.ids import client_order_id, content_hash, venue_of
from pitwire.common.order_state import OrderState
from pitwire.common.order_transitions import AnomalyCode
from pitwire.common.portfolio import AccountState, Changes, CoveredEvent
from pitwire.common.schemas.execution import AlgoStep, ExecEvent, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import (
    Approved,
    CapitalRecorded,
    DayRolled,
    Denied,
    IncarnationStarted,
    LeaderChanged,
    LedgerEvent,
    LimitsApplied,
    RiskDecision,
    Verdict,
)

WRONG_STATES = frozenset(
    {
        AnomalyCode.ILLEGAL_TRANSITION,
        AnomalyCode.MISMATCH,
        AnomalyCode.OVERFILL,
        AnomalyCode.FILL_AFTER_TERMINAL,
        AnomalyCode.UNAPPROVED_ORDER,
        AnomalyCode.TRADE_CONFLICT,
        AnomalyCode.UNKNOWN_TRADE,
        AnomalyCode.EMPTY_FILL,
    }
)
"""Anomalies of the fold that no healthy run has."""


@dataclass(frozen=True, slots=True)
class Approval:
    """An approval and where it stands."""

    sequence: int
    decision: RiskDecision
    approved: Approved


@dataclass(slots=True)
class Sending:
    """What execution wrote about sending one order. `ended` is the report after which the venue has it no longer."""

    sequence: int
    submitting: Submitting
    forbidden_by: str = ""
    not_sent: NotSent | None = None
    reports: int = 0
    in_doubt: bool = False
    ended: int = 0
    venue_order_ids: dict[str, None] = field(default_factory=dict[str, None])

    @property
    def is_open_question(self) -> bool:
        """The venue has said nothing yet, or execution does not know what it did."""
        return self.in_doubt or (not self.reports and self.not_sent is None)


@dataclass(frozen=True, slots=True)
class Worth:
    """What the gate's fold says the account is worth at one ledger record."""

    equity: Decimal
    cash: Decimal
    realised_pnl: Decimal
    unrealised_pnl: Decimal
    fees: Decimal
    peak_equity: Decimal | None
    start_of_day_equity: Decimal | None


class AccountAudit:
    """Fed with every record of the account, and every halt and resume, in journal order."""

    def __init__(self, account: str, quote: str, findings: JournalFindings) -> None:
        self.account = account
        self.state: AccountState = AccountState(account, quote)
        self.twin: AccountState | None = None
        self.truth = Truth()
        self.approvals: dict[str, Approval] = {}
        self.sendings: dict[str, Sending] = {}
        self.external: dict[str, None] = {}
        self.orders: dict[str, OrderState] = {}
        self.fills: list[Fill] = []
        self.verdicts: dict[tuple[int, int], Verdict] = {}
        self.worth: dict[int, Worth] = {}
        self.limits: dict[int, LimitsApplied] = {}
        self.capital: dict[int, CapitalRecorded] = {}
        self.days: dict[str, int] = {}
        self.ledger_no = self.exec_no = 0
        self.folds = True
        self._found = findings
        self._risk = RiskAudit(quote, self.truth, findings)
        self._prev_hash = ""
        self._epoch = self._exec_epoch = self._cursor = 0
        self._incarnation = ""
        self._heard: set[tuple[str, str]] = set()
        self._decided: dict[tuple[str, int], int] = {}
        self._waiting: deque[tuple[int, CoveredEvent]] = deque()

    # ---------------------------------------------------------------------------------------------------------- ledger
    def ledger(self, sequence: int, record: LedgerEvent | LeaderChanged, raw: bytes) -> None:
        """The next record of the ledger."""
        self._number(sequence, record, raw)
        self._cover(record.cursors.oms_sequence)
        if isinstance(record, RiskDecision):
            self._decide(sequence, record)
        self._remember(sequence, record)
        self._risk.apply(sequence, record)
        self._fold_ledger(sequence, record, raw)

    def _number(self, sequence: int, record: LedgerEvent | LeaderChanged, raw: bytes) -> None:
        found, place = self._found, f"ledger of {self.account} at {sequence}"
        found.gaps.require(
            record.ledger_no == self.ledger_no + 1, f"{place}: ledger_no {record.ledger_no} after {self.ledger_no}"
        )
        found.chain.require(record.prev_hash == self._prev_hash, f"{place}: names another record before it")
        covered = record.cursors.oms_sequence
        found.cursors.require(self._cursor <= covered < sequence, f"{place}: cursor {covered} after {self._cursor}")
        first, takes_over = not self.ledger_no, isinstance(record, LeaderChanged)
        follows = record.epoch > self._epoch if takes_over else record.epoch == self._epoch
        found.epochs.require(first or follows, f"{place}: epoch {record.epoch} after {self._epoch}")
        self.ledger_no, self._epoch, self._cursor = record.ledger_no, record.epoch, covered
        self._prev_hash = content_hash(raw)

    def _decide(self, sequence: int, decision: RiskDecision) -> None:
        for verdict_no, verdict in enumerate(decision.verdicts, start=1):
            self.verdicts[sequence, verdict_no] = verdict
            if isinstance(verdict, Approved):
                self._approve(sequence, decision, verdict)
            if not isinstance(verdict, Denied):
                intent = (verdict.intent.strategy, verdict.intent.intent_no)
                first = self._decided.setdefault(intent, sequence)
                self._found.approvals.require(
                    first == sequence,
                    f"intent {intent[1]} of {intent[0]} is approved at {first} and again at {sequence}",
                )

    def _approve(self, sequence: int, decision: RiskDecision, approved: Approved) -> None:
        name, intent = approved.client_order_id, approved.intent
        made = client_order_id(
            incarnation=decision.incarnation,
            account=intent.account,
            strategy=intent.strategy,
            intent_no=intent.intent_no,
            intent_bytes=codec.encode(intent),
        )
        self._found.approvals.require(made == name, f"{name}: the approved intent makes the id {made}")
        self._found.approvals.require(
            decision.incarnation == self._incarnation, f"{name}: approved in incarnation {decision.incarnation!r}"
        )
        before = self.approvals.get(name)
        self._found.approvals.require(before is None, f"{name}: approved twice, again at {sequence}")
        self.approvals[name] = Approval(sequence, decision, approved)

    def _remember(self, sequence: int, record: LedgerEvent | LeaderChanged) -> None:
        if isinstance(record, DayRolled):
            first = self.days.setdefault(record.day, sequence)
            self._found.days.require(
                first == sequence, f"{record.day} of {self.account} begins at {first} and at {sequence}"
            )
        elif isinstance(record, LimitsApplied):
            self.limits[sequence] = record
        elif isinstance(record, CapitalRecorded):
            self.capital[sequence] = record
            self.truth.deposit(record)
        elif isinstance(record, IncarnationStarted):
            self._incarnation = record.incarnation

    # ------------------------------------------------------------------------------------------------------- execution
    def execution(self, sequence: int, event: ExecEvent | LeaderChanged, halts: Halts) -> None:
        """The next record of the execution subject; `halts` are those before it."""
        found, place = self._found, f"execution events of {self.account} at {sequence}"
        found.gaps.require(event.exec_no == self.exec_no + 1, f"{place}: exec_no {event.exec_no} after {self.exec_no}")
        takes_over = isinstance(event, LeaderChanged)
        follows = event.epoch > self._exec_epoch if takes_over else event.epoch == self._exec_epoch
        found.epochs.require(not self.exec_no or follows, f"{place}: epoch {event.epoch} after {self._exec_epoch}")
        self.exec_no, self._exec_epoch = event.exec_no, event.epoch
        if isinstance(event, ExecEvent):
            self._send(sequence, event, halts)
        if isinstance(event, Submitting | NotSent | ExecReport | AlgoStep | LeaderChanged):
            self.observe(sequence, event)

    def observe(self, sequence: int, event: CoveredEvent) -> None:
        """An execution event, halt or resume: it takes effect when the ledger covers it."""
        self._waiting.append((sequence, event))
        if self.folds:
            try:
                self.state.observe(sequence, event)
                self._twice(lambda twin: twin.observe(sequence, event))
            except InvariantBroken as broken:
                self._breaks(broken)

    def _send(self, sequence: int, event: ExecEvent, halts: Halts) -> None:
        name = event.client_order_id
        if isinstance(event, Submitting):
            if name in self.sendings:
                self._found.single_use.add(f"{name} is submitted at {self.sendings[name].sequence} and at {sequence}")
                return
            self.sendings[name] = Sending(sequence, event, self._forbidden(event, halts))
            return
        sending = self.sendings.get(name)
        if isinstance(event, NotSent) and sending is not None:
            sending.not_sent = event
        elif isinstance(event, ExecReport):
            if event.external:
                self.external[name] = None
            if event.exec_type is ExecType.TRADE:
                self._heard.add((event.instrument_id, event.trade_id))
            if sending is not None:
                self._told(sequence, event, sending)

    def _told(self, sequence: int, report: ExecReport, sending: Sending) -> None:
        sending.reports += 1
        sending.in_doubt = report.exec_type is ExecType.UNKNOWN
        if report.order_status.is_terminal and not sending.ended:
            sending.ended = sequence
        if report.venue_order_id:
            sending.venue_order_ids[report.venue_order_id] = None
        name, ids = report.client_order_id, sending.venue_order_ids
        self._found.single_use.require(len(ids) <= 1, f"{name} is {' and '.join(ids)} at the venue, by {sequence}")
        spoke = report.exec_type is ExecType.TRADE or report.exec_type is ExecType.NEW
        if sending.not_sent is not None and spoke:
            self._found.single_use.add(f"{name} was not sent, but the venue tells {report.exec_type} at {sequence}")
        if sending.forbidden_by and spoke:
            self._found.halted.add(f"{name} was sent at {sending.sequence} under {sending.forbidden_by}")

    def _forbidden(self, event: Submitting, halts: Halts) -> str:
        state, ids = halts.state_for(self.account, event.strategy, venue_of(event.instrument_id), event.instrument_id)
        approval = self.approvals.get(event.client_order_id)
        reduces = approval is not None and approval.approved.is_reduction
        if state is TradingState.HALTED or (state is TradingState.REDUCING and not reduces):
            return f"{state.value} by {', '.join(ids)}"
        return ""

    def in_flight(self) -> list[str]:
        """Orders whose next word must come soon: in doubt, being cancelled, or sent and not answered."""
        waiting = {OrderStatus.UNKNOWN, OrderStatus.PENDING_CANCEL}
        found = [name for name, order in self.orders.items() if order.status in waiting]
        found += [name for name, sending in self.sendings.items() if sending.is_open_question]
        return list(dict.fromkeys(found))

    def untold(self, venue: VenueAccount) -> int:
        """How many trades of our orders the venue lists that the journal has not told yet."""
        ours = {order.venue_order_id for order in venue.orders if order.client_order_id in self.sendings}
        told = (
            (trade.instrument_id, trade.trade_id) in self._heard
            for trade in venue.trades
            if trade.venue_order_id in ours
        )
        return sum(not is_told for is_told in told)

    # ----------------------------------------------------------------------------------------------------------- folds
    def split(self) -> None:
        """Starts the second fold here, from a snapshot of the first; from now on it is fed everything twice."""
        if not self.folds:
            return
        try:
            self.twin = AccountState.restore(self.state.snapshot())
            for sequence, event in self._waiting:
                self.twin.observe(sequence, event)
        except InvariantBroken as broken:
            self._breaks(broken)

    def finish(self, last_sequence: int) -> None:
        """Folds what no ledger record covers yet, as the gate would next, and compares the two folds."""
        self._cover(last_sequence)
        if not self.folds:
            return
        if self.twin is None:
            self.split()
        try:
            if self.twin is not None:
                same = self.state.state_hash() == self.twin.state_hash()
                self._found.fold.require(same, f"{self.account}: the folds differ after the same journal")
            self._note(self.state.advance(last_sequence))
        except InvariantBroken as broken:
            self._breaks(broken)
        odd = {asset: left for asset, left in self.state.wealth.books.trial_balance().items() if left}
        self._found.double_entry.require(not odd, f"{self.account}: {odd} left over")

    def _cover(self, oms_sequence: int) -> None:
        while self._waiting and self._waiting[0][0] <= oms_sequence:
            sequence, event = self._waiting.popleft()
            if isinstance(event, ExecEvent):
                self.truth.execution(sequence, event)

    def _fold_ledger(self, sequence: int, record: LedgerEvent | LeaderChanged, raw: bytes) -> None:
        if not self.folds:
            return
        try:
            self._note(self.state.apply_ledger(sequence, record, raw))
            self._twice(lambda twin: twin.apply_ledger(sequence, record, raw))
        except (InvariantBroken, LostRace) as broken:
            self._breaks(broken)
            return
        self._risk.compare(sequence, self.state)
        if isinstance(record, LedgerEvent):
            self._value(sequence)

    def _value(self, sequence: int) -> None:
        state, parts = self.state, self.state.statement()
        self._found.identity.require(not parts.gap, f"{self.account} at {sequence}: {parts.gap} unexplained")
        self.worth[sequence] = Worth(
            parts.equity,
            state.cash,
            parts.realised_pnl,
            parts.unrealised_pnl,
            parts.fees,
            state.peak_equity,
            state.start_of_day_equity,
        )

    def _twice(self, feed: Callable[[AccountState], object]) -> None:
        if self.twin is not None:
            feed(self.twin)
            feed(self.twin)

    def _note(self, changes: Changes) -> None:
        for order in changes.orders:
            self.orders[order.client_order_id] = order
        self.fills += changes.fills
        for anomaly in changes.anomalies:
            if anomaly.code in WRONG_STATES:
                self._found.states.add(f"{anomaly.client_order_id}: {anomaly.code} {anomaly.detail}")

    def _breaks(self, broken: Exception) -> None:
        """The fold cannot go on; what is left of the journal is still read for everything else."""
        self.folds = False
        self._found.fold.add(f"{self.account}: {broken}")
