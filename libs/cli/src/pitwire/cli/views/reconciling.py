"""`pitwire reconcile`: where a venue account and the books differ, and what a person decides about it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final

from pitwire.cli.discovery import find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.verify.account_audit import AccountAudit
from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.verify.evidence import VenueAccount
from pitwire.cli.verify.journal import JournalReader
from pitwire.cli.verify.venue_rest import read_venue_account
from pitwire.common import topology
from pitwire.common.clock import SystemClock
from pitwire.common.config import PitwireConfig, load_config
from pitwire.common.enums import CommandStatus, CommandVerb
from pitwire.common.errors import UsageError
from pitwire.common.instruments import assets_of
from pitwire.common.money import canonical
from pitwire.common.schemas.control import CommandResult
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.core.agreement import HALT_PREFIX

ROUNDS_MAX: Final = 5
"""How often both sides are read again because a trade came in between."""


class Decision(StrEnum):
    """What to do about what differs."""

    SHOW = "show"
    ADOPT = "adopt"
    FLATTEN = "flatten"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that differs."""

    venue_account: str
    what: str
    at_venue: str
    by_books: str
    asset: str = ""
    missing: Decimal = Decimal(0)
    """What has to be recorded as capital for the books to agree."""


def decision_of(*, adopt: bool, flatten: bool, ignore: bool) -> Decision:
    """One of the options, or none; `UsageError` for two."""
    given = [
        decision
        for decision, is_given in (
            (Decision.ADOPT, adopt),
            (Decision.FLATTEN, flatten),
            (Decision.IGNORE, ignore),
        )
        if is_given
    ]
    if len(given) > 1:
        raise UsageError(f"give one of {' and '.join(f'--{each.value}' for each in given)}")
    return given[0] if given else Decision.SHOW


def reconcile_running(data_dir: Path, *, account: str, decision: Decision, reason: str) -> Reply:
    """Shows what differs; with a decision asks the gate for it, by commands that are recorded like any other."""
    running = find_running(data_dir)
    config = load_config(running.config)
    if account not in config.accounts:
        raise UsageError(f"account {account!r} is not configured; known: {', '.join(config.accounts)}")

    async def ask() -> Reply:
        async with await Operator.connect(running, SystemClock()) as operator:
            found = await differences(operator, config, account)
            halts = [halt for halt in await operator.active_halts() if _is_of(halt, account)]
            if decision is Decision.SHOW or not (found or halts):
                return _shown(found, halts)
            results = await _decide(operator, account, decision, reason, found, halts)
        return _decided(found, results)

    return asyncio.run(ask())


def _is_of(halt: Halt, account: str) -> bool:
    return halt.halt_id.startswith(HALT_PREFIX) and halt.target == account


async def differences(operator: Operator, config: PitwireConfig, account: str) -> list[Line]:
    """Of every venue account of `account`; read again while trades come in."""
    found: list[Line] = []
    for name, venue_account in config.venue_accounts_of(account).items():
        venue = config.venues[venue_account.venue]
        traded = {asset for symbol in venue.instruments for asset in assets_of(f"{symbol}.{venue_account.venue}")}
        lines: list[Line] = []
        for _ in range(ROUNDS_MAX):
            before = (await operator.bus.state(topology.OMS.name)).last_sequence
            told = await read_venue_account(name, venue_account, venue, SystemClock(), journal_before=before)
            audit = await _audit(operator, config, account)
            lines = compare(audit, told, traded)
            if not audit.untold(told):
                break
        found += lines
    return found


async def _audit(operator: Operator, config: PitwireConfig, account: str) -> AccountAudit:
    auditor = Auditor({name: each.quote for name, each in config.accounts.items()})
    end = (await operator.bus.state(topology.OMS.name)).last_sequence
    async with contextlib.aclosing(JournalReader(operator.bus)) as journal:
        async for records in journal.upto(end):
            auditor.feed(records)
    auditor.finish()
    return auditor.accounts[account]


def compare(audit: AccountAudit, told: VenueAccount, traded: set[str]) -> list[Line]:
    """Balances of what is traded or was ever booked, and orders that work on one side only."""
    name = told.venue_account
    booked = {asset: amount for (owner, asset), amount in audit.truth.balances.items() if owner == name}
    lines: list[Line] = []
    for asset in sorted(traded | booked.keys()):
        at_venue = told.balances.get(asset, Decimal(0))
        by_books = _decimal(booked.get(asset, 0))
        if at_venue != by_books:
            text = (canonical(at_venue), canonical(by_books))
            lines.append(Line(name, f"balance {asset}", *text, asset, at_venue - by_books))
    working_there = {order.client_order_id for order in told.orders if order.is_working}
    working_here = {
        order.client_order_id
        for order in audit.state.working_orders()
        if order.venue_account == name and order.seen_at_venue
    }
    lines += [Line(name, f"order {each}", "works", "not known") for each in sorted(working_there - working_here)]
    lines += [Line(name, f"order {each}", "not there", "works") for each in sorted(working_here - working_there)]
    return lines


async def _decide(
    operator: Operator,
    account: str,
    decision: Decision,
    reason: str,
    found: Sequence[Line],
    halts: Sequence[Halt],
) -> list[CommandResult]:
    """Capital or reducing orders first, then the resume: whatever ends in between leaves the account reducing."""
    done: list[CommandResult] = []
    if decision is Decision.FLATTEN:
        return [await operator.command(CommandVerb.FLATTEN, {}, account=account, reason=reason)]
    if decision is Decision.ADOPT:
        for line in found:
            if line.missing:
                args = {"asset": line.asset, "amount": canonical(line.missing), "venue_account": line.venue_account}
                done.append(await operator.command(CommandVerb.CAPITAL, args, account=account, reason=reason))
    if all(result.status is CommandStatus.DONE for result in done) and halts:
        ids = ",".join(halt.halt_id for halt in halts)
        done.append(await operator.command(CommandVerb.RESUME, {"halts": ids}, account=account, reason=reason))
    return done


def _shown(found: Sequence[Line], halts: Sequence[Halt]) -> Reply:
    code = ExitCode.NO if found or halts else ExitCode.OK
    lines = [f"halted by {halt.halt_id}: {halt.reason}" for halt in halts]
    if found:
        lines.append("pitwire reconcile --adopt takes the venue's balances over as capital put in or taken out;")
        lines.append("--flatten closes what is held; --ignore lets it trade on with this difference.")
    return Reply(_document(found, halts, []), (_table(found), *lines), code)


def _decided(found: Sequence[Line], results: Sequence[CommandResult]) -> Reply:
    is_done = all(result.status is CommandStatus.DONE for result in results)
    told = tuple(f"{result.status.value} {result.text}" for result in results) or ("nothing to settle",)
    return Reply(_document(found, [], results), (_table(found), *told), ExitCode.OK if is_done else ExitCode.NO)


def _table(found: Sequence[Line]) -> Table:
    columns = (Column("venue account"), Column("what"), Column("at the venue"), Column("by the books"))
    rows = tuple((line.venue_account, line.what, line.at_venue, line.by_books) for line in found)
    return Table("", columns, rows, "the venue and the books agree")


def _document(found: Sequence[Line], halts: Sequence[Halt], results: Sequence[CommandResult]) -> dict[str, object]:
    return {
        "agrees": not found,
        "differences": [
            {"venue_account": line.venue_account, "what": line.what, "venue": line.at_venue, "books": line.by_books}
            for line in found
        ],
        "halts": [halt.halt_id for halt in halts],
        "commands": [
            {"command_id": each.command_id, "status": each.status.value, "text": each.text} for each in results
        ],
    }


def _decimal(amount: object) -> Decimal:
    """Books of the verification are fractions of whole numbers and powers of ten: exact as decimals."""
    numerator, denominator = getattr(amount, "numerator", 0), getattr(amount, "denominator", 1)
    return Decimal(numerator) / Decimal(denominator)
