"""Rows of operators, limits, halts, market data and alerts. Each column is explained in the database itself."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from pitwire.persistence.core.entries import JsonText


class CommandRow(NamedTuple):
    """A row of `commands`."""

    command_id: str
    operator: str
    service: str
    verb: str | None
    account: str | None
    args: JsonText | None
    reason: str | None
    status: str | None
    code: str | None
    text: str | None
    data: JsonText | None
    effect_sequence: int | None
    ctl_sequence: int
    asked_ns: int
    expires_ns: int
    answered_ns: int


class HaltRow(NamedTuple):
    """A row of `halts`."""

    halt_id: str
    scope: str
    target: str
    trading_state: str
    cancel_policy: str
    reason: str
    source: str
    oms_sequence: int
    cleared_by: str | None
    cleared_sequence: int | None
    halted_ns: int
    cleared_ns: int


class ResumeRow(NamedTuple):
    """A row of `resumes`."""

    resume_id: str
    oms_sequence: int
    cleared: list[str]
    command_id: str
    operator: str
    approver: str
    reason: str
    resumed_ns: int


class HaltSeenRow(NamedTuple):
    """A row of `halts_seen`."""

    halt_id: str
    service: str
    slot: str
    oms_sequence: int
    cancels_requested: int
    ctl_sequence: int
    seen_ns: int


class LimitsRow(NamedTuple):
    """A row of `limits`."""

    account: str
    oms_sequence: int
    limits_version: int
    order_value_max: Decimal
    position_value_max: Decimal
    open_positions_max: int
    daily_loss_max_percent: Decimal
    drawdown_max_percent: Decimal
    instruments_allowed: list[str]
    instruments_restricted: list[str]
    strategies_allowed: list[str]
    mark_age_max_ms: int
    command_id: str
    applied_ns: int
    price_collar_percent: Decimal
    orders_per_minute_max: int
    concentration_max_percent: Decimal
    strategy_exposure_max_percent: Decimal


class CapitalRow(NamedTuple):
    """A row of `capital`."""

    account: str
    oms_sequence: int
    venue_account: str
    asset: str
    amount: Decimal
    reason: str
    recorded_ns: int


class StrategyRow(NamedTuple):
    """A row of `strategies`."""

    account: str
    strategy: str
    capital: Decimal
    paused: bool
    pause_reason: str
    oms_sequence: int
    registered_ns: int


class AlertRow(NamedTuple):
    """A row of `alerts`."""

    alert_id: str
    severity: str
    source: str
    code: str
    text: str
    account: str
    strategy: str
    data: JsonText
    raised_ns: int


class CandleRow(NamedTuple):
    """A row of `candles`."""

    instrument_id: str
    interval: str
    open_time: datetime
    open_time_ns: int
    close_time_ns: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trade_count: int
    backfilled: bool
    quality: str
    stream_sequence: int
    received_ns: int


class InstrumentRow(NamedTuple):
    """A row of `instruments`."""

    instrument_id: str
    symbol: str
    venue: str
    venue_symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal | None
    min_notional: Decimal
    max_notional: Decimal | None
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    stream_sequence: int
    defined_ns: int


class TraceRow(NamedTuple):
    """A row of `decision_traces`."""

    traces_epoch: str
    traces_sequence: int
    account: str
    strategy: str
    instrument_id: str
    signal: str
    reason: str
    values: JsonText
    target_position: Decimal | None
    intent_no: int
    event_ns: int
    decided_ns: int
