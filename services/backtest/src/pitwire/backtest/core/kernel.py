"""One account, one instrument, one strategy over arrays: the same orders and fills as the engine's, compiled.

Money is counted in whole units: a price in ticks times a quantity in lots. So what is booked is exact, and equity has
three roundings however long the run is. Where a float cannot tell what the exact books would say, or where the gate or
the balance might refuse, the run ends as `DOUBTFUL` and belongs to the engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pitwire.strategy.core.arrays import Floats, compiled

Integers = NDArray[np.int64]
DOUBTFUL: Final = -1
DOUBT: Final = 1e-13
"""Relative error allowed for in a quantity, many times what a sum of three rounded products can have."""

UNITS_MAX: Final = 2.0**61
"""Beyond this, units times lots could leave 64 bits."""

CLEAR: Final = 1e-9
"""What a balance is short of by less than this is for exact books to decide."""

COLLAR: Final = 1.06
"""The gate reserves 5 % above the mark, and the fee: below this much more than the mark it cannot refuse."""


class Terms(NamedTuple):
    """What one run is bound by: lots and units are whole, `value_max` and `capital` in quote currency, fees a share."""

    capital: float
    unit: float
    fee: float
    fee_max: float
    value_max: float
    lots_min: int
    lots_max: int
    units_min: int
    units_max: int
    close_min: int


CLOSE, BUY, SELL = 0, 1, 2
"""Columns of the prices, in ticks: this candle's close, and what an order made on it pays and gets."""


@compiled
def simulate(
    seek: Callable[..., Any],
    columns: tuple[Floats, ...],
    numbers: tuple[float, ...],
    memory: tuple[float, ...],
    history: int,
    prices: Integers,
    terms: Terms,
    fills: tuple[Integers, Integers, Integers],
) -> tuple[int, int]:
    """Writes row, signed lots and reason of every fill; gives their number, or `DOUBTFUL`, and that of the orders."""
    rows, lots, reasons = fills
    last = len(prices) - 1
    held = bought = sold = count = orders = row = 0
    while True:
        row, share, reason, memory = seek(row, columns, numbers, memory, held > 0)
        if row > last:
            return count, orders
        if row + 1 >= history:
            cash = terms.capital + (sold - bought) * terms.unit - (sold + bought) * terms.unit * terms.fee
            wanted = -held
            if share > 0.0:
                wanted = _lots(share * cash, prices[row, CLOSE], cash, terms)
            if wanted == DOUBTFUL or held * prices[row, CLOSE] > terms.units_max:
                return DOUBTFUL, 0
            orders += wanted != 0
            if wanted != 0 and row < last:
                if wanted > 0:
                    paid = wanted * prices[row, BUY]
                    if paid * terms.unit * (1.0 + terms.fee_max) > cash * (1.0 - CLEAR):
                        return DOUBTFUL, 0
                    bought += paid
                else:
                    sold -= wanted * prices[row, SELL]
                if bought + sold > UNITS_MAX:
                    return DOUBTFUL, 0
                held += wanted
                rows[count], lots[count], reasons[count] = row + 1, wanted, reason
                count += 1
        row += 1


@compiled
def _lots(value: float, close: int, cash: float, terms: Terms) -> int:
    """Whole lots for `value` at `close`, 0 where the venue takes no order so small, `DOUBTFUL` where that is open."""
    exact = value / (close * terms.unit)
    if not 0.0 < exact < UNITS_MAX / close:
        return DOUBTFUL
    found = int(exact)
    error = exact * DOUBT + DOUBT
    if exact - found < error or found + 1 - exact < error or found > terms.lots_max:
        return DOUBTFUL
    if found < terms.lots_min or found * close < terms.units_min:
        return 0
    worst = found * close * terms.unit * COLLAR * (1.0 + terms.fee_max)
    if worst > cash or worst > terms.value_max or found * close > terms.units_max:
        return DOUBTFUL
    return DOUBTFUL if found * terms.close_min < terms.units_min else found
