"""The market's book from a snapshot and its updates, by Binance's procedure (WebSocket streams, local order book).

Updates wait for a snapshot; those that it contains are dropped, the first one applied spans its next id, and each one
after that begins where the one before ended. Anything else is a gap: the book is not known until the next snapshot.
Between two updates the top of book is that of the newest `bookTicker`.
"""

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from itertools import takewhile

from pitwire.venue_sim.core.frames import DepthUpdate, Snapshot, Top
from pitwire.venue_sim.core.levels import Levels
from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import ZERO

WAITING_MAX = 2000
"""Updates kept for a snapshot that is on its way (over three minutes of them); the oldest go first."""

Change = tuple[Side, Decimal, Decimal]
"""(side, price, new quantity)"""


class DepthFeed:
    """What the market quotes; `is_known` is false before a snapshot and after a gap."""

    def __init__(self) -> None:
        self.sides = {side: Levels(side) for side in Side}
        self.update_id = 0
        """The last update that the book contains, tops of book aside."""
        self.is_known = False
        self.gaps = 0
        self._waiting: deque[DepthUpdate] = deque(maxlen=WAITING_MAX)
        self._is_first = True
        self._top: Top | None = None

    @property
    def newest_id(self) -> int:
        """The newest update of which anything is known."""
        return max(self.update_id, self._top.update_id if self._top is not None else 0)

    def lose(self) -> None:
        """Something may have been missed: the book is not known until the next snapshot."""
        self.gaps += self.is_known
        self.is_known, self._is_first, self._top = False, True, None
        self._waiting.clear()
        self._replace((), ())

    def snapshot(self, snapshot: Snapshot) -> bool:
        """Begin with a snapshot and the updates that waited for it; is the book known now?

        A snapshot older than the first update that waits is of no use.
        """
        if self.is_known:
            return True
        waiting = [update for update in self._waiting if update.last_id > snapshot.update_id]
        if waiting and waiting[0].first_id > snapshot.update_id + 1:
            return False
        self._replace(snapshot.bids, snapshot.asks)
        self.update_id, self.is_known, self._is_first = snapshot.update_id, True, True
        self._waiting.clear()
        return all(self.update(each) is not None for each in waiting)

    def update(self, update: DepthUpdate) -> list[Change] | None:
        """Apply an update: what changed, nothing when the snapshot contains it; None where the book is not known."""
        if not self.is_known:
            self._waiting.append(update)
            return None
        if self._is_first and update.last_id <= self.update_id:
            return []
        expected = update.first_id <= self.update_id + 1 if self._is_first else update.first_id == self.update_id + 1
        if not expected:
            self.lose()
            self._waiting.append(update)
            return None
        self.update_id, self._is_first = update.last_id, False
        changes = [(Side.BUY, *level) for level in update.bids] + [(Side.SELL, *level) for level in update.asks]
        for side, price, quantity in changes:
            self.sides[side].put(price, quantity)
        return changes

    def _replace(self, bids: Iterable[tuple[Decimal, Decimal]], asks: Iterable[tuple[Decimal, Decimal]]) -> None:
        self.sides[Side.BUY].replace(bids)
        self.sides[Side.SELL].replace(asks)

    def overlay(self) -> list[Change]:
        """What the newest top of book says beyond the last update."""
        top = self._top
        if top is None or not self.is_known or top.update_id <= self.update_id:
            return []
        return [
            *self._overlay(Side.BUY, top.bid, top.bid_quantity),
            *self._overlay(Side.SELL, top.ask, top.ask_quantity),
        ]

    def top(self, top: Top) -> list[Change]:
        """Take a top of book; what it changes."""
        if self.is_known and top.update_id > self.newest_id:
            self._top = top
        return self.overlay() if self._top is top else []

    def is_ahead_at(self, side: Side, price: Decimal) -> bool:
        """Is the quantity at a price the newest top's, not the last update's?"""
        top = self._top
        if top is None or top.update_id <= self.update_id:
            return False
        return not _is_better(side, top.bid if side is Side.BUY else top.ask, price)

    def _overlay(self, side: Side, best: Decimal, quantity: Decimal) -> list[Change]:
        levels = self.sides[side]
        better = takewhile(lambda price: _is_better(side, price, best), (price for price, _ in levels.items()))
        changes = [(side, price, ZERO) for price in better]
        if levels.get(best) != quantity:
            changes.append((side, best, quantity))
        for _, price, new in changes:
            levels.put(price, new)
        return changes


def _is_better(side: Side, price: Decimal, than: Decimal) -> bool:
    return price > than if side is Side.BUY else price < than
