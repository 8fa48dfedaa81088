"""What is assumed about how orders fill on candles. Each assumption is one field; its text says what is promised.

A candle says where the price was, not in which order. Whatever it leaves open is decided against the trader:

- An order made on a candle's close works from the next candle on (later by `latency_ms`), never in its own candle.
- A market order fills at the open of its candle, moved against it by half the spread, the slippage and the impact.
- A stop fills at its trigger, or at the open where the price has jumped over it; then it is a market order.
- A stop-limit becomes a limit order that works from the candle after the one that triggered it.
- A limit order fills at its limit, as maker; where the candle opens beyond it, at the open, as taker.
- Where one candle reaches a stop and a limit or take-profit, the stop comes first.
- With `volume_share` an order takes so much of each candle's volume; what is left waits for the next candle.
- No account buys more than its balance pays for: what is missing expires, as the venue would refuse it.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from math import sqrt
from typing import Annotated, Final

from pydantic import Field

from pitwire.common import money
from pitwire.common.enums import Liquidity, Side
from pitwire.common.money import ONE, ZERO
from pitwire.common.schemas.base import Value
from pitwire.common.units import NS_PER_S

BasisPoints = Annotated[Decimal, Field(ge=0, lt=10_000)]
TIER_WINDOW_NS: Final = 30 * 86_400 * NS_PER_S
"""Fee tiers follow the notional traded in the 30 days before, as the large spot venues count it."""


class LimitFill(StrEnum):
    """When a resting limit order fills: where the price touches it, or only where it trades through."""

    TOUCH = "touch"
    THROUGH = "through"


class FeeTier(Value):
    """From `volume_min` of notional in 30 days on, these fees hold."""

    volume_min: Decimal = Field(ge=0)
    maker_bps: BasisPoints
    taker_bps: BasisPoints


class FillModel(Value):
    """The assumptions of one run."""

    maker_bps: BasisPoints = Field(default=Decimal(10), description="fee of a fill that waited in the book")
    taker_bps: BasisPoints = Field(default=Decimal(10), description="fee of a fill at once")
    tiers: tuple[FeeTier, ...] = Field(default=(), description="other fees from a traded notional of 30 days on")
    spread_bps: BasisPoints = Field(default=ZERO, description="ask less bid, of the mid price; a taker pays half")
    slippage_bps: BasisPoints = Field(default=ZERO, description="a taker's price is worse by so much")
    impact_bps: BasisPoints = Field(
        default=ZERO,
        description="a taker's price is worse by this x sqrt(quantity / volume of the candle): the square-root law of "
        "market impact (Almgren, Thum, Hauptmann, Li: Direct Estimation of Equity Market Impact, 2005)",
    )
    volume_share: float | None = Field(
        default=None, gt=0, le=1, description="share of a candle's volume that one order may take; none: all of it"
    )
    limit_fill: LimitFill = Field(
        default=LimitFill.THROUGH,
        description="`through`: a limit order fills where the price trades beyond it; `touch`: where it is reached",
    )
    latency_ms: int = Field(default=0, ge=0, le=3_600_000, description="from the decision to the venue")

    def taker_price(
        self, price: Decimal, *, side: Side, quantity: Decimal, volume: float, tick_size: Decimal
    ) -> Decimal:
        """`price` moved against a taker and rounded to the tick that is worse; never below one tick."""
        worse_bps = self.spread_bps / 2 + self.slippage_bps
        if self.impact_bps:
            share = float(quantity) / volume if volume else 1.0
            worse_bps += self.impact_bps * money.from_float(sqrt(share))
        if not worse_bps:
            return price
        moved = money.basis_points_of(price, worse_bps)
        if side is Side.BUY:
            return money.ceil_to(money.total(price, moved), tick_size)
        return max(money.floor_to(money.difference(price, moved), tick_size), tick_size)


@dataclass(slots=True)
class Fees:
    """The fee of each fill, by liquidity and by what was traded before it."""

    model: FillModel
    _recent: deque[tuple[int, Decimal]] = field(default_factory=deque)
    _volume: Decimal = ZERO

    def of(self, notional: Decimal, liquidity: Liquidity, ts_ns: int) -> Decimal:
        """In quote currency; the fill itself counts for the ones after it."""
        maker, taker = self.model.maker_bps, self.model.taker_bps
        if self.model.tiers:
            maker, taker = self._tier(ts_ns)
            self._recent.append((ts_ns, notional))
            self._volume = money.total(self._volume, notional)
        bps = maker if liquidity is Liquidity.MAKER else taker
        return money.basis_points_of(notional, bps)

    def _tier(self, ts_ns: int) -> tuple[Decimal, Decimal]:
        while self._recent and self._recent[0][0] <= ts_ns - TIER_WINDOW_NS:
            self._volume = money.difference(self._volume, self._recent.popleft()[1])
        reached = [tier for tier in self.model.tiers if self._volume >= tier.volume_min]
        if not reached:
            return self.model.maker_bps, self.model.taker_bps
        best = max(reached, key=lambda tier: tier.volume_min)
        return best.maker_bps, best.taker_bps


def affordable(quantity: Decimal, *, price: Decimal, balance: Decimal, taker_bps: Decimal, lot: Decimal) -> Decimal:
    """`quantity`, or as many lots of it as `balance` pays for at `price` with the fee."""
    per_unit = money.product(price, money.total(ONE, taker_bps.scaleb(-4)))
    if money.product(quantity, per_unit) <= balance:
        return quantity
    return money.floor_to(max(balance, ZERO) / per_unit, lot)
