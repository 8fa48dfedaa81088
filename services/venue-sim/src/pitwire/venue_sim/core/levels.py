"""The market's quantity at each price of one side, best price first."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import islice

from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import ZERO

Ladder = list[tuple[Decimal, Decimal]]
"""(price, quantity) of one side, best first."""


class Levels:
    """One side; replaced as a whole, or changed price by price."""

    def __init__(self, side: Side) -> None:
        self._sign = -1 if side is Side.BUY else 1
        self._quantities: dict[Decimal, Decimal] = {}
        self._keys: list[Decimal] | None = None
        """Signed prices in order; None while the dictionary itself is in order, as a replaced side is."""

    def replace(self, ladder: Iterable[tuple[Decimal, Decimal]]) -> None:
        """Take a whole side, best price first."""
        self._quantities = dict(ladder)
        self._keys = None

    def get(self, price: Decimal) -> Decimal:
        """The quantity at a price, zero where nothing stands."""
        return self._quantities.get(price, ZERO)

    def put(self, price: Decimal, quantity: Decimal) -> None:
        """Set the quantity at a price; zero takes the price away."""
        known = price in self._quantities
        if quantity > 0 and known:
            self._quantities[price] = quantity
        elif quantity > 0:
            keys = self._ordered()
            key = self._sign * price
            keys.insert(bisect_left(keys, key), key)
            self._quantities[price] = quantity
        elif known:
            del self._quantities[price]
            if self._keys is not None:
                del self._keys[bisect_left(self._keys, self._sign * price)]

    def _ordered(self) -> list[Decimal]:
        if self._keys is None:
            self._keys = [self._sign * price for price in self._quantities]
        return self._keys

    def items(self) -> Iterator[tuple[Decimal, Decimal]]:
        """(price, quantity), best price first."""
        if self._keys is None:
            return iter(self._quantities.items())
        quantities, sign = self._quantities, self._sign
        return ((price, quantities[price]) for price in (sign * key for key in self._keys))

    def first(self, limit: int) -> Ladder:
        """The best levels."""
        return list(islice(self.items(), limit))

    def top(self) -> tuple[Decimal, Decimal] | None:
        """The best price and its quantity, None when nothing stands."""
        return next(iter(self.items()), None)

    def best(self) -> Decimal | None:
        """The best price, None when nothing stands."""
        top = self.top()
        return None if top is None else top[0]
