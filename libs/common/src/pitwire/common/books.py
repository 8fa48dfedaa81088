"""An order book as text: what the venue wrote is what is kept, so nothing is lost and nothing is converted twice.

A venue writes all prices of one instrument with the same number of decimals. So of two prices the longer text is the
higher one, and of two texts of equal length the later one in the alphabet: order costs no arithmetic. Where a venue
writes otherwise, `BookFault` says so and the book is not to be used.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterable, Sequence
from heapq import nlargest, nsmallest
from typing import Final

Level = Sequence[str]
"""Price and quantity as plain decimals, checked by whoever read them; quantity zero removes the price."""

ZERO_MOST: Final = "0." + "0" * 18
"""The last text in the alphabet that means zero: every positive quantity of up to 18 decimals comes after it."""

LEVELS_MAX: Final = 5_000
"""Kept on each side; the worst beyond it are forgotten."""

SLACK: Final = 1_000
"""So many more may gather before they are: sorting at every update would cost more than the update."""

WINDOW_FILL: Final = 64
WINDOW_MAX: Final = 256
"""Best prices of a side that are kept in order; the others only lie in the dictionary."""


class BookFault(Exception):
    """The book cannot be what the venue holds: take a new snapshot."""


def rank(price: str) -> tuple[int, str]:
    """Orders prices that have the same number of decimals."""
    return len(price), price


def decimals_of(price: str) -> int:
    """Digits behind the point."""
    return len(price) - 1 - point if (point := price.find(".")) >= 0 else 0


class Ladder:
    """One side of a book: what a price holds in a dictionary, and the best prices in order.

    A price that is gone leaves the order when it would be the best, or with the next tidying: `_window` may name some.
    """

    __slots__ = ("_edge", "_is_bid", "_levels_max", "_point", "_quantities", "_width", "_window", "_zero")

    def __init__(self, *, is_bid: bool, levels_max: int = LEVELS_MAX) -> None:
        self._is_bid = is_bid
        self._levels_max = levels_max
        self._quantities: dict[str, str] = {}
        self._window: list[str] = []
        self._edge = self._zero = ""
        self._width = 0
        self._point = -1

    def __len__(self) -> int:
        return len(self._quantities)

    @property
    def best(self) -> str | None:
        """The highest bid or the lowest ask; None for an empty side."""
        if not self._window:
            return None
        return self._window[-1] if self._is_bid else self._window[0]

    def quantity(self, price: str) -> str | None:
        """At exactly this text of a price."""
        return self._quantities.get(price)

    def top(self, count: int) -> list[tuple[str, str]]:
        """The best levels, best first."""
        quantities, window = self._quantities, self._alive()
        if count <= len(window):
            prices = window[: -count - 1 : -1] if self._is_bid else window[:count]
        else:
            prices = sorted(quantities, key=rank, reverse=self._is_bid)[:count]
        return [(price, quantities[price]) for price in prices]

    def replace(self, levels: Iterable[Level]) -> None:
        """A snapshot. `BookFault` when its prices differ in decimals."""
        self._quantities = {price: quantity for price, quantity in levels if quantity > ZERO_MOST}
        if any(price <= ZERO_MOST for price in self._quantities):
            raise BookFault("a price is zero")
        if len(set(map(decimals_of, self._quantities))) > 1:
            raise BookFault("prices of one book differ in decimals")
        self._fill()

    def apply(self, levels: Iterable[Level]) -> None:
        """Changed levels, in any order. `BookFault` when a price near the best differs in decimals from the others."""
        quantities, window, edge, width, is_bid = self._quantities, self._window, self._edge, self._width, self._is_bid
        point, others = self._point, list[str]()
        for price, quantity in levels:
            if quantity > ZERO_MOST:
                if price not in quantities:
                    if len(price) != width:
                        others.append(price)
                    elif (price >= edge) is is_bid:
                        if price.find(".") != point:
                            raise BookFault("a price has other decimals than the book")
                        insort(window, price)
                quantities[price] = quantity
            elif quantity < "0":
                raise BookFault("a quantity is no plain decimal")
            elif price in quantities:
                del quantities[price]
        if self._zero in quantities:
            raise BookFault("a price is zero")
        if others and self._of_other_width(others):
            self._fill()
        else:
            self._settle()
        if len(quantities) > self._levels_max + SLACK:
            self.cut(self._levels_max)

    def _settle(self) -> None:
        """After an update: what is best is there, and the window not too long."""
        quantities, window, best = self._quantities, self._window, -1 if self._is_bid else 0
        while window and window[best] not in quantities:
            del window[best]
        if not window:
            self._fill()
        elif len(window) > WINDOW_MAX:
            self._shrink(self._alive())

    def _alive(self) -> list[str]:
        """Prices of the window that are still there, in order and each once."""
        quantities = self._quantities
        return [price for price in dict.fromkeys(self._window) if price in quantities]

    def cut(self, levels_max: int) -> list[str]:
        """Forgets all but the best so many; the prices that it forgot."""
        if len(self._quantities) <= levels_max:
            return []
        kept = dict(self.top(levels_max))
        gone = [price for price in self._quantities if price not in kept]
        self._quantities = kept
        self._fill()
        return gone

    def _of_other_width(self, prices: list[str]) -> bool:
        """Checks the rare prices that are longer or shorter than the best ones; whether one of them is a best one."""
        decimals = decimals_of(self._edge[: self._width])
        for price in prices:
            if price <= ZERO_MOST:
                raise BookFault("a price is zero")
            if self._width and decimals_of(price) != decimals:
                raise BookFault("a price has other decimals than the book")
        return any((len(price) > self._width) is self._is_bid for price in prices)

    def _fill(self) -> None:
        """Best prices anew. All of a window have one length, so that comparing texts is comparing prices."""
        lengths = set(map(len, self._quantities))
        self._width = (max(lengths) if self._is_bid else min(lengths)) if lengths else 0
        widest = self._quantities if len(lengths) == 1 else [p for p in self._quantities if len(p) == self._width]
        best = nlargest if self._is_bid else nsmallest
        self._shrink(sorted(best(WINDOW_FILL, widest)))

    def _shrink(self, ordered: list[str]) -> None:
        """The best of these. At or above the edge belongs to the window of bids, below it to that of asks."""
        self._window = window = ordered[-WINDOW_FILL:] if self._is_bid else ordered[:WINDOW_FILL]
        if not window:
            self._edge, self._point, self._zero = "", -1, ""
            return
        self._edge = window[0] if self._is_bid else window[-1] + "0"
        self._point = window[0].find(".")
        self._zero = "0" if self._point < 0 else f"0.{'0' * (self._width - self._point - 1)}"


class Book:
    """Both sides. Whether it is the venue's book at this moment is for the rules of the venue to tell."""

    __slots__ = ("asks", "bids")

    def __init__(self, *, levels_max: int = LEVELS_MAX) -> None:
        self.bids = Ladder(is_bid=True, levels_max=levels_max)
        self.asks = Ladder(is_bid=False, levels_max=levels_max)

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """A snapshot of both sides."""
        self.bids.replace(bids)
        self.asks.replace(asks)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """The changes of one update."""
        self.bids.apply(bids)
        self.asks.apply(asks)

    @property
    def is_crossed(self) -> bool:
        """The best bid is no lower than the best ask: no venue's book is."""
        bid, ask = self.bids.best, self.asks.best
        if bid is None or ask is None:
            return False
        return bid >= ask if len(bid) == len(ask) else len(bid) > len(ask)
