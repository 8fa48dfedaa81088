"""Momentum: two exponential averages cross, and the gap between them says that it is not noise."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from pitwire.common.indicators import SETTLED, Ema
from pitwire.common.money import percent_of
from pitwire.common.schemas.market import Candle
from pitwire.strategy.core.api import Decision, Hold, Params, Portfolio, Target

if TYPE_CHECKING:
    from pitwire.strategy.core.arrays import ArrayForm

Length = Annotated[int, Field(ge=2, le=2_000)]


class MomentumParams(Params):
    """Lengths and cooldown in candles, the threshold in percent of the slow average, the size in percent of equity."""

    fast: Length = 20
    slow: Length = 100
    threshold_percent: float = Field(default=0.1, ge=0, le=50)
    size_percent: Decimal = Field(default=Decimal(20), gt=0, le=100)
    cooldown: int = Field(default=5, ge=0, le=10_000)

    @model_validator(mode="after")
    def _fast_is_faster(self) -> Self:
        if self.fast >= self.slow:
            msg = f"fast is {self.fast}, expected less than slow ({self.slow})"
            raise ValueError(msg)
        return self


class _Line:
    """What is remembered of one instrument."""

    def __init__(self, params: MomentumParams) -> None:
        self.fast = Ema(params.fast)
        self.slow = Ema(params.slow)
        self.is_up: bool | None = None
        self.crossed_up = False
        self.cooldown = 0


class Momentum:
    """Buys on the first candle whose fast average is above the slow one by the threshold, sells when it falls below.

    A cross is remembered until the threshold is passed or the averages cross back. One entry per cross; after an exit
    no entry for `cooldown` candles. The target is a position, so saying it twice buys once.
    """

    def __init__(self, params: MomentumParams) -> None:
        self.params = params
        self.history = SETTLED * params.slow
        self.lines = defaultdict[str, _Line](lambda: _Line(params))

    def arrays(self) -> ArrayForm:
        """The same wishes over arrays, for sweeps."""
        from pitwire.strategy.strategies.momentum_arrays import array_form  # noqa: PLC0415 - only sweeps need a compiler

        return array_form(self)

    def on_candle(self, candle: Candle, portfolio: Portfolio) -> Decision:
        name = candle.instrument_id
        line = self.lines[name]
        price = candle.close_float
        fast, slow = line.fast.update(price), line.slow.update(price)
        if fast is None or slow is None:
            return Hold("averages are not full yet")
        gap_percent = 100.0 * (fast / slow - 1.0)
        values = {"close": price, "fast": fast, "slow": slow, "gap_percent": gap_percent}
        is_up = gap_percent > 0
        if line.is_up is not None and line.is_up != is_up:
            line.crossed_up = is_up
        line.is_up = is_up
        if line.cooldown:
            line.cooldown -= 1
        if portfolio.is_working(name):
            return Hold("an order is on its way", values)
        if portfolio.holds(name):
            line.crossed_up = False
            if is_up:
                return Hold("the trend is up: kept", values)
            line.cooldown = self.params.cooldown
            return Target(Decimal(0), "averages crossed down", values)
        if not line.crossed_up:
            return Hold("no cross upwards since the last trade" if is_up else "the trend is down", values)
        if gap_percent < self.params.threshold_percent:
            return Hold(f"crossed up, gap below {self.params.threshold_percent} %", values)
        if line.cooldown:
            return Hold(f"crossed up, {line.cooldown} candles of cooldown left", values)
        value = percent_of(portfolio.equity, self.params.size_percent)
        return Target(portfolio.quantity_for(name, value, candle.close), "crossed up beyond the threshold", values)
