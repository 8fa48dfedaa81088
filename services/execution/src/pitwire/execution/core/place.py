"""Where the execution events of one account stand on the journal: the next number, and who leads."""

from __future__ import annotations

from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.execution import ExecEvent
from pitwire.common.schemas.ledger import LeaderChanged


class ExecPlace:
    """Advanced by what is read and by what was just written, whichever comes first; a gap raises `InvariantBroken`."""

    __slots__ = ("account", "epoch", "exec_no", "leader", "sequence")

    def __init__(self, account: str) -> None:
        self.account = account
        self.sequence = 0
        self.exec_no = 0
        self.epoch = 0
        self.leader = ""

    def take(self, sequence: int, record: ExecEvent | LeaderChanged) -> None:
        """Takes the next record of the subject; one that is taken already changes nothing."""
        if sequence <= self.sequence:
            return
        where = f"execution events of {self.account} at sequence {sequence}"
        if record.account != self.account:
            raise InvariantBroken(f"{where}: record of account {record.account}")
        if record.exec_no != self.exec_no + 1:
            raise InvariantBroken(f"{where}: exec_no {record.exec_no} follows {self.exec_no}")
        if isinstance(record, LeaderChanged):
            if record.epoch <= self.epoch:
                raise InvariantBroken(f"{where}: a new leader with epoch {record.epoch} after {self.epoch}")
            self.leader = record.leader
        elif record.epoch != self.epoch:
            raise InvariantBroken(f"{where}: epoch {record.epoch} while {self.epoch} leads")
        self.sequence = sequence
        self.exec_no = record.exec_no
        self.epoch = record.epoch
