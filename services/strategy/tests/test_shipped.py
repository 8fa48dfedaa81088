"""Both shipped strategies on the recorded crash of 5 August 2024 and the days around it, and that each is one page."""

from __future__ import annotations

import csv
import gzip
import inspect
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.common.enums import DataQuality
from pitwire.common.money import ZERO
from pitwire.common.positions import Position
from pitwire.common.schemas.market import Candle
from pitwire.strategy import Portfolio, Target
from pitwire.strategy.adapters.loader import load_strategy
from pitwire.strategy.strategies import SHIPPED

DATA = Path(os.environ.get("PITWIRE_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
FOLDER = DATA / "candles" / "binance_spot_2024"
PAGE_LINES_MAX = 120
CAPITAL, FEE, HISTORY = Decimal(20_000), Decimal("0.001"), 500
BTC, ETH = "BTC-USDT.sim", "ETH-USDT.sim"


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_strategy_fits_on_a_page(name: str) -> None:
    source = Path(inspect.getfile(SHIPPED[name])).read_text(encoding="utf-8")
    assert source.count("\n") <= PAGE_LINES_MAX
    methods = [each for each in vars(SHIPPED[name]) if each.startswith("on_")]
    assert methods == ["on_candle"]
    assert SHIPPED[name].__mro__[1:] == (object,)


class Paper:
    """Fills at the next candle's open, takes a fee, remembers trades."""

    def __init__(self) -> None:
        self.capital, self.cash = CAPITAL, CAPITAL
        self.held: dict[str, Decimal] = {}
        self.price: dict[str, Decimal] = {}
        self.paid: dict[str, Decimal] = {}
        self.trades: list[tuple[int, Decimal]] = []

    @property
    def equity(self) -> Decimal:
        return self.cash + sum((held * self.price[name] for name, held in self.held.items()), ZERO)

    def holds(self, instrument_id: str) -> bool:
        return bool(self.held.get(instrument_id))

    def is_working(self, instrument_id: str) -> bool:
        return False

    def position(self, instrument_id: str) -> Position:
        held = self.held.get(instrument_id, ZERO)
        return Position(instrument_id, held, held * self.paid.get(instrument_id, ZERO))

    def quantity_for(self, instrument_id: str, value: Decimal, price: Decimal) -> Decimal:
        return (value / price).quantize(Decimal("0.00001"))

    def move_to(self, target: Decimal, candle: Candle, minute: int) -> None:
        missing = target - self.held.get(candle.instrument_id, ZERO)
        if missing:
            self.cash -= missing * candle.open + abs(missing * candle.open) * FEE
            self.held[candle.instrument_id] = target
            self.paid[candle.instrument_id] = candle.open
            self.trades.append((minute, missing * candle.open))


def recorded() -> Iterator[tuple[int, Candle]]:
    """Both instruments minute by minute. Not validated again: the recording is known to be good."""
    files = [
        (BTC, FOLDER / "BTCUSDT_1m_20240726_20240811.csv.gz"),
        (ETH, FOLDER / "ETHUSDT_1m_20240726_20240811.csv.gz"),
    ]
    rows: list[tuple[int, str, dict[str, str]]] = []
    for name, path in files:
        if not path.exists():
            pytest.skip(f"recorded candles are absent: {path.name} (set PITWIRE_DATA)")
        with gzip.open(path, "rt", encoding="ascii", newline="") as file:
            rows += [(int(row["open_time_ms"]), name, row) for row in csv.DictReader(file)]
    rows.sort(key=lambda row: row[:2])
    first = rows[0][0]
    for opens, name, row in rows:
        prices: dict[str, Any] = {key: Decimal(row[key]) for key in ("open", "high", "low", "close")}
        yield (
            (opens - first) // 60_000,
            Candle.model_construct(instrument_id=name, interval="1m", quality=DataQuality.OK, **prices),
        )


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_parameters_trade_sensibly_on_recorded_minutes(name: str) -> None:
    """Often enough to see it work, seldom enough that fees do not eat it; long or flat, and never all in."""
    strategy: Any = load_strategy(name, name, {}, folders=())
    paper, wanted, minute, worst = Paper(), dict[str, Decimal](), 0, CAPITAL
    portfolio: Portfolio = paper  # type: ignore[assignment] # only what the shipped ones ask for
    for minute, candle in recorded():
        if candle.instrument_id in wanted:
            paper.move_to(wanted.pop(candle.instrument_id), candle, minute)
        paper.price[candle.instrument_id] = candle.close
        decision = strategy.on_candle(candle, portfolio)
        if isinstance(decision, Target) and minute >= HISTORY:
            assert decision.quantity >= 0
            assert decision.quantity * candle.close <= paper.equity * Decimal("0.31")
            wanted[candle.instrument_id] = decision.quantity
        worst = min(worst, paper.equity)
    days = minute / 1_440
    per_day = len(paper.trades) / days / 2
    assert 4 <= per_day <= 26
    assert len([at for at, _ in paper.trades if at < HISTORY + 600]) >= 2
    assert worst > CAPITAL * Decimal("0.8")
