"""Rows of the journal copy and of what could not be read. Each column is explained in the database itself."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from pitwire.persistence.core.entries import JsonText


class JournalRow(NamedTuple):
    """A row of `journal_records`."""

    oms_sequence: int
    subject: str
    kind: str | None
    account: str | None
    ledger_no: int | None
    exec_no: int | None
    epoch: int | None
    prev_hash: str | None
    sha256: str
    payload: JsonText | None
    written_ns: int


class QuarantineRow(NamedTuple):
    """A row of `quarantined_records`."""

    stream: str
    sequence: int
    subject: str
    schema_header: str | None
    reason: str
    account: str | None
    data: bytes


class AccountRow(NamedTuple):
    """A row of `accounts`."""

    account: str
    quote: str
    incarnation: str
    ledger_no: int
    ledger_sequence: int
    ledger_hash: str
    ledger_epoch: int
    exec_no: int
    exec_sequence: int
    exec_epoch: int
    covered_sequence: int
    day: str | None
    start_of_day_equity: Decimal | None
    peak_equity: Decimal | None
    equity_market_ns: int
    holdings: JsonText
    market_ns: int
    stopped_sequence: int | None
    stopped_reason: str | None


class DeadLetterRow(NamedTuple):
    """A row of `dead_letters`."""

    dlq_epoch: str
    dlq_sequence: int
    service: str
    subject: str
    stream: str
    sequence: int
    schema_header: str
    reason: str
    data: bytes
    reported_ns: int
