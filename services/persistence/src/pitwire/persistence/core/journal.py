"""The journal as rows: every record is copied, what can be read is folded, what cannot is kept whole and told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pitwire.common import subjects
from pitwire.common.enums import AlertSeverity
from pitwire.common.halts import undecodable_halt
from pitwire.common.schemas.execution import ExecEvent
from pitwire.common.schemas.ledger import Halt, LeaderChanged, LedgerEvent, Resume
from pitwire.persistence.core.account import AccountFold
from pitwire.persistence.core.entries import JsonText, Read, storable
from pitwire.persistence.core.halts import HaltBook
from pitwire.persistence.core.journal_rows import JournalRow, QuarantineRow
from pitwire.persistence.core.needs import Found, Needs, needs_of
from pitwire.persistence.core.orders import OrderBook
from pitwire.persistence.core.positions import PositionBook
from pitwire.persistence.core.tables import Writes

JOURNAL: Final = "OMS"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a person should look at, to be told once the rows are stored."""

    severity: AlertSeverity
    code: str
    text: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Folded:
    """The rows of a batch and what to tell about it."""

    writes: Writes
    notices: tuple[Notice, ...]


class JournalBatch:
    """A run of consecutive journal records. `quotes` names the quote currency of each configured account.

    `released`: an account that had stopped goes on with these, its own records; their copies are stored already.
    """

    def __init__(self, batch: Sequence[Read], quotes: Mapping[str, str], *, released: str = "") -> None:
        self.needs: Needs = needs_of(batch)
        self._batch = batch
        self._quotes = quotes
        self._released = released

    def fold(self, found: Found) -> Folded:
        """The rows after this batch, given the rows before it."""
        accounts = {account: self._account(account, found) for account in self.needs.accounts}
        stopped_before = {account for account, fold in accounts.items() if fold.stopped}
        halts = HaltBook(found.halts)
        writes, notices = Writes(), list[Notice]()
        for read in self._batch:
            if not self._released:
                writes.add(_journal_row(read))
            if read.message is None:
                notices.append(_set_aside(read, accounts, halts, writes))
            elif isinstance(read.message, Halt):
                halts.add(read.entry.sequence, read.message)
            elif isinstance(read.message, Resume):
                halts.clear(read.entry.sequence, read.message)
            elif read.place.account is not None:
                accounts[read.place.account].apply(read, read.message)
        for account, fold in accounts.items():
            writes.merge(fold.rows())
            if fold.stopped and account not in stopped_before:
                notices.append(_stopped(account, *fold.stopped))
        writes.extend(halts.rows())
        writes.extend(halts.resumes)
        return Folded(writes, tuple(notices))

    def _account(self, account: str, found: Found) -> AccountFold:
        trades = [row for row in found.trades if row.account == account]
        return AccountFold(
            account,
            self._quotes.get(account, ""),
            next((row for row in found.accounts if row.account == account), None),
            orders=OrderBook((row for row in found.orders if row.account == account), trades),
            positions=PositionBook(
                account,
                trades=trades,
                positions=(row for row in found.positions if row.account == account),
                balances=(row for row in found.balances if row.account == account),
            ),
            uncovered=(row for row in found.uncovered if row.account == account),
            strategies=(row for row in found.strategies if row.account == account),
            is_released=account == self._released,
        )


def _set_aside(read: Read, accounts: Mapping[str, AccountFold], halts: HaltBook, writes: Writes) -> Notice:
    """Keeps a record that cannot be folded, and draws the strictest conclusion from it."""
    entry, stops = read.entry, read.stops
    writes.add(
        QuarantineRow(
            stream=JOURNAL,
            sequence=entry.sequence,
            subject=storable(entry.subject),
            schema_header=storable(entry.schema) if entry.schema is not None else None,
            reason=storable(read.problem),
            account=stops,
            data=entry.data,
        )
    )
    place = f"journal sequence {entry.sequence} on {entry.subject}: {read.problem}"
    if stops is not None:
        if accounts[stops].is_news(read):
            accounts[stops].stop(entry.sequence, read.problem)
        return Notice(AlertSeverity.CRITICAL, "JOURNAL_RECORD_UNREADABLE", place, stops)
    halt = subjects.tokens(subjects.HALT, entry.subject)
    if halt is not None:
        halts.add(entry.sequence, undecodable_halt(entry.sequence, source=halt["source"]))
        return Notice(AlertSeverity.CRITICAL, "HALT_UNREADABLE", f"{place}; it counts as HALT ALL")
    code = "WRONG_PARTITION" if read.place.problem else "JOURNAL_RECORD_UNREADABLE"
    return Notice(AlertSeverity.CRITICAL, code, f"{place}; kept in quarantined_records, nothing follows from it")


def _stopped(account: str, sequence: int, reason: str) -> Notice:
    text = (
        f"rows of account {account} stop at journal sequence {sequence}: {reason}. The journal copy goes on; start "
        "persistence again with a build that can read the record, and the rows continue from there"
    )
    return Notice(AlertSeverity.CRITICAL, "ACCOUNT_ROWS_STOPPED", text, account)


def _journal_row(read: Read) -> JournalRow:
    entry, message = read.entry, read.message
    ledger_no = exec_no = epoch = prev_hash = None
    written_ns = entry.ts_ns
    if isinstance(message, LedgerEvent | ExecEvent | LeaderChanged):
        written_ns, epoch = message.ts_ns, message.epoch
        if not isinstance(message, ExecEvent) and read.place.is_ledger:
            ledger_no, prev_hash = message.ledger_no, storable(message.prev_hash)
        elif not isinstance(message, LedgerEvent):
            exec_no = message.exec_no
    elif isinstance(message, Halt | Resume):
        written_ns = message.ts_ns or entry.ts_ns
    return JournalRow(
        oms_sequence=entry.sequence,
        subject=storable(entry.subject),
        kind=type(message).__name__ if message is not None else None,
        account=read.place.account,
        ledger_no=ledger_no,
        exec_no=exec_no,
        epoch=epoch,
        prev_hash=prev_hash,
        sha256=read.sha256,
        payload=JsonText(entry.data.decode()) if message is not None else None,
        written_ns=written_ns,
    )
