"""Small runs for tests: candles by hand or by seed, scripted strategies, an engine around them."""

from __future__ import annotations

import math
import os
import random
from array import array
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, cast

import pytest

from pitwire.backtest.core.candles import Bar, Candles
from pitwire.backtest.core.engine import TTL_NS, Engine, Run
from pitwire.backtest.core.fills import FillModel
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.testing.market import BTC, MARKET_START_NS, MINUTE_NS, definition
from pitwire.strategy import Decision, Portfolio
from pitwire.strategy.core.making import Spec

ROOT: Final = Path(__file__).parents[3]
CAPITAL: Final = Decimal(100_000)
Row = tuple[float, float, float, float] | tuple[float, float, float, float, float]
"""Open, high, low, close and, where it matters, volume."""


def candles(rows: Sequence[Row], instrument_id: str = BTC, *, first: int = 0, **changed: Any) -> Candles:
    """One-minute candles, the first of them `first` minutes after the start of the market."""
    opens, high, low, close = (array("d", [float(row[place]) for row in rows]) for place in range(4))
    volume = array("d", [float(row[4]) if len(row) > 4 else 1_000.0 for row in rows])
    times = array("q", [MARKET_START_NS + (first + minute) * MINUTE_NS for minute in range(len(rows))])
    return Candles(definition(instrument_id, **changed), "1m", MINUTE_NS, times, opens, high, low, close, volume)


def walk(count: int, *, seed: int = 1, instrument_id: str = BTC, first: int = 0, start: float = 1_000.0) -> Candles:
    """A random walk with wicks."""
    rng, price, rows = random.Random(seed), start, list[Row]()
    for _ in range(count):
        opens, price = round(price, 2), round(price * math.exp(rng.gauss(0, 0.002)), 2)
        low, high = sorted((opens, price))
        rows.append((opens, round(high * 1.001, 2), round(low * 0.999, 2), price, rng.randint(1, 500)))
    return candles(rows, instrument_id, first=first)


class Scripted:
    """Answers the n-th candle with what the script holds for n."""

    def __init__(self, script: dict[int, Any]) -> None:
        self.script = script
        self.count = 0
        self.orders: list[tuple[str, str]] = []
        self.fills: list[tuple[str, Decimal, Decimal]] = []

    def on_candle(self, candle: Bar, portfolio: Portfolio) -> Decision | None:
        answer: Any = self.script.get(self.count)
        self.count += 1
        if callable(answer):
            answer = cast("Answer", answer)(candle, portfolio)
        return cast("Decision | None", answer)

    def on_order(self, order: Any, portfolio: Portfolio) -> None:
        self.orders.append((order.order_type.value, order.status.value))

    def on_fill(self, fill: Any, portfolio: Portfolio) -> None:
        self.fills.append((fill.side.value, fill.quantity, fill.price))


def limits(**changed: Any) -> AccountLimits:
    """So wide that only what a test changes binds."""
    wide: dict[str, Any] = {
        "order_value_max": CAPITAL * 100,
        "position_value_max": CAPITAL * 100,
        "open_positions_max": 10,
        "daily_loss_max_percent": Decimal(100),
        "drawdown_max_percent": Decimal(100),
        "instruments_allowed": (BTC, "ETH-USDT.sim"),
        "price_collar_percent": Decimal(100),
        "orders_per_minute_max": 1_000_000,
        "strategy_exposure_max_percent": Decimal(1_000_000),
    }
    return AccountLimits(**(wide | changed))


def engine(
    series: Candles | Sequence[Candles],
    *strategies: object,
    model: FillModel | None = None,
    account_limits: AccountLimits | None = None,
    capital: Decimal = CAPITAL,
) -> Engine:
    """The strategies, named s0, s1 ..., on all the candles."""
    lanes = [series] if isinstance(series, Candles) else list(series)
    names = tuple(each.name for each in lanes)
    specs = [Spec(f"s{n}", "backtest", capital, names, lanes[0].interval, TTL_NS) for n in range(len(strategies))]
    return Engine(
        lanes,
        list(zip(specs, strategies, strict=True)),
        capital=capital,
        limits=account_limits or limits(),
        model=model or FillModel(),
    )


def run(series: Candles | Sequence[Candles], *strategies: object, **settings: Any) -> Run:
    return engine(series, *strategies, **settings).run()


def told(found: Run) -> list[tuple[int, str, str, str]]:
    """Row, side, quantity and price of each fill, as text."""
    return [(t.row, t.side.value, f"{t.quantity.normalize():f}", f"{t.price.normalize():f}") for t in found.trades]


def recorded(pattern: str) -> list[Path]:
    """Recorded candle files; the test is skipped where there are none."""
    folder = Path(os.environ.get("PITWIRE_DATA", ROOT.parent / "shared" / "data")) / "candles"
    found = sorted(folder.glob(pattern))
    if not found:
        pytest.skip(f"no recordings {pattern} in {folder}; name the folder of recordings with PITWIRE_DATA")
    return found


Answer = Callable[[Bar, Portfolio], Iterable[Decision] | Decision | None]
