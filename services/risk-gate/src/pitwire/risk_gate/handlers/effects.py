"""What the ledger says of the newest operator command: the one source of its answer, whoever wrote the records."""

from __future__ import annotations

from typing import Final

from pitwire.common import subjects
from pitwire.common.enums import CommandStatus
from pitwire.common.portfolio.chain import LedgerRecord
from pitwire.common.schemas.ledger import (
    CapitalRecorded,
    IncarnationStarted,
    LimitsApplied,
    RiskDecision,
    StrategyPaused,
    Verdict,
)
from pitwire.common.schemas.orders import OrderIntent

NOTHING: Final = "nothing to do"
EARLIER: Final = "was dealt with before"
Outcome = tuple[CommandStatus, str, dict[str, str], int]
"""Status, text for a person, data for a program, sequence of the journal record that carried the effect."""


class Effects:
    """The ledger records that carry the newest command: an own append may be lost from sight, or another gate's win."""

    def __init__(self) -> None:
        self._at = 0
        self._records: list[tuple[int, LedgerRecord]] = []

    def note(self, sequence: int, record: LedgerRecord) -> None:
        """Looks at every ledger record, once and in order."""
        at = _command_of(record)
        if isinstance(record, IncarnationStarted) or (at and at != self._at):
            self._at, self._records = at, []
        if at:
            self._records.append((sequence, record))

    def expired(self, at: int) -> Outcome:
        """The command is past its time; one whose gate ended between its records is told what was done of it."""
        _, text, data, sequence = self.outcome(at, "")
        text = f"expired before it was finished; done of it: {text}" if sequence else "expired before the gate read it"
        return CommandStatus.EXPIRED, text, data, sequence

    def outcome(self, at: int, otherwise: str) -> Outcome:
        """What was done at the command with sequence `at` of `CTL`; `otherwise` when no record of it is known."""
        records = self._records if at == self._at else []
        if not records:
            return CommandStatus.DONE, otherwise, {}, 0
        sequence, last = records[-1]
        if not isinstance(last, RiskDecision):
            return CommandStatus.DONE, _told(last), {}, sequence
        verdicts = [v for _, record in records if isinstance(record, RiskDecision) for v in record.verdicts]
        lines = [_line(verdict) for verdict in verdicts]
        orders = [verdict for verdict in verdicts if isinstance(verdict.intent, OrderIntent)]
        passed = any(verdict.verdict != "DENIED" for verdict in orders or verdicts)
        data = {f"{number}": line for number, line in enumerate(lines, start=1)}
        return CommandStatus.DONE if passed else CommandStatus.REFUSED, "; ".join(lines), data, sequence


def _command_of(record: LedgerRecord) -> int:
    """The sequence in `CTL` of the command that the record carries; 0 = none."""
    if isinstance(record, StrategyPaused | LimitsApplied | CapitalRecorded):
        return record.cursors.control_sequence if record.command_id else 0
    if isinstance(record, RiskDecision):
        intent = record.verdicts[0].intent
        return intent.basis.sequence if intent is not None and intent.basis.subject == subjects.COMMAND else 0
    return 0


def _told(record: LedgerRecord) -> str:
    if isinstance(record, StrategyPaused):
        return f"{record.strategy} {'paused' if record.paused else 'released'}"
    if isinstance(record, LimitsApplied):
        return f"limits version {record.limits.limits_version}"
    if isinstance(record, CapitalRecorded):
        return f"{record.amount:+f} {record.asset} of {record.venue_account}"
    return record.schema_name()


def _line(verdict: Verdict) -> str:
    if verdict.verdict == "DENIED":
        figures = "" if verdict.limit is None else f" limit={verdict.limit} observed={verdict.observed}"
        return f"DENIED {verdict.code}{figures} {verdict.detail}".strip()
    if verdict.verdict == "CANCEL_APPROVED":
        return f"CANCEL_APPROVED {verdict.intent.orig_client_order_id}"
    return f"APPROVED {verdict.client_order_id}"
