"""One price-time priority book of a symbol: the market's ladder and the users' orders together.

The market's quantity at a price is one number. Each user order knows how much of it stands in front (`Order.ahead`),
so its place in the queue is exact: it advances as the market trades at its price or withdraws, and what the market
adds later stands behind.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import NamedTuple

from pitwire.venue_sim.core.levels import Ladder, Levels
from pitwire.venue_sim.core.types import Order, Side
from pitwire.venue_sim.core.units import ZERO


class Match(NamedTuple):
    """Part of a taker's quantity against one maker; `maker` None is the market."""

    maker: Order | None
    price: Decimal
    quantity: Decimal


class Book:
    """Both sides of one symbol. Planning changes nothing; the caller applies what was planned."""

    def __init__(self) -> None:
        self._market = {side: Levels(side) for side in Side}
        self._users: dict[Side, list[tuple[Decimal, int, Order]]] = {Side.BUY: [], Side.SELL: []}
        self._target: dict[Side, Ladder] = {Side.BUY: [], Side.SELL: []}
        self._arrivals = 0

    # ------------------------------------------------------------------------------------------------- user orders
    def add(self, order: Order) -> None:
        """Put an order at the back of the queue at its limit price."""
        self._arrivals += 1
        order.priority = self._arrivals
        order.ahead = self._market[order.side].get(order.limit_price)
        order.shown = min(order.iceberg_quantity, order.leaves_quantity)
        insort(self._users[order.side], _entry(order))

    def remove(self, order: Order) -> None:
        """Take an order out; one that is not in the book is ignored."""
        entries = self._users[order.side]
        entry = _entry(order)
        index = bisect_left(entries, entry)
        if index < len(entries) and entries[index][2] is order:
            del entries[index]

    def remove_all(self) -> None:
        """Take every user's order out."""
        self._users = {Side.BUY: [], Side.SELL: []}

    def show_next(self, order: Order, traded: Decimal) -> None:
        """An iceberg whose shown part has traded shows the next one, from the back of the queue."""
        if not order.iceberg_quantity:
            return
        order.shown -= traded
        if order.shown <= 0:
            self.remove(order)
            self.add(order)

    # ---------------------------------------------------------------------------------------------------- matching
    def plan(
        self, side: Side, quantity: Decimal, limit_price: Decimal | None, *, skip_account: str | None = None
    ) -> list[Match]:
        """What a taker of `side` would trade with, best price first and in queue order; None as limit is any price.

        With `skip_account` the orders of that account are left out.
        """
        matches: list[Match] = []
        leaves = quantity
        for price, market, orders in self._levels(side.opposite):
            if leaves <= 0 or (limit_price is not None and is_worse(side, price, limit_price)):
                break
            makers = orders if skip_account is None else [o for o in orders if o.account_id != skip_account]
            leaves = plan_level(matches, price, market, makers, leaves)
        return matches

    def take_market(self, maker_side: Side, price: Decimal, quantity: Decimal) -> None:
        """Remove traded market quantity from the front of the queue at a price."""
        levels = self._market[maker_side]
        levels.put(price, levels.get(price) - quantity)
        for order in self._orders_at(maker_side, price):
            order.ahead = max(ZERO, order.ahead - quantity)

    def market_quantity(self, side: Side, price: Decimal) -> Decimal:
        """What the market itself quotes at a price."""
        return self._market[side].get(price)

    # ------------------------------------------------------------------------------------------------ market ladder
    def requote(self, bids: Ladder, asks: Ladder) -> list[Match]:
        """Replace the market's ladder; return what its quotes trade with users' orders that they cross.

        Users' orders are not changed here; the caller fills them, then calls `top_up`.
        """
        self._target = {Side.BUY: bids, Side.SELL: asks}
        # Until the new quotes stand, nothing of the market does: an iceberg that queues again has none in front.
        for levels in self._market.values():
            levels.replace(())
        crossings = [match for side in Side if self._users[side.opposite] for match in self._cross(side)]
        for side in Side:
            queued = [entry[2] for entry in self._users[side] if entry[2].ahead]
            market = dict(self._target[side]) if queued else {}
            for order in queued:
                order.ahead = min(order.ahead, market.get(order.limit_price, ZERO))
        return crossings

    def top_up(self) -> None:
        """Bring the ladder to what the market last quoted, except where that would cross a user's order."""
        for side in Side:
            users = self._users[side.opposite]
            target = self._target[side]
            if users and target and not is_worse(side.opposite, target[0][0], users[0][2].limit_price):
                best = users[0][2].limit_price
                target = [level for level in target if is_worse(side.opposite, level[0], best)]
            self._market[side].replace(target)

    def _cross(self, side: Side) -> list[Match]:
        """What the new quotes of `side` trade with the users' orders opposite, which alone are in the book now."""
        matches: list[Match] = []
        target, users = self._target[side], self._users[side.opposite]
        if not target or is_worse(side, users[0][2].limit_price, target[0][0]):
            return matches
        makers = [entry[2] for entry in users]
        leaves = [order.leaves_quantity for order in makers]
        first = 0
        for price, quantity in target:
            left = quantity
            while left > 0 and first < len(makers) and not is_worse(side, makers[first].limit_price, price):
                part = min(left, leaves[first])
                matches.append(Match(makers[first], makers[first].limit_price, part))
                left -= part
                leaves[first] -= part
                first += leaves[first] == 0
        return matches

    # ------------------------------------------------------------------------------------------------------- views
    def best(self, side: Side) -> tuple[Decimal, Decimal] | None:
        """(price, quantity) at the top of one side, or None when it is empty."""
        users, market = self._users[side], self._market[side].top()
        if not users:
            return market
        price = users[0][2].limit_price
        if market is not None and is_worse(side.opposite, price, market[0]):
            return market
        return self.depth(side, 1)[0]

    def depth(self, side: Side, limit: int) -> Ladder:
        """The best `limit` levels of one side, market and users together."""
        users = self._users[side]
        if not users:
            return self._market[side].first(limit)
        return [
            (price, market + sum((visible(order) for order in orders), ZERO))
            for price, market, orders in islice(self._levels(side), limit)
        ]

    def _levels(self, side: Side) -> Iterator[tuple[Decimal, Decimal, list[Order]]]:
        """(price, market quantity, users' orders in queue order), best price first."""
        users = self._users[side]
        sign = -1 if side is Side.BUY else 1
        market = self._market[side].items()
        quoted = next(market, None)
        index = 0
        while quoted is not None or index < len(users):
            if quoted is not None and (index == len(users) or sign * quoted[0] <= users[index][0]):
                price, quantity = quoted
                quoted = next(market, None)
            else:
                price, quantity = users[index][2].limit_price, ZERO
            orders: list[Order] = []
            while index < len(users) and users[index][2].limit_price == price:
                orders.append(users[index][2])
                index += 1
            yield price, quantity, orders

    def _orders_at(self, side: Side, price: Decimal) -> Iterator[Order]:
        users = self._users[side]
        index = bisect_left(users, -price if side is Side.BUY else price, key=_key)
        while index < len(users) and users[index][2].limit_price == price:
            yield users[index][2]
            index += 1


def _key(entry: tuple[Decimal, int, Order]) -> Decimal:
    return entry[0]


def _entry(order: Order) -> tuple[Decimal, int, Order]:
    key = -order.limit_price if order.side is Side.BUY else order.limit_price
    return (key, order.priority, order)


def is_worse(side: Side, price: Decimal, than: Decimal) -> bool:
    """Is `price` worse for one who trades on `side`?"""
    return price > than if side is Side.BUY else price < than


def visible(order: Order) -> Decimal:
    """What the book shows of an order."""
    return order.shown if order.iceberg_quantity else order.leaves_quantity


def plan_level(matches: list[Match], price: Decimal, market: Decimal, orders: list[Order], leaves: Decimal) -> Decimal:
    """Add the matches at one price; return what the taker has left."""
    taken = ZERO
    for order in orders:
        part = min(order.ahead - taken, leaves)
        if part > 0:
            matches.append(Match(None, price, part))
            taken += part
            leaves -= part
        part = min(visible(order), leaves)
        if part > 0:
            matches.append(Match(order, price, part))
            leaves -= part
        if leaves <= 0:
            return leaves
    part = min(market - taken, leaves)
    if part > 0:
        matches.append(Match(None, price, part))
        leaves -= part
    return _plan_hidden(matches, price, orders, leaves)


def _plan_hidden(matches: list[Match], price: Decimal, orders: list[Order], leaves: Decimal) -> Decimal:
    """Add the matches with what icebergs show only after all else at the price has traded, part by part in turn."""
    hidden = [(order, order.leaves_quantity - order.shown) for order in orders if order.iceberg_quantity]
    while leaves > 0 and hidden:
        order, quantity = hidden.pop(0)
        part = min(order.iceberg_quantity, quantity, leaves)
        if part > 0:
            matches.append(Match(order, price, part))
            leaves -= part
            hidden.append((order, quantity - part))
    return leaves
