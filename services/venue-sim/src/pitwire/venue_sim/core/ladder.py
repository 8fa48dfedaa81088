"""The market's own quotes around its price: how wide, how deep, how large. A stated model, the same for every market.

The trade price of the instant is the touch on the side that is hit (ask when the buyer takes, bid when the seller
takes). The spread is `SPREAD_PPM` millionths of the price, at least one tick; behind the touch stand `LEVELS` levels a
side, one spread apart. A level's size is a share of what the previous bar traded per instant, growing with its
distance.
"""

from decimal import Decimal

from pitwire.venue_sim.core.levels import Ladder
from pitwire.venue_sim.core.path import POINTS
from pitwire.venue_sim.core.units import QUANTUM

LEVELS = 20
SPREAD_PPM = 20
TOUCH_PERCENT = 50
LEVEL_PERCENT = 25
"""Level i holds TOUCH_PERCENT + i * LEVEL_PERCENT of the volume per instant."""
LOTS_MIN = 100
"""A level never shows fewer lots than this, so that a quiet minute still has a market."""


def quotes(*, price: int, buyer_takes: bool, volume: int, tick: int, step: int) -> tuple[Ladder, Ladder]:
    """(bids, asks) around a trade price; all arguments are integers of 10^-8, `volume` that of the previous bar."""
    spread = max(tick, price * SPREAD_PPM // (1_000_000 * tick) * tick)
    bid, ask = (price - spread, price) if buyer_takes else (price, price + spread)
    sizes = _sizes(volume, step)
    bids: Ladder = []
    asks: Ladder = []
    for level, size in enumerate(sizes):
        distance = level * spread
        if bid > distance:
            bids.append(((bid - distance) * QUANTUM, size))
        asks.append(((ask + distance) * QUANTUM, size))
    return bids, asks


def _sizes(volume: int, step: int) -> list[Decimal]:
    unit = volume // POINTS
    return [
        max(LOTS_MIN * step, unit * (TOUCH_PERCENT + LEVEL_PERCENT * level) // (100 * step) * step) * QUANTUM
        for level in range(LEVELS)
    ]
