"""Decimal arithmetic for money: exact sums and products, a defined rounding for the few quotients, steps.

`@exact` runs a function in a context that raises instead of rounding, so a sum that lost a digit cannot go unseen.
Quotients cannot be exact; there are three kinds, each with its own function: `released_cost` (booked), `ratio`
(shown or compared after a floor), and the step roundings (orders). Mixing a float in raises everywhere.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_CEILING,
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_UP,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from pitwire.common.enums import OrderType, Side

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
HUNDRED: Final = Decimal(100)

EXACT_DIGITS: Final = 256
"""More than any product of two numbers of the wire (40 digits, exponents within ±24) and sums of 10^20 of them need."""

COST_DECIMALS: Final = 36
"""Decimals of a cost released by a partial reduction: the only booked figure that is rounded, half to even."""

WIRE_DECIMALS: Final = 18
"""Decimals of a computed figure on the wire; its integer part then has 22 digits left."""

_TRAPS: Final = (InvalidOperation, DivisionByZero, Overflow, FloatOperation)
MONEY: Final = Context(prec=34, rounding=ROUND_HALF_EVEN, traps=list(_TRAPS))
"""For figures that are shown: averages, percentages."""

_UP: Final = Context(prec=34, rounding=ROUND_UP, traps=list(_TRAPS))
EXACT: Final = Context(prec=EXACT_DIGITS, rounding=ROUND_HALF_EVEN, traps=[*_TRAPS, Inexact])
_WIDE: Final = Context(prec=EXACT_DIGITS, rounding=ROUND_HALF_EVEN, traps=list(_TRAPS))
_COST_STEP: Final = Decimal(1).scaleb(-COST_DECIMALS)
_WIRE_STEP: Final = Decimal(1).scaleb(-WIRE_DECIMALS)
_WIRE_MAX: Final = Decimal(10) ** 21

P = ParamSpec("P")
R = TypeVar("R")


def exact(function: Callable[P, R]) -> Callable[P, R]:
    """Runs `function` in the exact context: a result that would have to be rounded raises `decimal.Inexact`.

    The caller's context is restored; nesting costs nothing.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        outer = getcontext()
        if outer is EXACT:
            return function(*args, **kwargs)
        setcontext(EXACT)
        try:
            return function(*args, **kwargs)
        finally:
            setcontext(outer)

    return run


def product(left: Decimal, right: Decimal) -> Decimal:
    """The exact product, whatever context the caller is in."""
    return EXACT.multiply(left, right)


def total(left: Decimal, right: Decimal) -> Decimal:
    """The exact sum, whatever context the caller is in."""
    return EXACT.add(left, right)


def difference(left: Decimal, right: Decimal) -> Decimal:
    """The exact difference, whatever context the caller is in."""
    return EXACT.subtract(left, right)


def released_cost(cost: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """The share of `cost` that `part` of `whole` carries, rounded half to even at `COST_DECIMALS`.

    256 digits before the one rounding cannot sit so near a tie that rounding twice shows.
    """
    return _WIDE.quantize(_WIDE.divide(EXACT.multiply(cost, part), whole), _COST_STEP)


def share_up(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """`amount` x `part` / `whole`, rounded up at `WIRE_DECIMALS`: what an order with `part` left may still take."""
    if part == whole:
        return amount
    share = _WIDE.divide(EXACT.multiply(amount, part), whole)
    return share.quantize(_WIRE_STEP, ROUND_CEILING, context=_WIDE)


def ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    """Numerator / denominator at 34 digits; raises `DivisionByZero` rather than giving NaN or Infinity."""
    return MONEY.divide(numerator, denominator)


def ratio_up(numerator: Decimal, denominator: Decimal) -> Decimal:
    """As `ratio`, rounded away from zero at its last digit: what is compared with it is never let through too early."""
    return _UP.divide(numerator, denominator)


def percent_of(value: Decimal, percent: Decimal) -> Decimal:
    """Exactly `percent` hundredths of `value`."""
    return EXACT.multiply(value, percent).scaleb(-2, EXACT)


def basis_points_of(value: Decimal, basis_points: Decimal) -> Decimal:
    """Exactly `basis_points` ten-thousandths of `value`."""
    return EXACT.multiply(value, basis_points).scaleb(-4, EXACT)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Whether `value` stands on the grid of `step`."""
    return not EXACT.remainder(value, step)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` not above `value`."""
    return EXACT.multiply(_WIDE.divide(value, step).to_integral_value(ROUND_FLOOR), step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` not below `value`."""
    return EXACT.multiply(_WIDE.divide(value, step).to_integral_value(ROUND_CEILING), step)


def round_quantity(quantity: Decimal, *, lot_size: Decimal) -> Decimal:
    """Down to a lot, towards zero: a rounded order is never larger than the one wished for."""
    steps = floor_to(quantity.copy_abs(), lot_size)
    return steps if quantity >= ZERO else steps.copy_negate()


def round_limit_price(price: Decimal, *, tick_size: Decimal, side: Side) -> Decimal:
    """To the tick that never pays more (BUY, down) and never sells for less (SELL, up)."""
    return floor_to(price, tick_size) if side is Side.BUY else ceil_to(price, tick_size)


def round_stop_price(price: Decimal, *, tick_size: Decimal, side: Side, order_type: OrderType) -> Decimal:
    """To the tick that triggers no later than wished: a sell stop up, a buy stop down, take-profits the other way."""
    protects = order_type in {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT}
    upwards = (side is Side.SELL) is protects
    return ceil_to(price, tick_size) if upwards else floor_to(price, tick_size)


def from_float(value: float) -> Decimal:
    """The one way from an indicator to money: by its shortest decimal spelling. NaN and Infinity raise `ValueError`."""
    number = Decimal(repr(value))
    if not number.is_finite():
        msg = f"{value!r} cannot become money"
        raise ValueError(msg)
    return number


def canonical(value: Decimal) -> str:
    """Plain notation by value alone: 1.50 and 1.5 are both "1.5", every zero is "0". For snapshots and hashes."""
    return format(value.normalize(_WIDE), "f") if value else "0"


def on_wire(value: Decimal) -> Decimal:
    """A computed figure made to fit a `Number`: at most `WIRE_DECIMALS` decimals, clamped at ±10^21."""
    clamped = min(max(value, _WIRE_MAX.copy_negate()), _WIRE_MAX)
    return _fitted(clamped, ROUND_HALF_EVEN)


def on_wire_up(value: Decimal) -> Decimal:
    """As `on_wire`, rounded up: a reservation is never smaller than what it covers."""
    return _fitted(min(value, _WIRE_MAX), ROUND_CEILING)


def _fitted(value: Decimal, rounding: str) -> Decimal:
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -WIRE_DECIMALS:
        return value.quantize(_WIRE_STEP, rounding, context=_WIDE)
    return value
