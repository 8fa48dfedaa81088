"""Fills, positions, balances and equity: journal, plain fractions, fold and PostgreSQL must say the same."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Final

from pitwire.cli.verify.account_audit import AccountAudit
from pitwire.cli.verify.against_tables import found_wrong, same
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.check import Check, Findings
from pitwire.cli.verify.evidence import Row, Tables
from pitwire.cli.verify.truth import Holding, Told, TradeKey
from pitwire.common.accounting import Book
from pitwire.common.fills import Fill
from pitwire.common.positions import Position

NET: Final = "*"
ROUNDING_MAX: Final = Fraction(1, 10**30)
"""How far costs may lie from exact fractions: a partial reduction rounds once, at 36 decimals."""

PARTS: Final = ("capital", "realised_pnl", "unrealised_pnl", "other")
AVERAGE_MAX: Final = Fraction(1, 10**15)
"""Relative; averages are shown at 34 digits."""


def money_checks(auditor: Auditor, tables: Tables) -> list[Check]:
    """Every check of money that needs no venue."""
    return [
        fills(auditor, tables),
        positions(auditor, tables),
        balances(auditor, tables),
        averages(auditor, tables),
        equity(auditor, tables),
    ]


def fills(auditor: Auditor, tables: Tables) -> Check:
    """Every distinct trade that the journal tells is one standing row, with its figures."""
    found = Findings()
    rows: dict[TradeKey, list[Row]] = {}
    for row in tables.of("fills"):
        key = (str(row["venue"]), str(row["venue_account"]), str(row["instrument_id"]), str(row["trade_id"]))
        rows.setdefault(key, []).append(row)
    count = 0
    for audit in auditor.accounts.values():
        folded = _live(audit.fills)
        for key, told in audit.truth.trades.items():
            count += 1
            _fill(found, key, told, rows.pop(key, []))
            booked = folded.get("|".join(key))
            if audit.folds:
                busted = booked is None
                found.require(busted is told.busted, f"trade {key[3]} of {key[2]}: the fold booked it {_times(booked)}")
    for key in rows:
        found.add(f"trade {key[3]} of {key[2]} is in PostgreSQL, but the journal tells no such trade")
    return found.check("I-8.rows", "fills in PostgreSQL = fills in the journal, each once", f"{count:,} fills")


def _live(booked: list[Fill]) -> dict[str, Fill]:
    """What stands after reversals."""
    live: dict[str, Fill] = {}
    for fill in booked:
        if fill.is_reversal:
            live.pop(fill.key, None)
        else:
            live[fill.key] = fill
    return live


def _times(booked: Fill | None) -> str:
    return "not at all" if booked is None else "though it was busted"


def _fill(found: Findings, key: TradeKey, told: Told, rows: list[Row]) -> None:
    what, report = f"trade {key[3]} of {key[2]}", told.report
    standing = [row for row in rows if not row["is_reversal"]]
    reversals = len(rows) - len(standing)
    if not rows:
        found.add(f"{what} is missing")
        return
    live = len(standing) - reversals
    found.require(live == (0 if told.busted else 1), f"{what} is booked {live} times")
    if not standing:
        return
    row = max(standing, key=lambda row: int(row["entry_no"]))
    wanted = {
        "account": report.account,
        "client_order_id": report.client_order_id,
        "side": report.side.value,
        "quantity": report.last_quantity,
        "price": report.last_price,
        "notional": report.last_quantity * report.last_price,
        "fee": report.fee,
        "fee_currency": report.fee_currency or row["fee_currency"],
        "oms_sequence": told.sequence,
    }
    found_wrong(found, what, row, wanted)


def positions(auditor: Auditor, tables: Tables) -> Check:
    """Each sub-ledger and each net, and that they add up."""
    found = Findings()
    rows = {(str(r["account"]), str(r["strategy"]), str(r["instrument_id"])): r for r in tables.of("positions")}
    count = len(rows)
    for account, audit in auditor.accounts.items():
        for (strategy, name), holding in audit.truth.holdings.items():
            what = f"{account}/{strategy} {name}"
            row = rows.pop((account, strategy, name), None)
            if row is None:
                found.add(f"{what}: no row")
            else:
                _holding(found, f"{what} in PostgreSQL", holding, row)
            if audit.folds:
                folded = _folded(audit, strategy, name)
                _holding(found, f"{what} in the fold", holding, _figures(folded))
                if row is not None:
                    found_wrong(found, what, row, _figures(folded) | {"other_fees": _amounts(folded)})
        _sums(found, account, audit)
    for account, strategy, name in rows:
        found.add(f"{account}/{strategy} {name} is in PostgreSQL, but nothing was ever filled there")
    return found.check("I-9", "positions: PostgreSQL = fold = sum of the fills in fractions", f"{count} positions")


def _folded(audit: AccountAudit, strategy: str, name: str) -> Position:
    return audit.state.net_position(name) if strategy == NET else audit.state.position(strategy, name)


def _figures(position: Position) -> Row:
    return {
        "quantity": position.quantity,
        "cost": position.cost,
        "realised_pnl": position.realised_pnl,
        "fees": position.fees,
        "average_price": position.average_price,
        "fill_count": position.fill_count,
    }


def _amounts(position: Position) -> dict[str, Decimal]:
    return {asset: amount for asset, amount in position.other_fees if amount}


def _holding(found: Findings, what: str, holding: Holding, row: Row) -> None:
    """Quantities and fees to the digit; cost and realised profit to the digit together, apart within one rounding."""
    quantity, cost, realised, fees = (Fraction(row[name]) for name in ("quantity", "cost", "realised_pnl", "fees"))
    found.require(
        quantity == holding.quantity, f"{what}: holds {row['quantity']}, {float(holding.quantity):g} was filled"
    )
    found.require(fees == holding.fees, f"{what}: fees {row['fees']}, not {float(holding.fees):g}")
    found.require(
        realised - cost == holding.realised - holding.cost,
        f"{what}: realised - cost is {float(realised - cost):g}, not {float(holding.realised - holding.cost):g}",
    )
    found.require(
        abs(realised - holding.realised) <= ROUNDING_MAX,
        f"{what}: realised {row['realised_pnl']}, not {float(holding.realised):g}",
    )


def _sums(found: Findings, account: str, audit: AccountAudit) -> None:
    """Sub-ledgers add up to the account."""
    net: dict[str, Fraction] = {}
    for (strategy, name), holding in audit.truth.holdings.items():
        net[name] = net.get(name, Fraction(0)) + holding.quantity * (-1 if strategy == NET else 1)
    for name, left in net.items():
        found.require(not left, f"{account} {name}: sub-ledgers and account differ by {float(left):g}")


def balances(auditor: Auditor, tables: Tables) -> Check:
    """What each venue account should hold, by three ways."""
    found = Findings()
    rows = {(str(r["account"]), str(r["venue_account"]), str(r["asset"])): r for r in tables.of("balances")}
    count = len(rows)
    for account, audit in auditor.accounts.items():
        folded = {
            (owner, asset): amount
            for book, owner, asset, amount in (audit.state.wealth.books.rows() if audit.folds else ())
            if book is Book.HOLDING
        }
        for (venue_account, asset), amount in audit.truth.balances.items():
            what = f"{account} {asset} in {venue_account}"
            row = rows.pop((account, venue_account, asset), None)
            stored = Fraction(row["amount"]) if row else Fraction(0)
            found.require(stored == amount, f"{what}: {float(stored):g} in PostgreSQL, {float(amount):g} by the fills")
            if audit.folds:
                booked = Fraction(folded.get((venue_account, asset), Decimal(0)))
                found.require(booked == amount, f"{what}: {float(booked):g} in the fold, {float(amount):g} filled")
    for account, venue_account, asset in rows:
        found.add(f"{account} {asset} in {venue_account} is in PostgreSQL, but nothing ever moved there")
    return found.check("I-10.balances", "balances: PostgreSQL = fold = capital and fills", f"{count} balances")


def averages(auditor: Auditor, tables: Tables) -> Check:
    """Averages follow from cost and quantity, and lie within the prices paid."""
    found, count = Findings(), 0
    for row in (*tables.of("positions"), *tables.of("position_history")):
        count += 1
        what = f"{row['account']}/{row['strategy']} {row['instrument_id']} at {row['oms_sequence']}"
        quantity, average = Fraction(row["quantity"]), row["average_price"]
        if not quantity:
            found.require(average is None and not row["cost"], f"{what}: flat, yet an average or cost")
        elif average is None:
            found.add(f"{what}: no average though {row['quantity']} is held")
        else:
            exact = Fraction(row["cost"]) / quantity
            found.require(abs(Fraction(average) - exact) <= abs(exact) * AVERAGE_MAX, f"{what}: average {average}")
    for account, audit in auditor.accounts.items():
        for (strategy, name), holding in audit.truth.holdings.items():
            position = _folded(audit, strategy, name)
            if audit.folds and position.average_price is not None:
                average = Fraction(position.average_price)
                slack = holding.highest * AVERAGE_MAX
                found.require(
                    holding.lowest - slack <= average <= holding.highest + slack,
                    f"{account}/{strategy} {name}: average {position.average_price} outside what was paid",
                )
    return found.check("I-12", "average price = cost / quantity, within what was paid", f"{count:,} rows")


def equity(auditor: Auditor, tables: Tables) -> Check:
    """Each row is what the fold was worth at that record, and its parts add up."""
    found, rows = Findings(), tables.of("equity")
    for row in rows:
        audit = auditor.accounts.get(str(row["account"]))
        worth = audit.worth.get(int(row["oms_sequence"])) if audit else None
        what = f"equity of {row['account']} at {row['oms_sequence']}"
        if worth is None:
            if audit is None or audit.folds:
                found.add(f"{what}: no such ledger record")
            continue
        wanted = {
            name: getattr(worth, name)
            for name in (
                "equity",
                "cash",
                "realised_pnl",
                "unrealised_pnl",
                "fees",
                "peak_equity",
                "start_of_day_equity",
            )
        }
        found_wrong(found, what, row, wanted)
        parts = sum(
            (Fraction(row[name]) for name in ("capital", "realised_pnl", "unrealised_pnl", "other")), Fraction(0)
        )
        found.require(Fraction(row["equity"]) == parts - Fraction(row["fees"]), f"{what}: its parts do not add up")
    for account, audit in auditor.accounts.items():
        days = {str(row["day"]) for row in rows if row["account"] == account and row["kind"] == "DayRolled"}
        for day in audit.days:
            found.require(same(day in days, wanted=True), f"{account}: the row of the day roll {day} is missing")
    return found.check("I-11.rows", "equity in PostgreSQL = equity of the fold", f"{len(rows):,} rows")
