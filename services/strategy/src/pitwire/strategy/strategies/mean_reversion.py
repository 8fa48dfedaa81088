"""Mean reversion: a price that fell out of its Bollinger band is bought, and sold where the band has its middle."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pitwire.common.indicators import SETTLED, Bands, Bollinger
from pitwire.common.money import from_float, percent_of
from pitwire.common.schemas.market import Candle
from pitwire.strategy.core.api import Decision, Hold, Params, Portfolio, Target

if TYPE_CHECKING:
    from pitwire.strategy.core.arrays import ArrayForm

Percent = Annotated[Decimal, Field(gt=0, le=100)]
Deviations = Annotated[float, Field(gt=0, le=20)]


class MeanReversionParams(Params):
    """Length in candles, distances in standard deviations, size, risk and edge in percent."""

    length: int = Field(default=40, ge=2, le=2_000)
    entry_deviations: Deviations = 2.0
    stop_deviations: Deviations = 3.0
    risk_percent: Percent = Decimal("0.25")
    size_percent_max: Percent = Decimal(30)
    edge_percent_min: float = Field(default=0.3, ge=0, le=50)


class _Line:
    """What is remembered of one instrument."""

    def __init__(self, params: MeanReversionParams) -> None:
        self.bollinger = Bollinger(params.length, params.entry_deviations)
        self.stop: float | None = None
        self.waits_for_mean = False


class MeanReversion:
    """Buys below the lower band, sells at the mean, gives up at the stop; then waits until the mean was reached.

    The way to the mean must pay for the fees: at least `edge_percent_min`. The size follows from volatility: the
    further the stop, the smaller, so that a stop costs `risk_percent` of equity, within `size_percent_max`.
    """

    def __init__(self, params: MeanReversionParams) -> None:
        self.params = params
        self.history = SETTLED * params.length
        self.lines = defaultdict[str, _Line](lambda: _Line(params))

    def arrays(self) -> ArrayForm:
        """The same wishes over arrays, for sweeps."""
        from pitwire.strategy.strategies.mean_reversion_arrays import array_form  # noqa: PLC0415 - only sweeps need a compiler

        return array_form(self)

    def on_candle(self, candle: Candle, portfolio: Portfolio) -> Decision:
        line, price = self.lines[candle.instrument_id], candle.close_float
        bands = line.bollinger.update(price)
        if bands is None or not bands.deviation:
            return Hold("the band is not full yet" if bands is None else "the price does not move")
        values: dict[str, object] = {
            "close": price,
            "z": (price - bands.middle) / bands.deviation,
            **bands._asdict(),
        }
        if portfolio.is_working(candle.instrument_id):
            return Hold("an order is on its way", values)
        if portfolio.holds(candle.instrument_id):
            return self._held(line, price, bands, candle, portfolio, values)
        line.waits_for_mean = line.waits_for_mean and price < bands.middle
        if line.waits_for_mean:
            return Hold("stopped out, waits for the mean", values)
        if price >= bands.lower:
            return Hold("not below the band", values)
        edge_percent = 100.0 * (bands.middle / price - 1.0)
        if edge_percent < self.params.edge_percent_min:
            return Hold(f"below the band, but {edge_percent:.3f} % to the mean do not pay for the fees", values)
        distance = self.params.stop_deviations * bands.deviation
        line.stop = price - distance
        return Target(self._size(candle, distance, portfolio), "below the band", values | {"stop": line.stop})

    def _held(
        self, line: _Line, price: float, bands: Bands, candle: Candle, portfolio: Portfolio, values: dict[str, object]
    ) -> Decision:
        if line.stop is None:  # bought before this process began
            paid = portfolio.position(candle.instrument_id).average_price or candle.close
            line.stop = float(paid) - self.params.stop_deviations * bands.deviation
        values["stop"] = line.stop
        if price <= line.stop:
            line.stop, line.waits_for_mean = None, True
            return Target(Decimal(0), "stopped out", values)
        if price >= bands.middle:
            line.stop = None
            return Target(Decimal(0), "back at the mean", values)
        return Hold("on the way to the mean: kept", values)

    def _size(self, candle: Candle, distance: float, portfolio: Portfolio) -> Decimal:
        """What loses `risk_percent` of equity over `distance`, no more than `size_percent_max` of it is worth."""
        at_risk = percent_of(portfolio.equity, self.params.risk_percent)
        at_most = percent_of(portfolio.equity, self.params.size_percent_max)
        value = min(at_risk * candle.close / from_float(distance), at_most)
        return portfolio.quantity_for(candle.instrument_id, value, candle.close)
