"""Every check of verify can go red: each tampering with one input is found, and named by the check it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from libs.cli.tests.verify_world import QUOTES, System, changed, healthy, heartbeat, instrument, record_of

from pitwire.cli.verify import judge
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.check import DETAILS_MAX, Check, Findings
from pitwire.cli.verify.findings import JournalFindings
from pitwire.common import codec, subjects
from pitwire.common.accounting import Book
from pitwire.common.bus.port import Record
from pitwire.common.enums import ExecType, OrderStatus, Side
from pitwire.common.ids import partition_of
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import CapitalRecorded, DayRolled, Halt, LimitsApplied, MarksRecorded, RiskDecision
from pitwire.common.schemas.market import MarketDoubt
from pitwire.common.testing.journal import ACCOUNT, BTC, VENUE_ACCOUNT, order_intent

Tamper = Callable[[System], None]


def at(system: System, kind: type[Any], number: int = 0, **wanted: Any) -> int:
    """Where the record of this kind stands in the list of records."""
    found = [
        index
        for index, entry in enumerate(system.journal.entries)
        if isinstance(entry.event, kind) and all(getattr(entry.event, name) == value for name, value in wanted.items())
    ]
    return found[number]


def rewrite(kind: type[Any], number: int = 0, *, wanted: dict[str, Any] | None = None, **fields: Any) -> Tamper:
    """Another content of one journal record; the rows are those of the journal as it was."""

    def tamper(system: System) -> None:
        index = at(system, kind, number, **(wanted or {}))
        system.records[index] = changed(system.records[index], **fields)

    return tamper


def row(table: str, wanted: dict[str, Any], **fields: Any) -> Tamper:
    """Another content of one row."""

    def tamper(system: System) -> None:
        system.row(table, **wanted).update(fields)

    return tamper


def drop_row(table: str, **wanted: Any) -> Tamper:
    def tamper(system: System) -> None:
        system.rows[table].remove(system.row(table, **wanted))

    return tamper


def double_row(table: str, wanted: dict[str, Any], **fields: Any) -> Tamper:
    def tamper(system: System) -> None:
        system.rows[table].append(system.row(table, **wanted) | fields)

    return tamper


def drop_record(kind: type[Any], number: int = 0) -> Tamper:
    def tamper(system: System) -> None:
        del system.records[at(system, kind, number)]

    return tamper


def venue_order(number: int, **fields: Any) -> Tamper:
    def tamper(system: System) -> None:
        system.orders[number] = replace(system.orders[number], **fields)

    return tamper


def venue_trade(number: int, **fields: Any) -> Tamper:
    def tamper(system: System) -> None:
        system.trades[number] = replace(system.trades[number], **fields)

    return tamper


def unreadable_record(system: System) -> None:
    index = at(system, MarksRecorded)
    system.records[index] = replace(system.records[index], data=b"{")


def wrong_partition(system: System) -> None:
    record = system.records[-1]
    other = subjects.LEDGER.replace("{partition}", str((partition_of("main") + 1) % 64)).replace("{account}", "main")
    system.records[-1] = replace(record, subject=other)


def foreign_account(system: System) -> None:
    record = system.records[-1]
    system.records[-1] = replace(record, subject=subjects.ledger("other"))


def order_id_reused(system: System) -> None:
    """The venue has a second order under an id of ours, and the journal submits it twice."""
    system.orders.append(replace(system.orders[0], venue_order_id="99"))


def submitted_twice(system: System) -> None:
    index = at(system, Submitting)
    append(system, changed(system.records[index], exec_no=1_000))


def append(system: System, record: Record) -> None:
    system.records.append(replace(record, sequence=system.records[-1].sequence + 1))


def unapproved_at_venue(system: System) -> None:
    """An approval that execution never submitted is at the venue all the same."""
    journal = system.journal
    verdict = journal.approve(order_intent(6, "BUY", "1", limit_price="100"))
    system.records.append(record_of(journal.entries[-1]))
    system.store()
    system.orders.append(replace(system.orders[0], client_order_id=verdict.client_order_id, venue_order_id="77"))


def sent_under_halt(system: System) -> None:
    """The order that a halt kept from leaving was sent after all: the venue acknowledges it."""
    index = at(system, NotSent)
    event = system.journal.entries[index].event
    assert isinstance(event, NotSent)
    told = system.journal.entries[at(system, ExecReport)].event
    assert isinstance(told, ExecReport)
    report = told.model_copy(
        update={"client_order_id": event.client_order_id, "exec_no": event.exec_no, "venue_order_id": "14"}
    )
    data, headers = codec.encode(report), codec.headers_for(report)
    system.records[index] = replace(system.records[index], data=data, schema=headers[codec.SCHEMA_HEADER])


def not_sent_yet_there(system: System) -> None:
    event = system.journal.entries[at(system, NotSent)].event
    assert isinstance(event, NotSent)
    system.orders.append(replace(system.orders[0], client_order_id=event.client_order_id, venue_order_id="14"))


def approved_beyond_limits(system: System) -> None:
    """Limits that no longer allow what was approved under them."""
    index = at(system, LimitsApplied)
    event = system.journal.entries[index].event
    assert isinstance(event, LimitsApplied)
    tight = event.limits.model_copy(update={"order_value_max": Decimal(10)})
    system.records[index] = changed(system.records[index], limits=tight)


def day_begins_twice(system: System) -> None:
    append(system, changed(system.records[at(system, DayRolled)], ledger_no=100))


def reservation_left(system: System) -> None:
    """The end of an order is lost: its reservation would stay for ever."""
    index = at(system, ExecReport, exec_type=ExecType.CANCELED)
    system.records[index] = changed(system.records[index], exec_type=ExecType.STATUS, order_status=OrderStatus.NEW)


def late_submission(system: System) -> None:
    index = at(system, Submitting)
    event = system.journal.entries[index].event
    assert isinstance(event, Submitting)
    system.records[index] = changed(system.records[index], ts_ns=event.valid_until_ns + 1)


def in_doubt(system: System) -> None:
    """The newest order is answered by silence only."""
    journal = system.journal
    verdict = journal.approve(order_intent(6, "BUY", "1", limit_price="100"))
    journal.submitting(verdict)
    journal.report(verdict, ExecType.UNKNOWN)
    system.records = [record_of(entry) for entry in journal.entries]
    system.store()


def stale_halt(system: System) -> None:
    """PostgreSQL shows a halt that a resume has cleared."""
    system.row("halts", halt_id="h1").update(cleared_by=None, cleared_sequence=None)


def moved_back(system: System) -> None:
    system.rows["journal_cursor_regressions"] = [
        {
            "stream": "OMS",
            "cursor_before": 30,
            "cursor_after": 10,
            "moved_by": "somebody",
            "moved_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
    ]


def set_aside(system: System) -> None:
    system.rows["quarantined_records"] = [{"stream": "OMS", "sequence": 3, "reason": "not JSON", "released_at": None}]


def float_column(system: System) -> None:
    system.numeric_columns["fills.price"] = "double precision"


def journal_lost(system: System) -> None:
    """The journal ends before the cursor: acknowledged records are gone."""
    del system.records[-3:]


def postings_off(system: System) -> None:
    """A deposit that the ledger has and the database has not."""
    index = at(system, CapitalRecorded)
    system.records[index] = changed(system.records[index], amount=Decimal(5))


def old_cursor(system: System) -> None:
    index = at(system, MarksRecorded, 1)
    event: Any = system.journal.entries[index].event
    system.records[index] = changed(system.records[index], cursors=event.cursors.model_copy(update={"oms_sequence": 2}))


FILL = {"trade_id": "2"}
CANCELED = {"order_status": "CANCELED"}
NINTH = {"oms_sequence": 9}
DOUBTS = (MarketDoubt(instrument_id=BTC, reason="feed of sim is STALE"),)
NET = {"strategy": "*", "instrument_id": BTC}
TAMPERINGS: list[tuple[str, Tamper, set[str]]] = [
    ("a fill deleted", drop_row("fills", **FILL), {"I-8.rows"}),
    ("a fill doubled", double_row("fills", FILL, entry_no=2), {"I-8.rows"}),
    ("a fill under a new trade id", double_row("fills", FILL, trade_id="999"), {"I-8.rows"}),
    ("the quantity of a fill changed", row("fills", FILL, quantity=Decimal(7)), {"I-8.rows"}),
    ("a fee changed in the database", row("fills", FILL, fee=Decimal("0.16")), {"I-8.rows"}),
    ("a fee changed at the venue", venue_trade(1, fee=Decimal("0.16")), {"I-13"}),
    ("a fee changed in the journal", rewrite(ExecReport, 2, fee=Decimal("0.16")), {"I-13", "I-9.venue"}),
    ("an order id reused at the venue", order_id_reused, {"I-2"}),
    ("an order submitted twice", submitted_twice, {"I-2.journal"}),
    ("a reservation left behind", row("orders", CANCELED, leaves_quantity=Decimal(6)), {"I-17.rows", "I-4.orders"}),
    ("the end of an order lost", reservation_left, {"I-17"}),
    ("the cursor moved back", row("journal_cursor", {"stream": "OMS"}, cursor=10), {"I-27.cursor"}),
    ("the cursor moved back and forth", moved_back, {"I-27.cursor"}),
    ("a fill missing at the venue", lambda s: s.trades.remove(s.trades[1]), {"I-8"}),
    ("a fill that only the venue has", lambda s: s.trades.append(replace(s.trades[0], trade_id="77")), {"I-8"}),
    ("a ledger record dropped", drop_record(MarksRecorded), {"I-28", "I-10.chain"}),
    ("an execution event dropped", drop_record(ExecReport), {"I-28"}),
    ("a ledger record changed", rewrite(MarksRecorded, ts_ns=1), {"I-10.chain", "I-29", "I-27.journal"}),
    ("the command of an effect lost", lambda s: s.commands.clear(), {"I-36"}),
    ("another configuration", lambda s: s.heartbeats.append(heartbeat("strategy", config_hash="d")), {"I-38"}),
    ("a fill booked to another strategy", row("fills", FILL, strategy="other"), {"I-40"}),
    ("a lot no order fits", lambda s: s.rows.update(instruments=[instrument(lot_size=Decimal("0.3"))]), {"I-15"}),
    ("a position row edited", row("positions", NET, quantity=Decimal(3)), {"I-9"}),
    ("a position row missing", drop_row("positions", **NET), {"I-9"}),
    ("the profit of a position edited", row("positions", NET, realised_pnl=Decimal(1)), {"I-9"}),
    ("an average edited", row("positions", NET, average_price=Decimal(1)), {"I-12", "I-9"}),
    ("a record in the wrong partition", wrong_partition, {"I-37"}),
    ("a record on the subject of another account", foreign_account, {"I-37"}),
    ("a stale halt in the database", stale_halt, {"I-21.rows"}),
    ("a halt missing in the database", drop_row("halts", halt_id="h1"), {"I-21.rows"}),
    ("a resume missing in the database", drop_row("resumes"), {"I-21.rows"}),
    ("an unreadable record", unreadable_record, {"I-32"}),
    ("two leaders at once", rewrite(MarksRecorded, epoch=7), {"I-30"}),
    ("a cursor of the ledger moved back", old_cursor, {"I-27.cursors"}),
    ("a day that begins twice", day_begins_twice, {"I-24"}),
    ("an approval with another content", rewrite(Submitting, side=Side.SELL), {"I-4"}),
    ("an id that its content does not make", rewrite(RiskDecision, incarnation="i2"), {"I-3.journal"}),
    ("an order sent under a halt", sent_under_halt, {"I-21"}),
    ("limits exceeded by an approval", approved_beyond_limits, {"I-16", "I-20"}),
    ("an approval that raises exposure on doubtful data", rewrite(RiskDecision, doubts=DOUBTS), {"I-33"}),
    ("an order at the venue that was never submitted", unapproved_at_venue, {"I-1"}),
    ("an order larger than approved", venue_order(0, quantity=Decimal(3)), {"I-3"}),
    ("an order at another price", venue_order(0, limit_price=Decimal(101)), {"I-3"}),
    ("an order submitted after its approval had ended", late_submission, {"I-3"}),
    ("an order not sent, yet at the venue", not_sent_yet_there, {"I-22"}),
    ("an order left in doubt", in_doubt, {"I-5"}),
    ("a working order the venue has no longer", venue_order(2, is_working=False), {"I-6", "I-17"}),
    ("an ended order that works at the venue", venue_order(0, is_working=True), {"I-6"}),
    ("a balance that the fills do not explain", lambda s: s.balances.update(USDT=Decimal(1)), {"I-9.venue"}),
    ("a record missing in the journal copy", drop_row("journal_records", oms_sequence=9), {"I-27.journal"}),
    ("another hash in the journal copy", row("journal_records", NINTH, sha256="0" * 64), {"I-27.journal"}),
    ("a payload changed in the journal copy", row("journal_records", NINTH, payload_sha256="0"), {"I-27.journal"}),
    ("a record set aside", set_aside, {"I-27.rows"}),
    ("an account stopped", row("accounts", {}, stopped_sequence=4, stopped_reason="x"), {"I-27.rows"}),
    ("a verdict missing", drop_row("risk_decisions"), {"I-27.decisions"}),
    ("a verdict changed", row("risk_decisions", {"verdict": "APPROVED"}, verdict="DENIED"), {"I-27.decisions"}),
    ("an order missing", drop_row("orders"), {"I-4.orders"}),
    ("an order in another status", row("orders", {}, order_status="EXPIRED"), {"I-4.orders"}),
    ("limits changed in the database", row("limits", {}, order_value_max=Decimal(1)), {"I-20"}),
    ("capital missing in the database", drop_row("capital"), {"I-20"}),
    ("a balance edited", row("balances", {"asset": "BTC"}, amount=Decimal(9)), {"I-10.balances"}),
    ("equity edited", row("equity", {"kind": "MarksRecorded"}, equity=Decimal(9)), {"I-11.rows"}),
    ("the row of a day roll missing", drop_row("equity", kind="DayRolled"), {"I-11.rows"}),
    ("a money column that is a float", float_column, {"NUMERIC"}),
    ("a journal that lost its end", journal_lost, {"I-27.cursor", "I-27.journal"}),
    ("another deposit than the one stored", postings_off, {"I-20", "I-9.venue", "I-10.balances"}),
]  # fmt: skip


def test_a_healthy_system_holds() -> None:
    checks = healthy().checks()
    assert [f"{check.id}: {check.detail}" for check in checks.values() if not check.holds] == []
    assert all(check.figure and check.name for check in checks.values())


@pytest.mark.parametrize(("tamper", "expected"), [pytest.param(t, e, id=name) for name, t, e in TAMPERINGS])
def test_tampering_is_found_and_named(tamper: Tamper, expected: set[str]) -> None:
    system = healthy()
    tamper(system)
    checks = system.checks()
    assert expected <= {name for name, check in checks.items() if not check.holds}
    assert all(checks[name].detail for name in expected)


def test_every_check_goes_red_for_some_tampering() -> None:
    by_a_wrong_fold = {"I-10", "I-11", "I-17.journal"}
    assert {name for _, _, expected in TAMPERINGS for name in expected} | by_a_wrong_fold == set(healthy().checks())


def money_from_nowhere(state: AccountState) -> None:
    state.wealth.books._balances[Book.HOLDING, VENUE_ACCOUNT, "USDT"] += 1


def equity_from_nowhere(state: AccountState) -> None:
    state.wealth._loose["USDT"] = Decimal(1)


def exposure_forgotten(state: AccountState) -> None:
    state.exposure._working.clear()


@pytest.mark.parametrize(
    ("defect", "expected"),
    [(money_from_nowhere, "I-10"), (equity_from_nowhere, "I-11"), (exposure_forgotten, "I-17.journal")],
)
def test_a_fold_that_goes_wrong_is_seen(defect: Callable[[AccountState], None], expected: str) -> None:
    system, auditor = healthy(), Auditor(QUOTES)
    auditor.feed(system.records[:27])
    defect(auditor.accounts[ACCOUNT].state)
    auditor.feed(system.records[27:])
    checks = judge(auditor, system.tables, [system.venue], system.bus)
    assert expected in [check.id for check in checks if not check.holds]


def test_findings_tell_the_first_and_count_the_rest() -> None:
    findings = Findings()
    for number in range(DETAILS_MAX + 3):
        findings.require(False, f"no {number}")
    check = findings.check("X", "name", "figure")
    assert check == Check("X", "name", False, "figure", "no 0; no 1; no 2; no 3; no 4; and 3 more")


def test_each_set_of_findings_is_one_check() -> None:
    names = [field.name for field in fields(JournalFindings)]
    for name in names:
        found = JournalFindings()
        getattr(found, name).add("broken")
        checks = found.checks(records=1, ledger=1, decisions=1, orders=1, accounts=1)
        assert [check.holds for check in checks].count(False) == 1
    assert len(names) == len(JournalFindings().checks(records=0, ledger=0, decisions=0, orders=0, accounts=0))


def test_halts_written_by_nobody_known_are_named() -> None:
    system = healthy()
    system.rows["halts"].append(system.row("halts") | {"halt_id": "h9"})
    assert "h9" in system.checks()["I-21.rows"].detail
    assert isinstance(system.journal.entries[at(system, Halt)].event, Halt)
