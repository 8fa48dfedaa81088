"""A healthy little system as evidence: its journal, the rows persistence makes of it, and what its venue would say."""

from __future__ import annotations

import hashlib
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any

from pitwire.cli.verify import Check, judge
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.evidence import BusEvidence, Tables, VenueAccount, VenueOrder, VenueTrade
from pitwire.cli.verify.tables import MONEY
from pitwire.common import codec, subjects
from pitwire.common.bus.port import Bus, Record
from pitwire.common.enums import CommandVerb, ExecType
from pitwire.common.schemas.control import Command, Heartbeat
from pitwire.common.schemas.execution import ExecReport
from pitwire.common.schemas.ledger import Approved, CancelApproved, Halt, Resume
from pitwire.common.schemas.orders import CancelIntent
from pitwire.common.testing.journal import (
    ACCOUNT,
    BTC,
    ETH,
    STRATEGY,
    VENUE_ACCOUNT,
    Entry,
    Journal,
    mark,
    order_intent,
)
from pitwire.persistence.adapters.memory import MemoryStore
from pitwire.persistence.core import entries as persisted
from pitwire.persistence.core.journal import JOURNAL, JournalBatch
from pitwire.persistence.core.tables import TABLES
from pitwire.persistence.handlers.reading import read
from pitwire.persistence.ports import Move

QUOTES = {ACCOUNT: "USDT"}
SECOND_NS = 1_000_000_000


@dataclass
class System:
    """Change any part of it, then `checks`."""

    journal: Journal
    records: list[Record]
    rows: dict[str, list[dict[str, Any]]]
    orders: list[VenueOrder]
    trades: list[VenueTrade]
    balances: dict[str, Decimal]
    numeric_columns: dict[str, str] = field(default_factory=lambda: dict.fromkeys(MONEY, "numeric"))
    commands: dict[str, Command] = field(default_factory=dict[str, Command])
    heartbeats: list[Heartbeat] = field(default_factory=list[Heartbeat])
    venue_asked_after: int | None = None

    @property
    def venue(self) -> VenueAccount:
        last = max((record.sequence for record in self.records), default=0)
        if self.venue_asked_after is not None:
            last = self.venue_asked_after
        return VenueAccount("sim", VENUE_ACCOUNT, ACCOUNT, tuple(self.orders), tuple(self.trades), self.balances, last)

    @property
    def bus(self) -> BusEvidence:
        return BusEvidence(self.commands, tuple(self.heartbeats))

    @property
    def tables(self) -> Tables:
        return Tables(self.rows, self.numeric_columns)

    def checks(self) -> dict[str, Check]:
        auditor = Auditor(QUOTES)
        middle = len(self.records) // 2
        auditor.feed(self.records[:middle])
        auditor.split()
        auditor.feed(self.records[middle:])
        return {check.id: check for check in judge(auditor, self.tables, [self.venue], self.bus)}

    def violated(self) -> list[str]:
        return sorted(name for name, check in self.checks().items() if not check.holds)

    def store(self) -> None:
        """Makes the rows anew from the journal."""
        self.rows = rows_of(self.records)

    def row(self, table: str, **wanted: Any) -> dict[str, Any]:
        """The first row with these values."""
        return next(row for row in self.rows[table] if all(row[name] == value for name, value in wanted.items()))


def record_of(entry: Entry, account: str = ACCOUNT) -> Record:
    """The stored form of what the builder wrote."""
    event = entry.event
    if isinstance(event, Halt):
        subject = subjects.halt(event.source)
    elif isinstance(event, Resume):
        subject = subjects.RESUME
    else:
        subject = subjects.ledger(account) if entry.is_ledger else subjects.exec_events(account)
    return Record(subject, entry.raw, codec.headers_for(event)[codec.SCHEMA_HEADER], "", entry.sequence)


def rows_of(records: list[Record]) -> dict[str, list[dict[str, Any]]]:
    """What persistence stores of them."""
    store = MemoryStore()
    reads = [read(persisted.Entry(r.sequence, r.subject, r.schema, r.data)) for r in records]
    batch = JournalBatch(reads, QUOTES)
    store.store(Move(JOURNAL, "1", 0, records[-1].sequence), batch.needs, lambda found: batch.fold(found).writes)
    rows: dict[str, list[dict[str, Any]]] = {
        table.name: [row._asdict() for row in store.rows(table.row)] for table in TABLES
    }
    for row in rows["journal_records"]:
        row["payload_sha256"] = hashlib.sha256(row["payload"].encode()).hexdigest() if row["payload"] else None
    rows["journal_cursor"] = [{"stream": "OMS", "cursor": records[-1].sequence}]
    rows["journal_cursor_regressions"] = []
    return rows


def healthy() -> System:
    """A system of one's own to tamper with."""
    return deepcopy(_healthy())


@cache
def _healthy() -> System:
    """Fills with fees in three currencies, a reduction, a cancel, an order kept back by a halt, and its resume."""
    journal = Journal()
    journal.start()
    _trade(journal)
    records = [record_of(entry) for entry in journal.entries]
    orders, trades = venue_of(journal)
    rows = rows_of(records)
    balances: dict[str, Decimal] = {row["asset"]: row["amount"] for row in rows["balances"]}
    system = System(journal, records, rows, orders, trades, balances)
    system.commands = {command.command_id: command for command in [resume_command(journal)]}
    system.heartbeats = [heartbeat("risk-gate"), heartbeat("execution")]
    return system


def resume_command(journal: Journal) -> Command:
    """What the operator asked for before the journal's resume."""
    return Command(
        command_id="c1",
        operator="ops",
        service="risk-gate",
        verb=CommandVerb.RESUME,
        reason="test",
        expires_ns=journal.ts_ns + SECOND_NS,
        ts_ns=journal.ts_ns,
    )


def heartbeat(service: str, *, config_hash: str = "c", ts_ns: int = SECOND_NS) -> Heartbeat:
    return Heartbeat(
        service=service, slot="0", instance="i", ts_ns=ts_ns, config_hash=config_hash, schema_hash="s", build="1"
    )


def _trade(journal: Journal) -> None:
    journal.marks(mark(BTC, "100"), mark(ETH, "10"))
    first = journal.approve(order_intent(1, "BUY", "2", limit_price="100"))
    journal.submitting(first)
    journal.report(first, ExecType.NEW, venue_order_id="11")
    journal.fill(first, "0.5", "99.5", fee="0.0005", fee_currency="BTC", venue_order_id="11", cum_quantity="0.5")
    journal.fill(first, "1.5", "100", fee="0.15", fee_currency="USDT", venue_order_id="11", cum_quantity="2")
    _later(journal)
    journal.marks(mark(BTC, "104"))
    second = journal.approve(order_intent(2, "BUY", "10", instrument_id=ETH, limit_price="9"), worst_price="9")
    journal.submitting(second)
    journal.report(second, ExecType.NEW, venue_order_id="12")
    journal.fill(second, "4", "9", fee="0.002", fee_currency="BNB", venue_order_id="12", cum_quantity="4")
    _later(journal)
    cancel = CancelIntent(
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_no=3,
        valid_until_ns=journal.ts_ns + SECOND_NS,
        ts_ns=journal.ts_ns,
        orig_client_order_id=second.client_order_id,
    )
    journal.decide(CancelApproved(intent=cancel))
    journal.report(second, ExecType.CANCELED, venue_order_id="12", cum_quantity="4")
    _later(journal)
    third = journal.approve(order_intent(4, "SELL", "1", limit_price="105"), worst_price="105")
    journal.submitting(third)
    journal.report(third, ExecType.NEW, venue_order_id="13")
    journal.fill(third, "0.7", "105", fee="0.0735", fee_currency="USDT", venue_order_id="13", cum_quantity="0.7")
    journal.halt("h1", "STRATEGY", f"{ACCOUNT}/{STRATEGY}")
    late = journal.approve(order_intent(5, "BUY", "1", limit_price="100"))
    journal.submitting(late)
    journal.not_sent(late, "HALTED")
    journal.resume("h1")
    _later(journal)
    journal.marks(mark(BTC, "105"))


def _later(journal: Journal) -> None:
    journal.ts_market_ns += 2 * SECOND_NS


def venue_of(journal: Journal) -> tuple[list[VenueOrder], list[VenueTrade]]:
    """What the venue has of this journal, told by its own reports."""
    approved: dict[str, Approved] = {}
    reports: dict[str, list[ExecReport]] = {}
    for entry in journal.entries:
        for verdict in getattr(entry.event, "verdicts", ()):
            if isinstance(verdict, Approved):
                approved[verdict.client_order_id] = verdict
        if isinstance(entry.event, ExecReport):
            reports.setdefault(entry.event.client_order_id, []).append(entry.event)
    trades = [_trade_of(report) for told in reports.values() for report in told if report.trade_id]
    return [_order_of(approved[name], told) for name, told in reports.items()], trades


def _order_of(approved: Approved, told: list[ExecReport]) -> VenueOrder:
    intent = approved.intent
    filled = sum((report.last_quantity for report in told), Decimal(0))
    canceled = any(report.exec_type is ExecType.CANCELED for report in told)
    return VenueOrder(
        client_order_id=approved.client_order_id,
        venue_order_id=told[0].venue_order_id,
        instrument_id=intent.instrument_id,
        side=intent.side.value,
        order_type=intent.order_type.value,
        time_in_force=intent.time_in_force.value,
        quantity=intent.quantity,
        cum_quantity=filled,
        limit_price=intent.limit_price or Decimal(0),
        stop_price=Decimal(0),
        status="CANCELED" if canceled else "NEW",
        is_working=not canceled and filled < intent.quantity,
    )


def _trade_of(report: ExecReport) -> VenueTrade:
    return VenueTrade(
        instrument_id=report.instrument_id,
        trade_id=report.trade_id,
        venue_order_id=report.venue_order_id,
        side=report.side.value,
        quantity=report.last_quantity,
        price=report.last_price,
        fee=report.fee,
        fee_currency=report.fee_currency or "",
    )


def changed(record: Record, **fields: Any) -> Record:
    """A record with another content, as somebody who can write to the journal might leave it."""
    message = codec.decode_known(record.subject, record.schema, record.data)
    return replace(record, data=codec.encode(message.model_copy(update=fields)))


async def give_commands(bus: Bus, system: System) -> None:
    """The operators' commands on the bus, each once."""
    for command in system.commands.values():
        subject = subjects.command(command.operator, command.service, command.verb.value)
        await bus.append(subject, codec.encode(command), codec.headers_for(command), message_id=command.command_id)


def instrument(**other: object) -> dict[str, object]:
    """The row of an instrument that every order of the healthy system fits."""
    return {
        "instrument_id": BTC,
        "tick_size": Decimal("0.5"),
        "lot_size": Decimal("0.5"),
        "min_quantity": Decimal("0.5"),
        "max_quantity": Decimal(10),
        "min_notional": Decimal(50),
        "defined_ns": 0,
    } | other
