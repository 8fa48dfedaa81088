"""A second judge: the venue's log against the rows in PostgreSQL, worked out again from nothing.

It shares no code with Pitwire (a test holds that): the standard library, psycopg and the two files beside it. `verify`
reads the journal with the services' own folds; this one does not know that they exist.

    python -m tests.chaos.checker VENUE_LOG DATABASE_URL
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from tests.chaos.accounts import NET, Holding, holdings_of
from tests.chaos.venue_log import VenueBooks, VenueOrder, read_venue_log

Row = dict[str, Any]
TABLES: dict[str, LiteralString] = {
    "orders": "SELECT * FROM orders",
    "fills": "SELECT * FROM fills ORDER BY oms_sequence, entry_no",
    "positions": "SELECT * FROM positions",
    "balances": "SELECT * FROM balances",
    "decisions": "SELECT * FROM risk_decisions ORDER BY oms_sequence, verdict_no",
    "equity": "SELECT * FROM equity",
    "halts": "SELECT * FROM halts",
    "resumes": "SELECT * FROM resumes",
    "cursors": "SELECT * FROM journal_cursor WHERE stream = 'OMS'",
    "records": "SELECT oms_sequence, kind, account, ledger_no, exec_no, prev_hash, sha256, payload::text AS payload "
    "FROM journal_records ORDER BY oms_sequence",
}
ENDED = {"FILLED": "FILLED", "CANCELED": "CANCELED", "EXPIRED": "EXPIRED", "EXPIRED_IN_MATCH": "EXPIRED"}
OPEN = frozenset({"NEW", "PARTIALLY_FILLED", "PENDING_CANCEL", "PENDING_NEW"})
NEVER_THERE = frozenset({"NOT_SENT", "REJECTED"})
ROUNDING = Fraction(1, 10**28)
TOLD_MAX = 40


@dataclass
class Verdict:
    """What was counted, and everything that is not as it must be."""

    figures: dict[str, int] = field(default_factory=dict[str, int])
    faults: list[str] = field(default_factory=list[str])

    @property
    def is_clean(self) -> bool:
        return not self.faults

    def require(self, holds: bool, fault: str) -> None:
        if not holds:
            self.faults.append(fault)

    def document(self) -> dict[str, Any]:
        return {"clean": self.is_clean, **self.figures, "faults": self.faults[:TOLD_MAX], "count": len(self.faults)}


def check(venue_log: Path, database_url: str) -> Verdict:
    """Judges a system at rest: nothing is on its way, PostgreSQL has caught up. Orders may be open."""
    books, rows, verdict = read_venue_log(venue_log), read_rows(database_url), Verdict()
    names = books.by_name()
    journal(rows, verdict)
    orders(books, names, rows, verdict)
    approvals(names, rows, verdict)
    fills(books, rows, verdict)
    positions(books, rows, verdict)
    balances(books, rows, verdict)
    equity(rows, verdict)
    halts(rows, verdict)
    return verdict


def read_rows(database_url: str) -> dict[str, list[Row]]:
    """Every table in one consistent picture."""
    with psycopg.Connection[Row].connect(database_url, row_factory=dict_row) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return {name: connection.execute(statement).fetchall() for name, statement in TABLES.items()}


def journal(rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """The copied journal: gapless, each record its hash, each ledger a chain, the cursor at its end."""
    expected, numbers, hashes = 0, dict[tuple[str, str], int](), dict[str, str]()
    for row in rows["records"]:
        expected += 1
        place = f"journal record {row['oms_sequence']}"
        verdict.require(row["oms_sequence"] == expected, f"journal gap: {place} where {expected} was due")
        expected = int(row["oms_sequence"])
        if row["payload"] is not None:
            digest = hashlib.sha256(row["payload"].encode()).hexdigest()
            verdict.require(digest == row["sha256"], f"payload changed: {place}")
        for column in ("ledger_no", "exec_no"):
            if row[column] is not None:
                key = (str(row["account"]), column)
                numbers[key] = numbers.get(key, 0) + 1
                verdict.require(row[column] == numbers[key], f"{column} gap: {place} is {row[column]}")
                numbers[key] = int(row[column])
        if row["ledger_no"] is not None:
            before = hashes.get(row["account"], "")
            verdict.require(row["prev_hash"] == before, f"chain broken: {place} names another record before it")
            hashes[row["account"]] = row["sha256"]
    stored = int(rows["cursors"][0]["cursor"]) if rows["cursors"] else 0
    verdict.require(stored == expected, f"cursor wrong: it stands at {stored}, the newest record is {expected}")
    verdict.figures["journal_records"] = len(rows["records"])


def orders(books: VenueBooks, names: dict[str, list[VenueOrder]], rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """Each order once on both sides, with one story."""
    ours = {str(row["client_order_id"]): row for row in rows["orders"]}
    verdict.require(len(ours) == len(rows["orders"]), "order doubled: one client order id has several rows")
    used = Counter(str(row["venue_order_id"]) for row in rows["orders"] if row["venue_order_id"])
    for venue_order_id, times in used.items():
        verdict.require(times == 1, f"order id reused: {venue_order_id} is on {times} orders")
    for name, there in names.items():
        verdict.require(len(there) == 1, f"order doubled: {name} is {len(there)} orders at the venue")
        row = ours.pop(name, None)
        if row is None:
            verdict.faults.append(f"order lost: {name} is at the venue, not in PostgreSQL")
            continue
        same_order(there[0], row, verdict)
    for name, row in ours.items():
        verdict.require(not row["cum_quantity"], f"order invented: {name} filled, and the venue never had it")
        verdict.require(
            row["order_status"] in NEVER_THERE, f"order invented: {name} is {row['order_status']}, not at the venue"
        )
        verdict.require(not row["leaves_quantity"], f"reservation left: {name} never reached the venue")
    verdict.figures |= {"venue_orders": len(books.orders), "orders": len(rows["orders"])}


def same_order(there: VenueOrder, row: Row, verdict: Verdict) -> None:
    """One order at the venue and its row."""
    name = there.client_order_id
    pairs = (
        ("venue order id", row["venue_order_id"], there.order_id),
        ("instrument", row["instrument_id"].partition(".")[0], there.symbol),
        ("side", row["side"], there.side),
        ("quantity", Fraction(row["quantity"]), there.quantity),
        ("limit price", Fraction(row["limit_price"] or 0), there.limit_price),
        ("filled quantity", Fraction(row["cum_quantity"]), there.filled),
        ("cost", Fraction(row["cost"]), there.cost),
    )
    for what, has, due in pairs:
        verdict.require(has == due, f"order differs: {name} has {what} {has}, the venue {due}")
    if there.is_open:
        verdict.require(row["order_status"] in OPEN, f"order differs: {name} works there, here {row['order_status']}")
    else:
        due = ENDED.get(there.status, there.status)
        verdict.require(row["order_status"] == due, f"order differs: {name} is {row['order_status']}, not {due}")
    left = Fraction(row["leaves_quantity"])
    verdict.require(left == there.left, f"reservation left: {name} holds {left}, the venue can fill {there.left}")


def approvals(names: dict[str, list[VenueOrder]], rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """Whatever the venue has was approved once, then journaled as submitted once, and in this order."""
    approved: dict[str, list[Row]] = {}
    numbers: dict[str, int] = {}
    for row in rows["decisions"]:
        if row["verdict"] != "APPROVED":
            continue
        approved.setdefault(row["client_order_id"], []).append(row)
        last = numbers.get(row["strategy"], 0)
        text = f"intent decided twice: {row['strategy']} {row['intent_no']} after {last}"
        verdict.require(row["intent_no"] > last, text)
        numbers[row["strategy"]] = int(row["intent_no"])
    submitted: dict[str, list[int]] = {}
    for row in rows["records"]:
        if row["kind"] == "Submitting":
            submitted.setdefault(json.loads(row["payload"])["client_order_id"], []).append(int(row["oms_sequence"]))
    for name in names:
        given, sent = approved.get(name, []), submitted.get(name, [])
        verdict.require(len(given) == 1, f"order not approved once: {name} has {len(given)} approvals")
        verdict.require(len(sent) == 1, f"order not submitted once: {name} has {len(sent)} Submitting")
        if given and sent:
            verdict.require(given[0]["oms_sequence"] < sent[0], f"order sent before its approval: {name}")
    verdict.figures["approvals"] = sum(len(found) for found in approved.values())


def fills(books: VenueBooks, rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """Every trade of the venue is one row with its figures: none lost, none doubled, none invented."""
    booked: dict[tuple[str, str], list[Row]] = {}
    for row in rows["fills"]:
        booked.setdefault((row["instrument_id"].partition(".")[0], row["trade_id"]), []).append(row)
    for key, trade in books.trades.items():
        found = booked.pop(key, [])
        what = f"trade {trade.trade_id} of {trade.symbol}"
        verdict.require(trade.times == 1, f"fill doubled: {what} stands {trade.times} times in the venue's log")
        verdict.require(bool(found), f"fill lost: {what} is not in PostgreSQL")
        verdict.require(len(found) < 2, f"fill doubled: {what} has {len(found)} rows")
        for row in found:
            pairs = (
                ("side", row["side"], trade.side),
                ("quantity", Fraction(row["quantity"]), trade.quantity),
                ("price", Fraction(row["price"]), trade.price),
                ("notional", Fraction(row["notional"]), trade.quantity * trade.price),
                ("order", row["client_order_id"], trade.client_order_id),
            )
            for name, has, due in pairs:
                verdict.require(has == due, f"fill changed: {what} has {name} {has}, the venue {due}")
            fee = (Fraction(row["fee"]), row["fee_currency"])
            verdict.require(fee == (trade.fee, trade.fee_currency), f"fee changed: {what} has {row['fee']}")
    for symbol, trade_id in booked:
        verdict.faults.append(f"fill invented: trade {trade_id} of {symbol} is in PostgreSQL, not at the venue")
    verdict.figures |= {"venue_trades": len(books.trades), "fills": len(rows["fills"])}


def positions(books: VenueBooks, rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """Each strategy's position and the account's, from the venue's trades in the order in which they were booked."""
    strategies = {str(row["client_order_id"]): str(row["strategy"]) for row in rows["orders"]}
    order = {
        (row["instrument_id"].partition(".")[0], row["trade_id"]): int(row["oms_sequence"]) for row in rows["fills"]
    }
    trades = sorted(books.trades.items(), key=lambda item: order.get(item[0], 0))
    expected = holdings_of(((strategies.get(t.client_order_id, ""), t) for _, t in trades))
    for row in rows["positions"]:
        key = (row["strategy"], row["instrument_id"].partition(".")[0])
        holding = expected.pop(key, None)
        if holding is None:
            verdict.faults.append(f"position invented: {key}")
            continue
        same_position(key, holding, row, verdict)
    for key in expected:
        verdict.faults.append(f"position lost: {key}")
    net, parts = dict[str, Fraction](), dict[str, Fraction]()
    for row in rows["positions"]:
        side = net if row["strategy"] == NET else parts
        side[row["instrument_id"]] = side.get(row["instrument_id"], Fraction(0)) + Fraction(row["quantity"])
    verdict.require(net == parts, f"position differs: strategies hold {parts}, the account {net}")
    verdict.figures["positions"] = len(rows["positions"])


def same_position(key: tuple[str, str], holding: Holding, row: Row, verdict: Verdict) -> None:
    """One position: quantity and fees to the digit, cost and profit within the rounding of one division."""
    what = f"position differs: {key}"
    quantity, fees = Fraction(row["quantity"]), Fraction(row["fees"])
    verdict.require(quantity == holding.quantity, f"{what} has {row['quantity']}, {float(holding.quantity)} filled")
    verdict.require(fees == holding.fees, f"{what} paid {row['fees']}, by the venue {float(holding.fees)}")
    for name, due in (("cost", holding.cost), ("realised_pnl", holding.realised)):
        close = abs(Fraction(row[name]) - due) <= ROUNDING * max(1, holding.steps)
        verdict.require(close, f"{what} has {name} {row[name]}, not {float(due)}")


def balances(books: VenueBooks, rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """Three ways to the same amounts: the venue's own, its trades added up, and the rows."""
    expected = books.expected_balances()
    for asset in sorted({*expected, *books.balances}):
        has, due = books.balances.get(asset, Fraction(0)), expected.get(asset, Fraction(0))
        verdict.require(has == due, f"venue balance differs: {asset} is {float(has)}, its trades make {float(due)}")
    stored: dict[str, Fraction] = {}
    for row in rows["balances"]:
        stored[row["asset"]] = stored.get(row["asset"], Fraction(0)) + Fraction(row["amount"])
    for asset in sorted({*expected, *stored}):
        has, due = stored.get(asset, Fraction(0)), expected.get(asset, Fraction(0))
        verdict.require(has == due, f"balance differs: {asset} is {float(has)} in PostgreSQL, {float(due)} there")
    verdict.figures["balances"] = len(stored)


def equity(rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """The accounting identity in every row."""
    for row in rows["equity"]:
        place = f"equity differs: {row['account']} at {row['oms_sequence']}"
        parts = sum(
            (Fraction(row[name]) for name in ("capital", "realised_pnl", "unrealised_pnl", "other")), Fraction(0)
        )
        verdict.require(Fraction(row["equity"]) == parts - Fraction(row["fees"]), f"{place}: its parts do not add up")
        held = Fraction(row["cash"]) + Fraction(row["positions_value"])
        verdict.require(Fraction(row["equity"]) == held, f"{place}: cash and positions do not add up")
    verdict.figures["equity_rows"] = len(rows["equity"])


def halts(rows: dict[str, list[Row]], verdict: Verdict) -> None:
    """A halt holds exactly until a resume in the journal names it."""
    added: list[str] = []
    cleared: set[str] = set()
    for row in rows["records"]:
        if row["kind"] == "Halt":
            added.append(json.loads(row["payload"])["halt_id"])
        elif row["kind"] == "Resume":
            cleared |= set(json.loads(row["payload"])["cleared"])
    stored = {str(row["halt_id"]): row["cleared_by"] is None for row in rows["halts"]}
    for halt_id in dict.fromkeys(added):
        holds = stored.pop(halt_id, None)
        due = halt_id not in cleared
        verdict.require(holds is due, f"halt stale: {halt_id} holds here: {holds}, by the journal: {due}")
    for halt_id in stored:
        verdict.faults.append(f"halt invented: {halt_id}")
    verdict.figures["halts"] = len(rows["halts"])


def main() -> int:
    """Prints the verdict as JSON; exit code 0 only if it is clean."""
    verdict = check(Path(sys.argv[1]), sys.argv[2])
    sys.stdout.write(json.dumps(verdict.document()) + "\n")
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
