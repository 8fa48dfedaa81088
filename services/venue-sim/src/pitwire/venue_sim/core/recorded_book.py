"""A book whose market side follows a real one, with users' orders at the place in the queue that they would have.

What is in front of an order is the quantity displayed at its price when it joined. Trades at the price consume that
first, then the order. When a level shrinks without trades it is assumed that those behind the order have left, unless
the level is smaller than what should be in front: then that much is in front, no more. Quantity taken by users stays
taken until the market next changes the level.
"""

from decimal import Decimal

from pitwire.venue_sim.core.book import Book, Match, is_worse, plan_level
from pitwire.venue_sim.core.levels import Ladder
from pitwire.venue_sim.core.types import Order, Side
from pitwire.venue_sim.core.units import ZERO


class RecordedBook(Book):
    """The book of one symbol of a captured or live market."""

    def __init__(self) -> None:
        super().__init__()
        self._caps: dict[int, Decimal] = {}
        """The most that can stand in front of an order after the last depth update, by order."""
        self._capped_ms = -1

    def add(self, order: Order) -> None:  # type: ignore[explicit-override]  # typing.override needs 3.12
        """Put an order at the back of the queue at its limit price."""
        super().add(order)
        self._caps.pop(order.venue_order_id, None)

    def top_up(self) -> None:  # type: ignore[explicit-override]  # typing.override needs 3.12
        """The market's quotes that a user's order stands in the way of are gone, as if they had been taken."""
        for side in Side:
            users = self._users[side.opposite]
            while users and (best := self._market[side].best()) is not None:
                if is_worse(side.opposite, best, users[0][2].limit_price):
                    break
                self._market[side].put(best, ZERO)

    def replace(self, bids: Ladder, asks: Ladder, *, is_first: bool) -> None:
        """The market's quotes from a snapshot; nobody has more in front than stands there now.

        With the first one everybody stands behind what it shows: orders from before a restart.
        """
        self._market[Side.BUY].replace(bids)
        self._market[Side.SELL].replace(asks)
        for side in Side:
            for _, _, order in self._users[side]:
                standing = self._market[side].get(order.limit_price)
                order.ahead = standing if is_first else min(order.ahead, standing)
        self._caps.clear()

    def hide(self) -> None:
        """What the market quotes is not known."""
        for levels in self._market.values():
            levels.replace(())

    def put(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        """The market has this much at a price now."""
        self._market[side].put(price, quantity)

    def cap_queues(self, standing: dict[int, Decimal], event_ms: int) -> None:
        """After a depth update of a time: `standing` is what it shows at the price of each user's order.

        A trade of that time or before may still be printed. It consumed the queue before the update, so the cap counts
        from the next later trade, or the next update.
        """
        self._commit_caps()
        self._caps, self._capped_ms = standing, event_ms

    def users(self) -> list[Order]:
        """Every user's order in the book."""
        return [order for side in Side for _, _, order in self._users[side]]

    def _commit_caps(self) -> None:
        if not self._caps:
            return
        for order in self.users():
            cap = self._caps.get(order.venue_order_id)
            if cap is not None:
                order.ahead = min(order.ahead, cap)
        self._caps = {}

    def print_trade(self, maker_side: Side, price: Decimal, quantity: Decimal, traded_ms: int) -> list[Match]:
        """What a trade of the market does to users' orders on the side that was hit; it moves the queue at its price.

        It is for the caller to fill the matches. An order that joined later than the trade is not touched. One with a
        better price has been traded through and is filled whole: whoever sold there would have sold to it first.
        """
        if traded_ms > self._capped_ms:
            self._commit_caps()
        matches: list[Match] = []
        queue: list[Order] = []
        for _, _, order in self._users[maker_side]:
            if is_worse(maker_side.opposite, order.limit_price, price):
                break
            if order.working_ms > traded_ms:
                continue
            if order.limit_price == price:
                queue.append(order)
            else:
                matches.append(Match(order, order.limit_price, order.leaves_quantity))
        if queue:
            standing = max(self._market[maker_side].get(price), *(order.ahead for order in queue))
            at_price: list[Match] = []
            plan_level(at_price, price, standing, queue, quantity)
            consumed = sum((match.quantity for match in at_price if match.maker is None), ZERO)
            for order in queue:
                order.ahead = max(ZERO, order.ahead - consumed)
            matches += [match for match in at_price if match.maker is not None]
        return matches

    def cross(self) -> list[Match]:
        """What the market's quotes trade with users' orders that they cross, at the users' prices; these quotes go.

        It is for the caller to fill the matches.
        """
        return [match for side in Side if self._users[side.opposite] for match in self._cross_quotes(side)]

    def _cross_quotes(self, side: Side) -> list[Match]:
        levels = self._market[side]
        matches: list[Match] = []
        for _, _, maker in self._users[side.opposite]:
            left = maker.leaves_quantity
            while left > 0 and (best := levels.best()) is not None:
                if is_worse(side.opposite, best, maker.limit_price):
                    return matches
                part = min(left, levels.get(best))
                levels.put(best, levels.get(best) - part)
                matches.append(Match(maker, maker.limit_price, part))
                left -= part
        return matches
