"""The view of a candle in columns is a candle: every name of the schema, the same values, the same strategy answers."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from services.backtest.tests.runs import candles, walk

from pitwire.backtest.core.candles import Bar, Candles
from pitwire.common.schemas.market import Candle
from pitwire.strategy.strategies.mean_reversion import MeanReversion, MeanReversionParams

PRICES = st.decimals(min_value="0.00000001", max_value="9999999", places=8).filter(
    lambda d: len(d.as_tuple().digits) <= 15
)


def live(bar: Bar) -> Candle:
    """The message that a live strategy would have got."""
    return Candle(**{name: getattr(bar, name) for name in Candle.model_fields})


def test_a_view_has_every_name_and_value_of_the_schema() -> None:
    for bar in walk(50).bars():
        candle = live(bar)
        names = set(Candle.model_fields) | {
            name for name, each in vars(Candle).items() if isinstance(each, property) and not name.startswith("_")
        }
        assert {name: getattr(bar, name) for name in names} == {name: getattr(candle, name) for name in names}


@given(st.lists(PRICES, min_size=1, max_size=20))
def test_a_price_of_up_to_fifteen_digits_comes_back_as_it_was_written(prices: list[Decimal]) -> None:
    rows: Any = [(price, price, price, price) for price in prices]
    assert [bar.close for bar in candles(rows).bars()] == prices


def test_a_number_that_no_float_holds_is_kept_beside_the_columns() -> None:
    long = Decimal("0.12345678901234567891")
    series = candles([(1.0, 1.0, 1.0, 1.0)] * 3)
    kept = Candles(
        series.instrument, "1m", series.step_ns, series.open_ns, series.open, series.high, series.low, series.close,
        series.volume, {("volume", 1): long},
    )  # fmt: skip
    assert [bar.volume for bar in kept.bars()] == [1_000, long, 1_000]
    assert kept.until(1).exact == {}


def test_a_strategy_answers_views_as_it_answers_messages() -> None:
    class Flat:
        equity = Decimal(1_000)

        def is_working(self, instrument_id: str) -> bool:
            return False

        def holds(self, instrument_id: str) -> bool:
            return False

        def quantity_for(self, instrument_id: str, value: Decimal, price: Decimal) -> Decimal:
            return value / price

    portfolio: Any = Flat()
    one, two = (MeanReversion(MeanReversionParams(length=10, edge_percent_min=0)) for _ in range(2))
    for bar in walk(300).bars():
        view: Any = bar
        assert one.on_candle(view, portfolio) == two.on_candle(live(bar), portfolio)
