"""Where the fold stands on the journal, and the proof that nothing is missing before it."""

from __future__ import annotations

from typing import Any

from pitwire.common.errors import InvariantBroken, LostRace
from pitwire.common.ids import content_hash
from pitwire.common.schemas.execution import ExecEvent
from pitwire.common.schemas.ledger import Cursors, LeaderChanged, LedgerEvent

LedgerRecord = LedgerEvent | LeaderChanged
ExecRecord = ExecEvent | LeaderChanged


class Chain:
    """Numbers, epochs, hashes and cursors of one account's two subjects. A break raises `InvariantBroken`."""

    __slots__ = (
        "account",
        "advanced_to",
        "cursors",
        "epoch",
        "exec_epoch",
        "exec_no",
        "exec_sequence",
        "ledger_no",
        "ledger_sequence",
        "prev_hash",
    )

    def __init__(self, account: str) -> None:
        self.account = account
        self.ledger_no = 0
        self.ledger_sequence = 0
        self.epoch = 0
        self.prev_hash = ""
        self.cursors = Cursors()
        self.advanced_to = 0
        self.exec_no = 0
        self.exec_epoch = 0
        self.exec_sequence = 0

    def check_ledger(self, sequence: int, record: LedgerRecord) -> None:
        """Raises unless `record` is the next of this ledger; `LostRace` if this fold had run ahead of it."""
        fault = self._ledger_fault(sequence, record)
        if fault:
            msg = f"ledger of {self.account} at sequence {sequence}: {fault}"
            raise InvariantBroken(msg)
        if record.cursors.oms_sequence < self.advanced_to:
            msg = (
                f"ledger of {self.account} at sequence {sequence} covers {record.cursors.oms_sequence}, this process "
                f"had gone on to {self.advanced_to}: another leader wrote, fold again from a snapshot"
            )
            raise LostRace(msg)

    def _ledger_fault(self, sequence: int, record: LedgerRecord) -> str:
        covered, before = record.cursors.oms_sequence, self.cursors.oms_sequence
        if record.account != self.account:
            return f"record of account {record.account}"
        if record.ledger_no != self.ledger_no + 1:
            return f"ledger_no {record.ledger_no} after {self.ledger_no}"
        if record.prev_hash != self.prev_hash:
            return f"prev_hash {record.prev_hash[:12]!r} is not that of the record before, {self.prev_hash[:12]!r}"
        if not before <= covered < sequence:
            return f"cursor {covered} after {before}"
        if self.ledger_no and not _follows(record, self.epoch):
            return f"epoch {record.epoch} after {self.epoch}"
        return ""

    def take_ledger(self, sequence: int, record: LedgerRecord, raw: bytes) -> None:
        self.ledger_no = record.ledger_no
        self.ledger_sequence = sequence
        self.epoch = record.epoch
        self.prev_hash = content_hash(raw)
        self.cursors = record.cursors
        self.advanced_to = record.cursors.oms_sequence

    def take_exec(self, sequence: int, record: ExecRecord) -> None:
        """Takes the next record of the execution subject, or raises."""
        fault = ""
        if record.account != self.account:
            fault = f"record of account {record.account}"
        elif record.exec_no != self.exec_no + 1:
            fault = f"exec_no {record.exec_no} after {self.exec_no}"
        elif self.exec_no and not _follows(record, self.exec_epoch):
            fault = f"epoch {record.epoch} after {self.exec_epoch}"
        if fault:
            msg = f"execution events of {self.account} at sequence {sequence}: {fault}"
            raise InvariantBroken(msg)
        self.exec_no = record.exec_no
        self.exec_epoch = record.epoch
        self.exec_sequence = sequence

    def snapshot(self) -> dict[str, Any]:
        if self.advanced_to > self.cursors.oms_sequence:
            msg = f"snapshot of {self.account} between a decision and its record: apply the record first"
            raise InvariantBroken(msg)
        return {
            "ledger_no": self.ledger_no,
            "ledger_sequence": self.ledger_sequence,
            "epoch": self.epoch,
            "prev_hash": self.prev_hash,
            "cursors": self.cursors.model_dump(),
            "exec_no": self.exec_no,
            "exec_epoch": self.exec_epoch,
            "exec_sequence": self.exec_sequence,
        }

    @classmethod
    def restore(cls, account: str, data: dict[str, Any]) -> Chain:
        chain = cls(account)
        chain.ledger_no = data["ledger_no"]
        chain.ledger_sequence = data["ledger_sequence"]
        chain.epoch = data["epoch"]
        chain.prev_hash = data["prev_hash"]
        chain.cursors = Cursors.model_validate(data["cursors"])
        chain.advanced_to = chain.cursors.oms_sequence
        chain.exec_no = data["exec_no"]
        chain.exec_epoch = data["exec_epoch"]
        chain.exec_sequence = data["exec_sequence"]
        return chain


def _follows(record: LedgerRecord | ExecRecord, epoch: int) -> bool:
    """Only a new leader raises the epoch."""
    return record.epoch > epoch if isinstance(record, LeaderChanged) else record.epoch == epoch
