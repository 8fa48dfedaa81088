"""The fold of one account: the same state in the live gate, a restarted gate, a strategy, the auditor and a replay.

Ledger records are applied as they come. Execution events, halts and resumes wait until a ledger record covers them by
its cursor and are applied right before it, so that the state at a ledger record never depends on who reads when.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

import orjson

from pitwire.common.enums import DenialCode
from pitwire.common.errors import InvariantBroken
from pitwire.common.halts import Halts, undecodable_halt
from pitwire.common.money import canonical, exact
from pitwire.common.portfolio.chain import Chain, LedgerRecord
from pitwire.common.portfolio.holdings import Holdings
from pitwire.common.portfolio.orders import Changes, Orders
from pitwire.common.portfolio.view import AccountView, CoveredEvent, StrategyState
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import (
    Approved,
    CancelApproved,
    CapitalRecorded,
    DayRolled,
    Denied,
    Halt,
    IncarnationStarted,
    LimitsApplied,
    Mark,
    MarksRecorded,
    Resume,
    RiskDecision,
    StrategyPaused,
    StrategyRegistered,
)
from pitwire.common.schemas.limits import AccountLimits

PENDING_MAX: Final = 200_000
"""Uncovered events held at once; more means that the gate writes nothing while execution goes on."""

SNAPSHOT_VERSION: Final = 3


class AccountState(AccountView):
    """Balances, positions, orders, reservations, limits, halts and risk bases of one account, by fold alone."""

    __slots__ = ()

    def observe(self, sequence: int, event: CoveredEvent) -> None:
        """Takes an execution event, halt or resume at its `OMS` sequence; it takes effect when it is covered.

        What is already covered or already taken is passed over, so a reader may start again from `resume_from`.
        """
        if sequence <= self._chain.advanced_to or (self._pending and sequence <= self._pending[-1][0]):
            return
        if len(self._pending) >= PENDING_MAX:
            msg = f"{PENDING_MAX} events of {self.account} wait for a ledger record after {self.ledger_sequence}"
            raise InvariantBroken(msg)
        self._pending.append((sequence, event))

    def observe_undecodable_halt(self, sequence: int) -> None:
        """A halt that no schema accepts stands at `sequence`: it halts everything."""
        self.observe(sequence, undecodable_halt(sequence))

    @exact
    def apply_ledger(self, sequence: int, event: LedgerRecord, raw: bytes) -> Changes:
        """Applies what the record covers, then the record. `raw` are its stored bytes.

        A record at or before the last one is passed over. Raises `InvariantBroken` where the chain is broken and
        `LostRace` where `advance` went further than the record covers; go on from a snapshot then, not from this state.
        """
        changes = Changes()
        if sequence <= self._chain.ledger_sequence:
            return changes
        self._chain.check_ledger(sequence, event)
        self._cover(event.cursors.oms_sequence, changes)
        before = len(changes.orders)
        self._apply(event, changes)
        self._chain.take_ledger(sequence, event, raw)
        self._news_applied = False
        self._end_event(changes, before)
        return changes

    @exact
    def advance(self, oms_sequence: int) -> Changes:
        """For the ledger's writer: applies what it has read up to `oms_sequence`, the cursor of its next record."""
        changes = Changes()
        self._news_applied = self.has_news
        self._cover(oms_sequence, changes)
        self._chain.advanced_to = max(self._chain.advanced_to, oms_sequence)
        return changes

    def rewound(self) -> AccountState:
        """A state of its own at the last ledger record, with what is uncovered still waiting; only if not advanced."""
        if self._chain.advanced_to > self._chain.cursors.oms_sequence:
            msg = f"{self.account}: applied up to {self._chain.advanced_to}, the ledger covers less"
            raise InvariantBroken(msg)
        copy = AccountState.restore(self.snapshot())
        for sequence, event in self._pending:
            copy.observe(sequence, event)
        return copy

    def _cover(self, oms_sequence: int, changes: Changes) -> None:
        while self._pending and self._pending[0][0] <= oms_sequence:
            sequence, event = self._pending.popleft()
            before = len(changes.orders)
            self._apply_covered(sequence, event, changes)
            self._end_event(changes, before)

    def _end_event(self, changes: Changes, orders_before: int) -> None:
        self._event_no += 1
        self._orders.retire(changes.orders[orders_before:], self._event_no)

    def _apply_covered(self, sequence: int, event: CoveredEvent, changes: Changes) -> None:
        if isinstance(event, Halt):
            self.halts.add(event)
            return
        if isinstance(event, Resume):
            self.halts.clear(event)
            return
        self._chain.take_exec(sequence, event)
        fills, anomalies = len(changes.fills), len(changes.anomalies)
        if isinstance(event, ExecReport):
            self._orders.on_report(event, self._holdings.mark_price(event.instrument_id), changes)
        elif isinstance(event, Submitting):
            self._orders.on_submitting(event, self._holdings.mark_price(event.instrument_id), changes)
        elif isinstance(event, NotSent):
            self._orders.on_not_sent(event, changes)
        for fill in changes.fills[fills:]:
            self._holdings.book(fill)
        for anomaly in changes.anomalies[anomalies:]:
            if anomaly.code.pauses_strategy:
                strategy = self._strategies.setdefault(anomaly.strategy, StrategyState())
                strategy.paused, strategy.pause_reason = True, f"{anomaly.code}: {anomaly.detail}"

    def _apply(self, event: LedgerRecord, changes: Changes) -> None:
        if isinstance(event, RiskDecision):
            self._decided(event, changes)
        elif isinstance(event, MarksRecorded):
            self._mark(event.marks, event.ts_market_ns)
        elif isinstance(event, DayRolled):
            self._roll(event)
        elif isinstance(event, LimitsApplied):
            self.limits = event.limits
            if not event.command_id:
                self.configured_limits = event.limits
        elif isinstance(event, CapitalRecorded):
            self._rebase(
                self._holdings.deposit(asset=event.asset, amount=event.amount, venue_account=event.venue_account)
            )
        elif isinstance(event, StrategyRegistered):
            self._strategies.setdefault(event.strategy, StrategyState()).capital = event.capital
        elif isinstance(event, StrategyPaused):
            strategy = self._strategies.setdefault(event.strategy, StrategyState())
            strategy.paused, strategy.pause_reason, strategy.malformed = event.paused, event.reason, 0
        elif isinstance(event, IncarnationStarted):
            if self.incarnation:
                self.former_incarnations += (self.incarnation,)
            self.incarnation = event.incarnation
            self.lost_sequence = max(self.lost_sequence, event.lost_sequence)

    def _decided(self, event: RiskDecision, changes: Changes) -> None:
        if event.incarnation != self.incarnation:
            msg = f"{self.account}: decision in incarnation {event.incarnation!r}, ledger in {self.incarnation!r}"
            raise InvariantBroken(msg)
        if event.marks:
            self._mark(event.marks, event.ts_market_ns)
        for verdict in event.verdicts:
            name, number = (
                (verdict.strategy, verdict.intent_no)
                if isinstance(verdict, Denied)
                else (verdict.intent.strategy, verdict.intent.intent_no)
            )
            strategy = self._strategies.setdefault(name, StrategyState())
            strategy.last_intent_no = max(strategy.last_intent_no, number)
            unreadable = isinstance(verdict, Denied) and verdict.code is DenialCode.MALFORMED
            strategy.malformed = strategy.malformed + 1 if unreadable else 0
            if isinstance(verdict, CancelApproved):
                self._orders.request_cancel(verdict.intent.orig_client_order_id, changes)
            elif isinstance(verdict, Approved):
                strategy.count_order(event.ts_market_ns)
                if not self._orders.approve(verdict, ts_ns=event.ts_ns, changes=changes):
                    msg = f"{verdict.client_order_id} of {self.account} is approved twice"
                    raise InvariantBroken(msg)

    def _mark(self, marks: Iterable[Mark], ts_market_ns: int) -> None:
        self._rebase(self._holdings.set_marks(marks))
        self.marks_ts_market_ns = max(self.marks_ts_market_ns, ts_market_ns)
        if self.peak_equity is not None:
            self.peak_equity = max(self.peak_equity, self.equity())

    def _roll(self, event: DayRolled) -> None:
        if event.day <= self.day:
            msg = f"{self.account}: day {event.day} rolled after {self.day}"
            raise InvariantBroken(msg)
        self.day = event.day
        self.start_of_day_equity = event.start_equity
        self.peak_equity = max(self.peak_equity or event.start_equity, event.start_equity)

    def _rebase(self, flow: Decimal) -> None:
        """Money put in or taken out moves what profit is measured from, so it is neither profit nor drawdown."""
        if flow and self.start_of_day_equity is not None and self.peak_equity is not None:
            self.start_of_day_equity += flow
            self.peak_equity += flow

    def snapshot(self) -> dict[str, Any]:
        """The state at the cursor as plain JSON values; what is still pending is read again after `restore`."""
        strategies = self._strategies.items()
        return {
            "version": SNAPSHOT_VERSION,
            "account": self.account,
            "quote": self.quote,
            "incarnation": self.incarnation,
            "former_incarnations": list(self.former_incarnations),
            "lost_sequence": self.lost_sequence,
            "limits": None if self.limits is None else self.limits.model_dump(mode="json"),
            "configured_limits": (
                None if self.configured_limits is None else self.configured_limits.model_dump(mode="json")
            ),
            "day": self.day,
            "start_of_day_equity": _text(self.start_of_day_equity),
            "peak_equity": _text(self.peak_equity),
            "marks_ts_market_ns": self.marks_ts_market_ns,
            "event_no": self._event_no,
            "chain": self._chain.snapshot(),
            "halts": self.halts.snapshot(),
            "holdings": self._holdings.snapshot(),
            "orders": self._orders.snapshot(),
            "strategies": {
                name: [
                    _text(s.capital),
                    s.paused,
                    s.pause_reason,
                    s.last_intent_no,
                    s.malformed,
                    s.minute,
                    s.orders_in_minute,
                ]
                for name, s in strategies
            },
        }

    @classmethod
    def restore(cls, data: dict[str, Any]) -> AccountState:
        """The state that `snapshot` wrote; `ValueError` for one of another version."""
        if data.get("version") != SNAPSHOT_VERSION:
            msg = f"snapshot version {data.get('version')!r}, this build reads {SNAPSHOT_VERSION}"
            raise ValueError(msg)
        state = cls(data["account"], data["quote"])
        state.incarnation = data["incarnation"]
        state.former_incarnations = tuple(data["former_incarnations"])
        state.lost_sequence = data["lost_sequence"]
        state.limits = None if data["limits"] is None else AccountLimits.model_validate(data["limits"])
        if data["configured_limits"] is not None:
            state.configured_limits = AccountLimits.model_validate(data["configured_limits"])
        state.day = data["day"]
        state.start_of_day_equity = _number(data["start_of_day_equity"])
        state.peak_equity = _number(data["peak_equity"])
        state.marks_ts_market_ns = data["marks_ts_market_ns"]
        state._event_no = data["event_no"]
        state._chain = Chain.restore(state.account, data["chain"])
        state.halts = Halts.restore(data["halts"])
        state._holdings = Holdings.restore(state.quote, data["holdings"])
        state._orders = Orders.restore(data["orders"])
        for name, (capital, *rest) in data["strategies"].items():
            state._strategies[name] = StrategyState(_number(capital), *rest)
        return state

    def state_hash(self) -> str:
        """sha256 of the snapshot: equal states, equal hashes, whatever path led there."""
        return hashlib.sha256(orjson.dumps(self.snapshot())).hexdigest()


def _text(value: Decimal | None) -> str | None:
    return None if value is None else canonical(value)


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
