"""From the fill back to the wish, and from the effect back to the command: everything that happened was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from pitwire.cli.verify.account_audit import Approval
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.check import Check, Findings
from pitwire.cli.verify.evidence import BusEvidence, Row, Tables
from pitwire.common.enums import CommandVerb
from pitwire.common.schemas.control import Command, Heartbeat
from pitwire.common.schemas.ledger import CapitalRecorded, LimitsApplied, Resume, StrategyPaused

ALIVE_NS: Final = 10_000_000_000
"""A process whose last heartbeat is so much older than the newest one is gone, and agrees with nobody."""

VERBS: Final[Mapping[type, CommandVerb]] = {
    Resume: CommandVerb.RESUME,
    LimitsApplied: CommandVerb.LIMITS,
    StrategyPaused: CommandVerb.PAUSE,
    CapitalRecorded: CommandVerb.CAPITAL,
}


def trail_checks(auditor: Auditor, tables: Tables, bus: BusEvidence) -> list[Check]:
    """Every check of where things come from."""
    return [
        tradable(auditor, tables),
        traced(auditor, tables),
        commanded(auditor, bus.commands),
        one_build(bus.heartbeats),
    ]


def tradable(auditor: Auditor, tables: Tables) -> Check:
    """Every approved order, by the instrument as it was defined when the order was approved."""
    found, count = Findings(), 0
    instruments = {str(row["instrument_id"]): row for row in tables.of("instruments")}
    for audit in auditor.accounts.values():
        for name, approval in audit.approvals.items():
            row = instruments.get(approval.approved.intent.instrument_id)
            if row is not None and int(row["defined_ns"]) <= approval.decision.ts_ns:
                count += 1
                wrong = _untradable(approval, row)
                found.require(not wrong, f"{name}: {wrong}")
    return found.check("I-15", "approved prices and quantities are multiples of tick and lot", f"{count:,} orders")


def _untradable(approval: Approval, row: Row) -> str:
    intent = approval.approved.intent
    wrong = [
        f"price {price}" for price in (intent.limit_price, intent.stop_price) if price and price % row["tick_size"]
    ]
    if intent.quantity % row["lot_size"]:
        wrong.append(f"quantity {intent.quantity}, lot {row['lot_size']}")
    most = row["max_quantity"]
    if intent.quantity < row["min_quantity"] or (most is not None and intent.quantity > most):
        wrong.append(f"quantity {intent.quantity}, {row['min_quantity']} to {most} allowed")
    value = intent.quantity * (intent.limit_price or Decimal(0))
    if intent.limit_price and value < row["min_notional"]:
        wrong.append(f"value {value}, at least {row['min_notional']}")
    return ", ".join(wrong)


def traced(auditor: Auditor, tables: Tables) -> Check:
    """Every fill leads to its order, that to its approval and `Submitting`, and that to the intent, by ids alone."""
    found, rows = Findings(), tables.of("fills")
    orders = {(str(row["account"]), str(row["client_order_id"])): row for row in tables.of("orders")}
    for row in rows:
        account, name = str(row["account"]), str(row["client_order_id"])
        what = f"trade {row['trade_id']} of {row['instrument_id']}"
        order, audit = orders.get((account, name)), auditor.accounts.get(account)
        if order is None or audit is None:
            found.add(f"{what}: no order {name}")
        elif not order["external"]:
            approval, sending = audit.approvals.get(name), audit.sendings.get(name)
            if approval is None or sending is None:
                found.add(f"{what}: {name} was never {'approved' if approval is None else 'submitted'}")
                continue
            found.require(approval.sequence < sending.sequence < int(row["oms_sequence"]), f"{what} before its order")
            same = order["strategy"] == row["strategy"] == approval.approved.intent.strategy
            found.require(same, f"{what} is booked to {row['strategy']}, wanted by {approval.approved.intent.strategy}")
    return found.check("I-40", "every fill leads to its order, approval and intent", f"{len(rows):,} fills")


def commanded(auditor: Auditor, commands: Mapping[str, Command]) -> Check:
    """Whatever an operator changed was commanded before, in time, and took effect once."""
    found, count = Findings(), 0
    seen: dict[str, int] = {}
    for sequence, effect in auditor.effects.items():
        if not effect.command_id:
            continue
        count += 1
        what = f"{type(effect).__name__} at {sequence}"
        first = seen.setdefault(effect.command_id, sequence)
        found.require(first == sequence, f"{what}: command {effect.command_id} took effect at {first} already")
        command = commands.get(effect.command_id)
        if command is None:
            found.add(f"{what}: nobody gave the command {effect.command_id}")
            continue
        verb = VERBS[type(effect)]
        found.require(command.verb is verb, f"{what}: command {effect.command_id} was to {command.verb}")
        found.require(
            effect.ts_ns <= command.expires_ns, f"{what}: command {effect.command_id} had expired when it took effect"
        )
    return found.check("I-36", "every effect of an operator has its one command, in time", f"{count} effects")


def one_build(beats: Iterable[Heartbeat]) -> Check:
    """All processes that are heard now read the same configuration and speak the same messages."""
    found, heard = Findings(), list(beats)
    newest = max((beat.ts_ns for beat in heard), default=0)
    alive = [beat for beat in heard if newest - beat.ts_ns <= ALIVE_NS]
    for what in ("config_hash", "schema_hash", "build"):
        said = {getattr(beat, what): f"{beat.service}.{beat.slot}" for beat in alive if getattr(beat, what)}
        who = ", ".join(f"{name} {value[:12]}" for value, name in said.items())
        found.require(len(said) <= 1, f"{what} differs: {who}")
    return found.check("I-38", "all processes run one build with one configuration", f"{len(alive)} processes")
