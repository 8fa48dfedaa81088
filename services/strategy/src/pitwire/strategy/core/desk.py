"""The strategies of one account over the fold of its journal: answers, fills and orders go to whom they belong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pitwire.common.enums import AlertSeverity
from pitwire.common.portfolio import AccountState, Changes, CoveredEvent
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import AlgoStep, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import Denied, Halt, LeaderChanged, LedgerEvent, Resume, RiskDecision, Verdict
from pitwire.strategy.core.outputs import Alarm, Cause, Outputs
from pitwire.strategy.core.runner import Runner

_COVERED: Final = (Submitting, NotSent, ExecReport, AlgoStep, LeaderChanged, Halt, Resume)


class Desk:
    """Runs in two phases: until `go_live` the journal only builds the state; then strategies hear of it too."""

    def __init__(self, state: AccountState, runners: Sequence[Runner]) -> None:
        self.state = state
        self.runners = tuple(runners)
        self.stopped = ""
        self._live = False
        self._by_name = {runner.spec.name: runner for runner in self.runners}

    def go_live(self) -> None:
        """Everything stored before the start is folded: numbering goes on after the ledger's last answer."""
        self._live = True
        for runner in self.runners:
            runner.intents.start_after(self.state.last_intent_no(runner.spec.name))

    def on_ledger(self, sequence: int, event: LedgerEvent | LeaderChanged, raw: bytes, cause: Cause) -> Outputs:
        """One ledger record: first the state, then the answers in it, then what it booked."""
        outputs = Outputs()
        if self.stopped or sequence <= self.state.ledger_sequence:
            return outputs
        changes = self.state.apply_ledger(sequence, event, raw)
        if not self._live:
            return outputs
        if isinstance(event, RiskDecision):
            for verdict in event.verdicts:
                runner = self._by_name.get(_strategy_of(verdict))
                if runner is not None:
                    outputs.add(runner.on_verdict(verdict, cause))
        self._tell_changes(changes, cause, outputs)
        return outputs

    def on_covered(self, sequence: int, event: CoveredEvent) -> None:
        """An execution event, halt or resume: takes effect with the ledger record that covers it."""
        if not self.stopped:
            self.state.observe(sequence, event)

    def on_undecodable_halt(self, sequence: int) -> None:
        self.state.observe_undecodable_halt(sequence)

    def stop(self, reason: str) -> Outputs:
        """What the account holds is not known any more: its strategies trade no further, others are not touched."""
        outputs = Outputs()
        if not self.stopped:
            self.stopped = reason
            text = f"strategies of {self.state.account} are stopped: {reason}"
            outputs.alarms.append(Alarm(AlertSeverity.CRITICAL, "ACCOUNT_STOPPED", text, "", self.state.account))
        return outputs

    def active(self) -> Iterable[Runner]:
        """Whom events may still reach."""
        return () if self.stopped else self.runners

    def on_wall_time(self, now_ns: int) -> Outputs:
        outputs = Outputs()
        for runner in self.active():
            outputs.add(runner.on_wall_time(now_ns))
        return outputs

    def _tell_changes(self, changes: Changes, cause: Cause, outputs: Outputs) -> None:
        if changes.fills or changes.orders:
            for runner in self.runners:
                outputs.add(runner.on_changes(changes, cause))


def as_covered(message: Message) -> CoveredEvent | None:
    """The message as something that waits for a ledger record; None for any other."""
    return message if isinstance(message, _COVERED) else None


def _strategy_of(verdict: Verdict) -> str:
    return verdict.strategy if isinstance(verdict, Denied) else verdict.intent.strategy
