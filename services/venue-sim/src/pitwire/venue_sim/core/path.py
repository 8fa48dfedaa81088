"""The path inside a bar: a fixed, stated model that turns open, high, low, close and volume into trades.

A bar has `POINTS` instants, the first at its open time and the last at its close time (59,999 ms later). The price
walks at constant speed from the open to one extreme, to the other, to the close: low first when the bar closes at or
above its open, high first otherwise. The volume is split over the trades by `WEIGHTS`. So the first trade is the open,
the last the close, both extremes are touched and never exceeded, and the quantities sum to the volume exactly. A bar
whose volume is too small for `POINTS` trades has fewer; one without volume has none. Nothing depends on the speed of
the replay or on load.
"""

from itertools import pairwise
from typing import NamedTuple

from pitwire.venue_sim.core.units import SCALE

BAR_MS = 60_000
POINTS = 12
OFFSETS_MS = tuple(k * (BAR_MS - 1) // (POINTS - 1) for k in range(POINTS))
"""Instants of a bar after its open time."""
WEIGHTS = (16, 7, 9, 5, 8, 6, 10, 7, 5, 9, 6, 12)


class Bar(NamedTuple):
    """One minute of one symbol; prices and volume are integers of 10^-8, times in market milliseconds."""

    open_ms: int
    open: int
    high: int
    low: int
    close: int
    volume: int


class Tick(NamedTuple):
    """One trade of the path: which of the bar's instants, price, quantity, and whether the buyer was the aggressor."""

    slot: int
    price: int
    quantity: int
    buyer_takes: bool


def bar_problem(bar: Bar) -> str | None:
    """Why a bar cannot be true, or None."""
    if min(bar.open, bar.high, bar.low, bar.close) <= 0:
        return "a price is not above zero"
    if bar.volume < 0:
        return "negative volume"
    if bar.high < bar.low:
        return "high is below low"
    if not bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high:
        return "open or close lies outside low..high"
    if bar.volume < len(waypoints(bar)) - (bar.low == bar.high):
        return "the price moves but the volume is too small for trades at open, high, low and close"
    return None


def waypoints(bar: Bar) -> list[int]:
    """Prices the path must touch in order, without repeats beside each other."""
    first, second = (bar.low, bar.high) if bar.close >= bar.open else (bar.high, bar.low)
    prices = [bar.open]
    for price in (first, second, bar.close):
        if price != prices[-1]:
            prices.append(price)
    return prices


def path(bar: Bar, *, tick: int, step: int) -> list[Tick]:
    """The trades of a bar, in order. `tick` and `step` are the symbol's price and quantity steps (10^-8)."""
    corners = waypoints(bar)
    unit = step if bar.volume // step >= len(corners) else 1
    count = min(POINTS, bar.volume // unit)
    if count == 0:
        return []
    prices = _prices(corners, count, tick)
    slots = [k * (POINTS - 1) // (count - 1) if count > 1 else 0 for k in range(count)]
    quantities = _quantities(bar.volume, unit, slots)
    buyer_takes = bar.close >= bar.open
    ticks: list[Tick] = []
    previous = bar.open
    for slot, price, quantity in zip(slots, prices, quantities, strict=True):
        if price != previous:
            buyer_takes = price > previous
        ticks.append(Tick(slot, price, quantity, buyer_takes))
        previous = price
    return ticks


def _prices(corners: list[int], count: int, tick: int) -> list[int]:
    """`count` prices along the corners at constant speed; every corner is one of them."""
    legs = len(corners) - 1
    if legs == 0:
        return corners * count
    lengths = [abs(b - a) for a, b in pairwise(corners)]
    total, travelled, used = sum(lengths), 0, 0
    prices = [corners[0]]
    for leg, length in enumerate(lengths):
        travelled += length
        until = round((count - 1) * travelled / total)
        until = max(used + 1, min(until, count - 1 - (legs - 1 - leg)))
        start, move, steps = corners[leg], corners[leg + 1] - corners[leg], until - used
        prices += [start + move * k // (steps * tick) * tick for k in range(1, steps)]
        prices.append(corners[leg + 1])
        used = until
    return prices


def _quantities(volume: int, unit: int, slots: list[int]) -> list[int]:
    """Split a volume over the slots by weight, each at least one unit; the last takes what rounding leaves."""
    units, spare = volume // unit, volume % unit
    free = units - len(slots)
    weight_sum = sum(WEIGHTS[slot] for slot in slots)
    quantities = [(1 + free * WEIGHTS[slot] // weight_sum) * unit for slot in slots]
    quantities[-1] += units * unit - sum(quantities) + spare
    return quantities


def quote_value(price: int, quantity: int) -> int:
    """Price times quantity as an integer of 10^-8 (what lies beyond is dropped)."""
    return price * quantity // SCALE
