"""From what a strategy wants to an order the venue takes: what is missing, rounded towards less risk."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from pitwire.common import money
from pitwire.common.enums import Side
from pitwire.common.instruments import tradable_quantity
from pitwire.common.money import ZERO
from pitwire.common.schemas.market import Instrument


@dataclass(frozen=True, slots=True)
class Sized:
    """An order that fits the instrument."""

    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class TooSmall:
    """Nothing can be ordered, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Holding:
    """What a strategy has of one instrument: signed position, and open orders (undecided ones too) by side."""

    position: Decimal
    working_buys: Decimal
    working_sells: Decimal

    @property
    def expected(self) -> Decimal:
        """The position once everything open has filled."""
        return money.difference(money.total(self.position, self.working_buys), self.working_sells)

    @property
    def sellable(self) -> Decimal:
        """On spot nothing is sold that is not held, or that another order may sell already."""
        return max(money.difference(self.position, self.working_sells), ZERO)


def towards(
    target: Decimal, holding: Holding, instrument: Instrument, price: Decimal, *, tolerance: Decimal = ZERO
) -> Sized | TooSmall:
    """The order from what is held and working to `target`, valued at `price`. Short targets count as flat: spot.

    A buy is rounded down. A sell is rounded up, never beyond what can be sold: both leave less at risk, not more.
    """
    target = max(target, ZERO)
    missing = money.difference(target, holding.expected)
    if missing.copy_abs() <= money.product(target, tolerance):
        return TooSmall("target is held or on its way")
    if missing > ZERO:
        return fitting(Side.BUY, missing, instrument, price)
    wanted = money.ceil_to(missing.copy_abs(), instrument.lot_size)
    wanted = min(wanted, holding.sellable)
    return fitting(Side.SELL, wanted, instrument, price)


def fitting(side: Side, quantity: Decimal, instrument: Instrument, price: Decimal) -> Sized | TooSmall:
    """`quantity` down to a lot and inside the instrument's bounds of quantity and, at `price`, of notional."""
    if instrument.max_notional is not None:
        quantity = min(quantity, money.ratio(instrument.max_notional, price))
    rounded = tradable_quantity(instrument, quantity)
    if not rounded:
        smallest = max(instrument.lot_size, instrument.min_quantity)
        return TooSmall(f"{money.canonical(quantity)} is less than the smallest quantity {money.canonical(smallest)}")
    notional = money.product(rounded, price)
    if notional < instrument.min_notional:
        least = money.canonical(instrument.min_notional)
        return TooSmall(f"worth {money.canonical(notional)}, the venue takes no order below {least}")
    return Sized(side, rounded)
