"""The limit document of one account: what `pitwire.toml` says and `LimitsApplied` records."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from pitwire.common.schemas.base import InstrumentRef, Ordinal, Positive, Token, Value

Percent = Annotated[Positive, Field(le=100)]


class AccountLimits(Value):
    """What an account may do. All money is in the account's quote currency; percentages are of 100."""

    limits_version: Ordinal = Field(default=1, description="counts the changes")
    order_value_max: Positive = Field(description="notional of one order at its worst price")
    position_value_max: Positive = Field(description="|position| + worst-case working orders, per instrument")
    open_positions_max: Ordinal = Field(description="instruments with a position or a working order")
    daily_loss_max_percent: Percent = Field(description="of start-of-day equity, realised and unrealised")
    drawdown_max_percent: Percent = Field(description="from the durable peak of equity")
    instruments_allowed: tuple[InstrumentRef, ...] = Field(description="everything else is restricted")
    instruments_restricted: tuple[InstrumentRef, ...] = Field(default=(), description="denied though allowed")
    strategies_allowed: tuple[Token, ...] = Field(default=(), description="empty: every registered strategy")
    mark_age_max_ms: Ordinal = Field(default=120_000, description="market clock; older marks deny STALE_MARK")
    price_collar_percent: Percent = Field(
        default=Decimal(5), description="how far a limit price may be through the mark, or through the order's stop"
    )
    orders_per_minute_max: Ordinal = Field(
        default=600, description="approved orders of one strategy in a minute of the market clock; reductions pass"
    )
    concentration_max_percent: Percent = Field(
        default=Decimal(100), description="of equity: |position| + worst-case working orders, per instrument"
    )
    strategy_exposure_max_percent: Positive = Field(
        default=Decimal(200), description="of its capital: what a strategy holds and may still buy, all instruments"
    )
