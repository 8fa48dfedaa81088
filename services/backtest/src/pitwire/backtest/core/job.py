"""A job: everything that decides what a backtest gives, as one document."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from pitwire.backtest.core.fills import FillModel
from pitwire.common.schemas.base import InstrumentRef, Token
from pitwire.common.schemas.limits import AccountLimits

Params = dict[str, str | int | float | bool]


class _Strict(BaseModel):
    """Frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class StrategyJob(_Strict):
    """One strategy of a run. It sees and trades all instruments of the run unless it names some."""

    name: Token
    type: str = Field(min_length=1, description="momentum, mean_reversion, or path/to/file.py:Class")
    params: Params = {}
    capital: Annotated[Decimal, Field(gt=0)] | None = Field(
        default=None, description="what it sizes by; none: an equal share of the capital"
    )
    instruments: tuple[InstrumentRef, ...] = ()


class Job(_Strict):
    """One backtest."""

    strategies: tuple[StrategyJob, ...] = Field(min_length=1, max_length=100)
    data: tuple[str, ...] = Field(min_length=1, max_length=100, description="FILE or BASE-QUOTE.venue=FILE")
    capital: Annotated[Decimal, Field(gt=0)] = Decimal(100_000)
    limits: AccountLimits | None = Field(default=None, description="of the account; none: as wide as its capital")
    fills: FillModel = FillModel()
