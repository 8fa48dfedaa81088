"""A live run beside the backtest of its candles: which order is whose counterpart, and what differs between them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from typing import Any, Final

from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.trades import Trade
from pitwire.common.enums import Side
from pitwire.common.money import ZERO, difference, product, ratio, total
from pitwire.common.units import NS_PER_MS

BPS: Final = Decimal(10_000)

Key = tuple[str, str, Side, int]
"""Strategy, instrument, side, and the close of the candle that was decided on, in ns."""


@dataclass(frozen=True, slots=True)
class Filled:
    """What one decision brought: `first_ns` is its first fill, `price` the average, `fee` in quote currency."""

    first_ns: int
    quantity: Decimal
    price: Decimal
    fee: Decimal

    @property
    def fee_bps(self) -> Decimal:
        return ratio(product(self.fee, BPS), product(self.quantity, self.price))


@dataclass(frozen=True, slots=True)
class Beside:
    """One decision. `why` explains what the backtest does not do as the live run did, or the other way round."""

    key: Key
    live: Filled | None
    backtest: Filled | None
    why: str

    @property
    def delay_ms(self) -> float | None:
        """How long after the close of its candle the live order was first filled."""
        return None if self.live is None else (self.live.first_ns - self.key[3]) / NS_PER_MS

    @property
    def worse_bps(self) -> Decimal | None:
        """How much worse the live price was than that of the backtest; below zero: better."""
        if self.live is None or self.backtest is None:
            return None
        moved = product(ratio(difference(self.live.price, self.backtest.price), self.backtest.price), BPS)
        return moved if self.key[2] is Side.BUY else -moved

    @property
    def dearer(self) -> Decimal | None:
        """How much more was paid in fees live, in quote currency."""
        return None if self.live is None or self.backtest is None else difference(self.live.fee, self.backtest.fee)


class WarmedUp:
    """Sees every candle; what it answers to those in `silent` (instrument, close time) does not count."""

    def __init__(self, strategy: Any, silent: Container[tuple[str, int]]) -> None:
        self._strategy = strategy
        self._silent = silent

    def __getattr__(self, name: str) -> Any:
        return getattr(self._strategy, name)

    def on_candle(self, candle: Any, portfolio: Any) -> Any:
        answer = self._strategy.on_candle(candle, portfolio)
        return None if (candle.instrument_id, candle.close_time_ns) in self._silent else answer


def filled(fills: Iterable[tuple[int, Decimal, Decimal, Decimal]]) -> Filled:
    """Time, quantity, price and fee of each fill of one decision, as one."""
    found = sorted(fills)
    quantity = _sum(each[1] for each in found)
    value = _sum(product(each[1], each[2]) for each in found)
    return Filled(found[0][0], quantity, ratio(value, quantity), _sum(each[3] for each in found))


def by_decision(trades: Sequence[Trade], candles: Mapping[str, Candles]) -> dict[Key, Filled]:
    """The backtest's fills. A market order fills in the candle after the one that was decided on."""
    fills: dict[Key, list[tuple[int, Decimal, Decimal, Decimal]]] = {}
    for trade in trades:
        series = candles[trade.instrument_id]
        decided_ns = series.open_ns[trade.row - 1] + series.step_ns if trade.row else trade.ts_ns
        key = trade.strategy, trade.instrument_id, trade.side, decided_ns
        fills.setdefault(key, []).append((trade.ts_ns, trade.quantity, trade.price, trade.fee))
    return {key: filled(each) for key, each in fills.items()}


def beside(live: Mapping[Key, Filled], backtest: Mapping[Key, Filled], refused: Mapping[Key, str]) -> list[Beside]:
    """Every decision of either, by time. `refused` says what became of live intents that were not filled."""
    found: list[Beside] = []
    for key in sorted({*live, *backtest}, key=lambda key: (key[3], key[0], key[1], key[2].value)):
        one, other = live.get(key), backtest.get(key)
        found.append(Beside(key, one, other, _why(one, other, refused.get(key, ""))))
    return found


def _why(live: Filled | None, backtest: Filled | None, refused: str) -> str:
    if backtest is None:
        return "the backtest held something else by then and wanted no such order"
    if live is None:
        return refused or "the live strategy held something else by then, or did not run"
    reasons: list[str] = []
    if live.quantity != backtest.quantity:
        reasons.append("sized from another holding or price")
    if live.price != backtest.price:
        reasons.append("the price moved or the spread was paid")
    if round(live.fee_bps, 2) != round(backtest.fee_bps, 2):
        reasons.append(f"fee of {live.fee_bps:.2f} bps, assumed {backtest.fee_bps:.2f}")
    return "; ".join(reasons) or "the same"


def summary(found: Sequence[Beside]) -> dict[str, Any]:
    """Counts, and means over the decisions that both have."""
    both = [each for each in found if each.live is not None and each.backtest is not None]
    delays = [each.delay_ms for each in found if each.delay_ms is not None]
    worse = [each.worse_bps for each in both if each.worse_bps is not None]
    return {
        "both": len(both),
        "only_live": sum(each.backtest is None for each in found),
        "only_backtest": sum(each.live is None for each in found),
        "mean_delay_ms": sum(delays) / len(delays) if delays else None,
        "mean_worse_bps": float(_sum(worse)) / len(worse) if worse else None,
        "dearer_fees": _sum(each.dearer or ZERO for each in both),
    }


def _sum(values: Iterable[Decimal]) -> Decimal:
    return reduce(total, values, ZERO)
