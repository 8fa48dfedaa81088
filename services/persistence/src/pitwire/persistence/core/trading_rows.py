"""Rows of orders, fills, positions, money and decisions. Each column is explained in the database itself."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from pitwire.persistence.core.entries import JsonText


class OrderRow(NamedTuple):
    """A row of `orders`."""

    account: str
    client_order_id: str
    strategy: str
    intent_no: int
    instrument_id: str
    venue: str
    venue_account: str
    venue_order_id: str
    side: str
    order_type: str
    time_in_force: str
    quantity: Decimal
    limit_price: Decimal | None
    stop_price: Decimal | None
    reduce_only: bool
    is_reduction: bool
    external: bool
    order_status: str
    submitted: bool
    seen_at_venue: bool
    cancel_requested: bool
    cum_quantity: Decimal
    venue_cum_quantity: Decimal
    leaves_quantity: Decimal
    cost: Decimal
    average_price: Decimal | None
    fees: JsonText
    reservation_asset: str | None
    reservation_amount: Decimal | None
    worst_price: Decimal | None
    reason: str
    decision_sequence: int
    submitting_sequence: int
    oms_sequence: int
    trace: str
    valid_until_ns: int
    approved_ns: int
    submitting_ns: int
    acknowledged_ns: int
    first_fill_ns: int
    last_fill_ns: int
    ended_ns: int


class OrderHistoryRow(NamedTuple):
    """A row of `order_history`."""

    account: str
    client_order_id: str
    oms_sequence: int
    event_no: int
    event: str
    order_status: str
    cum_quantity: Decimal
    trade_id: str | None
    anomalies: list[str]
    reason: str
    happened_ns: int


class FillRow(NamedTuple):
    """A row of `fills`."""

    venue: str
    venue_account: str
    instrument_id: str
    trade_id: str
    entry_no: int
    is_reversal: bool
    oms_sequence: int
    account: str
    strategy: str
    client_order_id: str
    venue_order_id: str
    side: str
    quantity: Decimal
    price: Decimal
    notional: Decimal
    fee: Decimal
    fee_currency: str
    liquidity: str | None
    realised_pnl: Decimal
    executed_ns: int
    received_ns: int


class PositionRow(NamedTuple):
    """A row of `positions`."""

    account: str
    strategy: str
    instrument_id: str
    oms_sequence: int
    quantity: Decimal
    cost: Decimal
    average_price: Decimal | None
    realised_pnl: Decimal
    fees: Decimal
    other_fees: JsonText
    fill_count: int
    opened_ns: int
    updated_ns: int


class PositionHistoryRow(NamedTuple):
    """A row of `position_history`."""

    account: str
    strategy: str
    instrument_id: str
    oms_sequence: int
    entry_no: int
    trade_id: str
    quantity: Decimal
    cost: Decimal
    average_price: Decimal | None
    realised_pnl: Decimal
    fees: Decimal
    other_fees: JsonText
    fill_count: int
    opened_ns: int
    updated_ns: int


class BalanceRow(NamedTuple):
    """A row of `balances`."""

    account: str
    venue_account: str
    asset: str
    amount: Decimal
    oms_sequence: int


class EquityRow(NamedTuple):
    """A row of `equity`."""

    account: str
    oms_sequence: int
    kind: str
    quote: str
    equity: Decimal
    cash: Decimal
    positions_value: Decimal
    realised_pnl: Decimal
    unrealised_pnl: Decimal
    fees: Decimal
    capital: Decimal
    other: Decimal
    day: str | None
    start_of_day_equity: Decimal | None
    peak_equity: Decimal | None
    drawdown_percent: Decimal | None
    market_ns: int
    written_ns: int


class MarkRow(NamedTuple):
    """A row of `marks`."""

    account: str
    instrument_id: str
    mark_price: Decimal
    oms_sequence: int
    marked_ns: int


class DecisionRow(NamedTuple):
    """A row of `risk_decisions`."""

    oms_sequence: int
    verdict_no: int
    account: str
    strategy: str
    intent_no: int
    verdict: str
    code: str | None
    limit_value: Decimal | None
    observed: Decimal | None
    detail: str
    client_order_id: str | None
    instrument_id: str | None
    side: str | None
    order_type: str | None
    time_in_force: str | None
    quantity: Decimal | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    is_reduction: bool | None
    reservation_asset: str | None
    reservation_amount: Decimal | None
    intent_reason: str
    trace: str
    intended_ns: int
    valid_until_ns: int
    decided_ns: int
    market_ns: int
