"""The whole journal read once, record by record: places, numbers, hashes, halts, and each account's own audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pitwire.cli.verify.account_audit import AccountAudit
from pitwire.cli.verify.findings import JournalFindings
from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.errors import DecodeError
from pitwire.common.halts import Halts, undecodable_halt
from pitwire.common.ids import content_hash, partition_of
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecEvent
from pitwire.common.schemas.ledger import (
    CapitalRecorded,
    Halt,
    LeaderChanged,
    LedgerEvent,
    LimitsApplied,
    Resume,
    RiskDecision,
    StrategyPaused,
)

Effect = Resume | LimitsApplied | StrategyPaused | CapitalRecorded
"""What an operator's command may leave in the journal, with its id."""


@dataclass(frozen=True, slots=True)
class Place:
    """Whose record it is by its subject; `account` is None for what concerns all."""

    account: str | None
    is_ledger: bool
    partition: str


class Auditor:
    """Give it every record in order with `feed`, then `finish`; afterwards everything found is in `found`."""

    def __init__(self, quotes: Mapping[str, str]) -> None:
        self.found = JournalFindings()
        self.accounts: dict[str, AccountAudit] = {}
        self.halts = Halts()
        self.halt_records: dict[str, int] = {}
        self.resumes: dict[str, int] = {}
        self.effects: dict[int, Effect] = {}
        self.hashes: list[str] = []
        self.first_sequence = self.last_sequence = 0
        self.ledger_records = self.decisions = 0
        self._quotes = quotes
        self._everywhere: list[tuple[int, Halt | Resume]] = []
        for account in quotes:
            self._account(account)

    def feed(self, records: Iterable[Record]) -> None:
        """The next records of the journal."""
        for record in records:
            self._count(record)
            self.hashes.append(content_hash(record.data))
            self._read(record)

    def split(self) -> None:
        """Half-way: every account begins its second fold from a snapshot."""
        for audit in self.accounts.values():
            audit.split()

    def finish(self) -> None:
        """Nothing more comes."""
        for audit in self.accounts.values():
            audit.finish(self.last_sequence)

    def hash_at(self, sequence: int) -> str | None:
        """The hash of one record; None for one that was not read."""
        at = sequence - self.first_sequence
        return self.hashes[at] if 0 <= at < len(self.hashes) else None

    def _count(self, record: Record) -> None:
        if not self.first_sequence:
            self.first_sequence = record.sequence
            self.found.gaps.require(record.sequence == 1, f"the journal begins at {record.sequence}")
        else:
            self.found.gaps.require(
                record.sequence == self.last_sequence + 1, f"{record.sequence} follows {self.last_sequence}"
            )
        self.last_sequence = record.sequence

    def _read(self, record: Record) -> None:
        place = place_of(record.subject)
        if place.account is not None and place.partition != str(partition_of(place.account)):
            self.found.partitions.add(
                f"{record.sequence}: {place.account} in partition {place.partition}, not {partition_of(place.account)}"
            )
            return
        try:
            message = codec.decode_known(record.subject, record.schema, record.data)
        except DecodeError as error:
            self._unreadable(record, place, str(error))
            return
        self._hand_on(record, place, message)

    def _unreadable(self, record: Record, place: Place, reason: str) -> None:
        self.found.unreadable.add(f"{record.sequence}: {reason}")
        if subjects.tokens(subjects.HALT, record.subject) is not None:
            self._halt(record.sequence, undecodable_halt(record.sequence))
        if place.account is not None:
            self._account(place.account).folds = False

    def _hand_on(self, record: Record, place: Place, message: Message) -> None:
        if isinstance(message, Effect):
            self.effects[record.sequence] = message
        if isinstance(message, Halt):
            self._halt(record.sequence, message)
        elif isinstance(message, Resume):
            self.halts.clear(message)
            self.resumes[message.resume_id] = record.sequence
            self._everyone(record.sequence, message)
        elif place.account is not None and isinstance(message, LedgerEvent | ExecEvent | LeaderChanged):
            if message.account != place.account:
                self.found.partitions.add(
                    f"{record.sequence}: says {message.account} on the subject of {place.account}"
                )
                return
            audit = self._account(place.account)
            if place.is_ledger and not isinstance(message, ExecEvent):
                self.ledger_records += 1
                self.decisions += isinstance(message, RiskDecision)
                audit.ledger(record.sequence, message, record.data)
            elif not isinstance(message, LedgerEvent):
                audit.execution(record.sequence, message, self.halts)

    def _halt(self, sequence: int, halt: Halt) -> None:
        self.halts.add(halt)
        self.halt_records[halt.halt_id] = sequence
        self._everyone(sequence, halt)

    def _everyone(self, sequence: int, event: Halt | Resume) -> None:
        self._everywhere.append((sequence, event))
        for audit in self.accounts.values():
            audit.observe(sequence, event)

    def _account(self, account: str) -> AccountAudit:
        known = self.accounts.get(account)
        if known is None:
            known = self.accounts[account] = AccountAudit(account, self._quotes.get(account, ""), self.found)
            for sequence, event in self._everywhere:
                known.observe(sequence, event)
        return known


def place_of(subject: str) -> Place:
    """What a journal subject says."""
    for template in (subjects.LEDGER, subjects.EXEC):
        found = subjects.tokens(template, subject)
        if found is not None:
            return Place(found["account"], template is subjects.LEDGER, found["partition"])
    return Place(None, is_ledger=False, partition="")
