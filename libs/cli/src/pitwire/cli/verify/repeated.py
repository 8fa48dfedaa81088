"""Every decision of a journal made again by the gate's core, from the journal and the configuration alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pitwire.cli.verify.check import Findings
from pitwire.common import codec, refusals, subjects
from pitwire.common.bus.port import Record
from pitwire.common.errors import DecodeError
from pitwire.common.halts import undecodable_halt
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState, CoveredEvent
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import AlgoStep, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import Denied, Halt, LeaderChanged, LedgerEvent, Resume, RiskDecision, Verdict
from pitwire.risk_gate import core as gate

FROM_OUTSIDE = frozenset({refusals.Disagreement.code})
"""Refusals that follow from other processes, not from the journal."""


@dataclass(slots=True)
class Repetition:
    """Decisions made again, verdicts in them, those that cannot be repeated, and every difference."""

    decisions: int = 0
    verdicts: int = 0
    not_repeatable: int = 0
    differing: Findings = field(default_factory=Findings)


class Repeater:
    """Give it every record in journal order.

    `quotes` is the currency and `venue_accounts` the venue of each venue account, by risk account, as configured.
    Definitions of instruments are those of now: where a venue changed its steps since, decisions may differ.
    """

    def __init__(
        self,
        quotes: Mapping[str, str],
        venue_accounts: Mapping[str, Mapping[str, str]],
        instruments: InstrumentRegistry,
    ) -> None:
        self.accounts = {account: Repetition() for account in quotes}
        self._states = {account: AccountState(account, quote) for account, quote in quotes.items()}
        self._waiting = {account: deque[tuple[int, CoveredEvent]]() for account in quotes}
        self._venue_accounts = venue_accounts
        self._instruments = instruments

    def feed(self, records: Iterable[Record]) -> None:
        """The next records; `DecodeError` and `InvariantBroken` for a journal that `verify` would call broken."""
        for record in records:
            message = _message_of(record)
            if isinstance(message, Halt | Resume):
                for waiting in self._waiting.values():
                    waiting.append((record.sequence, message))
            else:
                self._of_account(record, message)

    def _of_account(self, record: Record, message: Message) -> None:
        found = subjects.tokens(subjects.LEDGER, record.subject) or subjects.tokens(subjects.EXEC, record.subject)
        state = self._states.get(found["account"]) if found is not None else None
        if found is None or state is None:
            return
        if subjects.tokens(subjects.EXEC, record.subject) is not None:
            if isinstance(message, Submitting | NotSent | ExecReport | AlgoStep | LeaderChanged):
                self._waiting[state.account].append((record.sequence, message))
            return
        if isinstance(message, LedgerEvent | LeaderChanged):
            self._show(state, message.cursors.oms_sequence)
            if isinstance(message, RiskDecision):
                state.advance(message.cursors.oms_sequence)
                self._again(state, record, message)
            state.apply_ledger(record.sequence, message, record.data)

    def _show(self, state: AccountState, upto: int) -> None:
        """What the record covers, and no more: the gate had not read what came between its look and its append."""
        waiting = self._waiting[state.account]
        while waiting and waiting[0][0] <= upto:
            state.observe(*waiting.popleft())

    def _again(self, state: AccountState, record: Record, decision: RiskDecision) -> None:
        found = self.accounts[state.account]
        found.decisions += 1
        found.verdicts += len(decision.verdicts)
        outside = sum(isinstance(each, Denied) and each.code in FROM_OUTSIDE for each in decision.verdicts)
        if outside:
            found.not_repeatable += outside
            return
        verdicts, marks = gate.decide(
            state, [_asked(each) for each in decision.verdicts], self._context(state, decision)
        )
        again = decision.model_copy(update={"verdicts": verdicts, "marks": marks})
        if codec.encode(again) != record.data:
            found.differing.add(f"decision at {record.sequence} of {state.account}: {_difference(decision, again)}")

    def _context(self, state: AccountState, decision: RiskDecision) -> gate.DecisionContext:
        return gate.DecisionContext(
            now_ns=decision.ts_ns,
            ts_market_ns=decision.ts_market_ns,
            marks={**state.wealth.marks, **{mark.instrument_id: mark for mark in decision.marks}},
            instruments=self._instruments,
            approval_ttl_ns=gate.APPROVAL_TTL_NS,
            venue_accounts=self._venue_accounts.get(state.account, {}),
            doubts={doubt.instrument_id: doubt.reason for doubt in decision.doubts},
        )


def _message_of(record: Record) -> Message:
    """A halt that cannot be read halts all, as it did for the gate."""
    try:
        return codec.decode_known(record.subject, record.schema, record.data)
    except DecodeError:
        if subjects.tokens(subjects.HALT, record.subject) is None:
            raise
        return undecodable_halt(record.sequence)


def _asked(verdict: Verdict) -> gate.IntentInput:
    if not isinstance(verdict, Denied):
        return gate.IntentInput(0, verdict.intent.strategy, verdict.intent)
    return gate.IntentInput(0, verdict.strategy, verdict.intent, error=verdict.detail)


def _difference(recorded: RiskDecision, again: RiskDecision) -> str:
    """The first field that differs."""
    for place, (one, other) in enumerate(zip(recorded.verdicts, again.verdicts, strict=True)):
        if one != other:
            fields: dict[str, Any] = one.model_dump()
            repeated: dict[str, Any] = other.model_dump()
            name = next(name for name in {**fields, **repeated} if fields.get(name) != repeated.get(name))
            return f"verdict {place + 1} has {name} {fields.get(name)!r}, made again {repeated.get(name)!r}"
    return f"marks {recorded.marks!r}, made again {again.marks!r}"
