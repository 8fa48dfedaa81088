"""Exact numbers: market data as integers of 10^-8, money as Decimal, text as Binance prints it."""

from decimal import ROUND_DOWN, Decimal, InvalidOperation
from functools import lru_cache

SCALE = 10**8
"""One unit of price or quantity in the integers that market data uses: Binance's eight decimals."""
DECIMALS = 8
ZERO = Decimal(0)
QUANTUM = Decimal("0.00000001")
TEXTS_MAX = 100_000
"""Amounts whose text is remembered: the same prices and quantities are told again and again."""
SCALED_MAX = 2**63 - 1
"""Market data is kept in 64-bit arrays."""


def to_scaled(text: str) -> int:
    """The integer of 10^-8 nearest to a decimal text.

    Raises:
        ValueError: not a finite number, or too large for 64 bits.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not value.is_finite():
        raise ValueError(f"{text!r} is not a finite number")
    scaled = int((value * SCALE).to_integral_value())
    if abs(scaled) > SCALED_MAX:
        raise ValueError(f"{text!r} is too large")
    return scaled


def to_decimal(scaled: int) -> Decimal:
    """The exact Decimal of an integer of 10^-8."""
    return scaled * QUANTUM


def scaled_text(scaled: int) -> str:
    """An integer of 10^-8 (not negative) with eight decimals."""
    return f"{scaled // SCALE}.{scaled % SCALE:08d}"


@lru_cache(maxsize=TEXTS_MAX)
def text(value: Decimal) -> str:
    """A Decimal with eight decimals, as Binance prints prices and quantities."""
    return f"{value:.8f}"


def cut(value: Decimal) -> Decimal:
    """Drop what lies beyond eight decimals: how fees are rounded (in the client's favour)."""
    return value.quantize(QUANTUM, rounding=ROUND_DOWN)


def decimals_of(step: Decimal) -> int:
    """How many decimals a tick or lot step has: 0.01 has two, 1 none."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """The largest multiple of `step` that is not above `value`."""
    return (value // step) * step
