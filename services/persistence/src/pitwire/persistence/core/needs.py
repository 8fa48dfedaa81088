"""What a batch must know of the rows that are there already, and what was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from pitwire.common.enums import ExecType
from pitwire.common.fills import trade_id_of
from pitwire.common.schemas.execution import ExecEvent, ExecReport
from pitwire.common.schemas.ledger import (
    Approved,
    CancelApproved,
    Halt,
    Resume,
    RiskDecision,
    StrategyPaused,
    StrategyRegistered,
)
from pitwire.persistence.core.entries import Read, storable
from pitwire.persistence.core.journal_rows import AccountRow
from pitwire.persistence.core.operations_rows import CommandRow, HaltRow, StrategyRow
from pitwire.persistence.core.trading_rows import BalanceRow, FillRow, OrderRow, PositionRow

TRADES: Final = frozenset({ExecType.TRADE, ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT})
TradeKey = tuple[str, str, str, str]
"""Venue, venue account, instrument, trade id."""


@dataclass(slots=True)
class Needs:
    """Keys to look up, each once and in the order of the batch."""

    accounts: dict[str, None] = field(default_factory=dict[str, None])
    orders: dict[tuple[str, str], None] = field(default_factory=dict[tuple[str, str], None])
    trades: dict[TradeKey, None] = field(default_factory=dict[TradeKey, None])
    positions: dict[tuple[str, str], None] = field(default_factory=dict[tuple[str, str], None])
    halts: dict[str, None] = field(default_factory=dict[str, None])
    strategies: dict[tuple[str, str], None] = field(default_factory=dict[tuple[str, str], None])
    commands: dict[str, None] = field(default_factory=dict[str, None])


@dataclass(slots=True)
class Found:
    """The rows that were there, before this batch."""

    accounts: list[AccountRow] = field(default_factory=list[AccountRow])
    orders: list[OrderRow] = field(default_factory=list[OrderRow])
    trades: list[FillRow] = field(default_factory=list[FillRow])
    uncovered: list[FillRow] = field(default_factory=list[FillRow])
    """Fills after the cursor of their account's newest ledger record, in journal order."""

    positions: list[PositionRow] = field(default_factory=list[PositionRow])
    balances: list[BalanceRow] = field(default_factory=list[BalanceRow])
    halts: list[HaltRow] = field(default_factory=list[HaltRow])
    strategies: list[StrategyRow] = field(default_factory=list[StrategyRow])
    commands: list[CommandRow] = field(default_factory=list[CommandRow])


def needs_of(batch: Iterable[Read]) -> Needs:
    """Every key that the fold of `batch` may ask for."""
    needs = Needs()
    for read in batch:
        if read.place.account is not None:
            needs.accounts[read.place.account] = None
        _note(read, needs)
    return needs


def _note(read: Read, needs: Needs) -> None:
    message, account = read.message, read.place.account
    if isinstance(message, Halt):
        needs.halts[message.halt_id] = None
    elif isinstance(message, Resume):
        needs.halts.update(dict.fromkeys(message.cleared))
    if account is None:
        return
    if isinstance(message, ExecEvent):
        needs.orders[account, message.client_order_id] = None
        if isinstance(message, ExecReport) and message.exec_type in TRADES:
            needs.trades[trade_of(message)] = None
            needs.positions[account, message.instrument_id] = None
    elif isinstance(message, RiskDecision):
        named = chain.from_iterable(map(_orders_of, message.verdicts))
        needs.orders.update(dict.fromkeys((account, client_order_id) for client_order_id in named))
    elif isinstance(message, StrategyRegistered | StrategyPaused):
        needs.strategies[account, message.strategy] = None


def _orders_of(verdict: object) -> tuple[str, ...]:
    if isinstance(verdict, Approved):
        return (verdict.client_order_id,)
    if isinstance(verdict, CancelApproved):
        return (verdict.intent.orig_client_order_id,)
    return ()


def trade_of(report: ExecReport) -> TradeKey:
    """The trade of a report, whose ids the database can hold."""
    return report.venue, report.venue_account, report.instrument_id, storable(trade_id_of(report))
