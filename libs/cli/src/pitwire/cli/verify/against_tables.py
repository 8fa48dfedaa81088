"""The rows of PostgreSQL against the journal: copy, cursor, decisions, orders, halts, limits."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson

from pitwire.cli.verify.account_audit import AccountAudit
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.check import Check, Findings
from pitwire.cli.verify.evidence import Row, Tables
from pitwire.common.order_state import OrderState
from pitwire.common.schemas.ledger import Approved, Denied, Verdict

NUMERIC = "numeric"
LIMITS = (
    "limits_version", "order_value_max", "position_value_max", "open_positions_max", "daily_loss_max_percent",
    "drawdown_max_percent", "mark_age_max_ms", "price_collar_percent", "orders_per_minute_max",
    "concentration_max_percent", "strategy_exposure_max_percent",
)  # fmt: skip


def table_checks(auditor: Auditor, tables: Tables) -> list[Check]:
    """Every check of rows that are not money; `auditor` has read exactly up to the cursor."""
    return [
        journal_copy(auditor, tables),
        cursor(auditor, tables),
        nothing_set_aside(tables),
        decisions(auditor, tables),
        orders(auditor, tables),
        reservations(tables),
        halts(auditor, tables),
        limits(auditor, tables),
        exact_columns(tables),
    ]


def journal_copy(auditor: Auditor, tables: Tables) -> Check:
    """Every record, once, with its hash, and with bytes that still make that hash."""
    found, rows = Findings(), {int(row["oms_sequence"]): row for row in tables.of("journal_records")}
    for sequence in range(auditor.first_sequence or 1, auditor.last_sequence + 1):
        row, wanted = rows.pop(sequence, None), auditor.hash_at(sequence)
        if row is None:
            found.add(f"{sequence} is missing in journal_records")
        elif row["sha256"] != wanted:
            found.add(f"{sequence} is another record in the journal")
        elif row["payload_sha256"] is not None and row["payload_sha256"] != wanted:
            found.add(f"the payload of {sequence} was changed")
    for sequence in rows:
        found.add(f"{sequence} is in journal_records, not in the journal")
    figure = f"{len(tables.of('journal_records')):,} rows, {len(auditor.hashes):,} records"
    return found.check("I-27.journal", "the journal in PostgreSQL = the journal", figure)


def cursor(auditor: Auditor, tables: Tables) -> Check:
    """Rows and cursor moved together, and only forward."""
    found, stored = Findings(), [int(row["oms_sequence"]) for row in tables.of("journal_records")]
    newest = max(stored, default=0)
    found.require(
        tables.cursor == newest, f"the cursor stands at {tables.cursor}, the newest record stored is {newest}"
    )
    found.require(
        tables.cursor <= auditor.last_sequence,
        f"the cursor stands at {tables.cursor}, but the journal ends at {auditor.last_sequence}: records were lost",
    )
    for row in tables.of("journal_cursor_regressions"):
        found.add(
            f"the cursor of {row['stream']} was moved back from {row['cursor_before']} to {row['cursor_after']} by "
            f"{row['moved_by']} at {row['moved_at']:%Y-%m-%d %H:%M:%S}"
        )
    return found.check("I-27.cursor", "cursor = newest row, never moved back", f"cursor {tables.cursor:,}")


def nothing_set_aside(tables: Tables) -> Check:
    """Whatever could not be a row is an open question for a person."""
    found, rows = Findings(), tables.of("quarantined_records")
    for row in rows:
        if row["released_at"] is not None:
            continue
        found.add(f"{row['stream']} {row['sequence']}: {row['reason']}")
    for row in tables.of("accounts"):
        if row["stopped_sequence"] is not None:
            found.add(f"rows of {row['account']} stopped at {row['stopped_sequence']}: {row['stopped_reason']}")
    return found.check("I-27.rows", "nothing was set aside, no account stopped", f"{len(rows)} records set aside")


def decisions(auditor: Auditor, tables: Tables) -> Check:
    """One row per verdict, with code, limit and observed value as decided."""
    found, rows = Findings(), {(int(r["oms_sequence"]), int(r["verdict_no"])): r for r in tables.of("risk_decisions")}
    count = len(rows)
    for account, audit in auditor.accounts.items():
        for place, verdict in audit.verdicts.items():
            row = rows.pop(place, None)
            if row is None:
                found.add(f"the verdict at {place[0]}.{place[1]} is missing")
                continue
            wanted = {"account": account, **verdict_row(verdict)}
            found_wrong(found, f"verdict {place[0]}.{place[1]}", row, wanted)
    for place in rows:
        found.add(f"the verdict at {place[0]}.{place[1]} is in no ledger")
    return found.check("I-27.decisions", "decisions in PostgreSQL = verdicts in the ledger", f"{count:,} verdicts")


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """What the row of a verdict must say."""
    if isinstance(verdict, Denied):
        return {
            "strategy": verdict.strategy,
            "intent_no": verdict.intent_no,
            "verdict": verdict.verdict,
            "code": verdict.code.value,
            "limit_value": verdict.limit,
            "observed": verdict.observed,
        }
    row: dict[str, Any] = {
        "strategy": verdict.intent.strategy,
        "intent_no": verdict.intent.intent_no,
        "verdict": verdict.verdict,
        "code": None,
    }
    if isinstance(verdict, Approved):
        row |= {
            "client_order_id": verdict.client_order_id,
            "quantity": verdict.intent.quantity,
            "limit_price": verdict.intent.limit_price,
            "reservation_asset": verdict.reservation.asset,
            "reservation_amount": verdict.reservation.amount,
        }
    else:
        row["client_order_id"] = verdict.intent.orig_client_order_id
    return row


def orders(auditor: Auditor, tables: Tables) -> Check:
    """Every order with the state that the gate folds."""
    found = Findings()
    rows = {(str(row["account"]), str(row["client_order_id"])): row for row in tables.of("orders")}
    count = len(rows)
    for account, audit in auditor.accounts.items():
        for name, order in audit.orders.items():
            row = rows.pop((account, name), None)
            if row is None:
                found.add(f"{name} is missing")
            else:
                found_wrong(found, name, row, order_row(order))
                _sequences(found, audit, name, row)
    for _, name in rows:
        found.add(f"{name} is in PostgreSQL, but no journal record made it")
    return found.check("I-4.orders", "orders in PostgreSQL = orders of the fold", f"{count:,} orders")


def order_row(order: OrderState) -> dict[str, Any]:
    """What the row of an order must say."""
    return {
        "strategy": order.strategy,
        "instrument_id": order.instrument_id,
        "venue_account": order.venue_account,
        "venue_order_id": order.venue_order_id,
        "side": order.side.value,
        "order_type": order.order_type.value,
        "quantity": order.quantity,
        "limit_price": order.limit_price,
        "order_status": order.status.value,
        "cum_quantity": order.cum_quantity,
        "leaves_quantity": order.leaves_quantity,
        "cost": order.cost,
        "average_price": order.average_price,
        "external": order.external,
        "fees": {asset: amount for asset, amount in order.fees if amount},
    }


def _sequences(found: Findings, audit: AccountAudit, name: str, row: Row) -> None:
    approval, sending = audit.approvals.get(name), audit.sendings.get(name)
    found_wrong(
        found,
        name,
        row,
        {
            "decision_sequence": approval.sequence if approval else 0,
            "submitting_sequence": sending.sequence if sending else 0,
        },
    )


def reservations(tables: Tables) -> Check:
    """An order that ended holds nothing; one that has not may hold no more than it was given."""
    found, rows = Findings(), tables.of("orders")
    for row in rows:
        ended, leaves = int(row["ended_ns"]) > 0, Decimal(row["leaves_quantity"])
        due = Decimal(0) if ended else max(Decimal(row["quantity"]) - Decimal(row["cum_quantity"]), Decimal(0))
        found.require(leaves == due, f"{row['client_order_id']} {row['order_status']}: {leaves} left, {due} due")
    return found.check("I-17.rows", "no reservation left behind: leaves 0 once ended", f"{len(rows):,} orders")


def halts(auditor: Auditor, tables: Tables) -> Check:
    """What holds and what was cleared; the accounts fold the same."""
    found, rows = Findings(), {str(row["halt_id"]): row for row in tables.of("halts")}
    active = auditor.halts.active
    for halt_id in auditor.halt_records:
        row = rows.pop(halt_id, None)
        if row is None:
            found.add(f"halt {halt_id} is missing")
            continue
        holds = row["cleared_by"] is None
        found.require(
            holds is (halt_id in active),
            f"halt {halt_id} {'holds' if holds else 'is cleared'} in PostgreSQL, "
            f"{'holds' if halt_id in active else 'is cleared'} in the journal",
        )
        if (halt := active.get(halt_id)) is not None:
            wanted = {"scope": halt.scope.value, "target": halt.target, "trading_state": halt.state.value}
            found_wrong(found, f"halt {halt_id}", row, wanted)
    for halt_id in rows:
        found.add(f"halt {halt_id} is in no journal record")
    resumed = {str(row["resume_id"]) for row in tables.of("resumes")}
    for resume_id in auditor.resumes:
        found.require(resume_id in resumed, f"resume {resume_id} is missing")
    for audit in auditor.accounts.values():
        if audit.folds:
            found.require(
                set(audit.state.halts.active) == set(active),
                f"{audit.account} folds other halts than the journal holds",
            )
    figure = f"{len(auditor.halt_records)} halts, {len(active)} active"
    return found.check("I-21.rows", "halts in PostgreSQL = halts in the journal", figure)


def limits(auditor: Auditor, tables: Tables) -> Check:
    """Limits and capital, record by record."""
    found, count = Findings(), 0
    rows = {(str(row["account"]), int(row["oms_sequence"])): row for row in tables.of("limits")}
    money = {(str(row["account"]), int(row["oms_sequence"])): row for row in tables.of("capital")}
    for account, audit in auditor.accounts.items():
        for sequence, applied in audit.limits.items():
            count += 1
            row = rows.pop((account, sequence), None)
            if row is None:
                found.add(f"limits of {account} at {sequence} are missing")
            else:
                wanted = {name: getattr(applied.limits, name) for name in LIMITS}
                found_wrong(found, f"limits of {account} at {sequence}", row, wanted)
        for sequence, capital in audit.capital.items():
            count += 1
            row = money.pop((account, sequence), None)
            if row is None:
                found.add(f"capital of {account} at {sequence} is missing")
            else:
                wanted = {"asset": capital.asset, "amount": capital.amount, "venue_account": capital.venue_account}
                found_wrong(found, f"capital of {account} at {sequence}", row, wanted)
    for account, sequence in (*rows, *money):
        found.add(f"limits or capital of {account} at {sequence} are in no ledger")
    return found.check("I-20", "limits and capital in PostgreSQL = ledger", f"{count} records")


def exact_columns(tables: Tables) -> Check:
    """No money column is a float."""
    found = Findings()
    for name, kind in tables.numeric_columns.items():
        found.require(kind == NUMERIC, f"{name} is {kind}")
    figure = f"{len(tables.numeric_columns)} columns"
    return found.check("NUMERIC", "money columns are exact", figure)


def found_wrong(found: Findings, what: str, row: Row, wanted: Mapping[str, Any]) -> None:
    """Notes every column of `row` that says something else than `wanted`."""
    wrong = [
        f"{name} {shown(row.get(name))}, not {shown(value)}"
        for name, value in wanted.items()
        if not same(row.get(name), value)
    ]
    if wrong:
        found.add(f"{what}: {', '.join(wrong)}")


def same(found: Any, wanted: Any) -> bool:
    """Equal by value; a mapping of amounts stands as JSON text in its column."""
    if isinstance(wanted, dict):
        amounts = {asset: Decimal(text) for asset, text in orjson.loads(found or "{}").items()}
        return {asset: amount for asset, amount in amounts.items() if amount} == wanted
    return bool(found == wanted)


def shown(value: Any) -> str:
    """A value as a person reads it."""
    return format(value, "f") if isinstance(value, Decimal) else str(value)
