"""A published order book, folded by its reader: whole or not to be used."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from pitwire.common.books import Book, BookFault, Ladder
from pitwire.common.enums import DataQuality
from pitwire.common.money import HUNDRED, difference, product, ratio
from pitwire.common.schemas.market import TWO, BookLevel, BookUpdate


class OrderBook:
    """What `BookUpdate` messages of one instrument add up to.

    It is OK only from a snapshot on, while every message after it came and none was flagged. A message that is lost,
    or that says the book is, takes it out of use until the next snapshot; publishers repeat one every few seconds.
    """

    def __init__(self, instrument_id: str) -> None:
        self.instrument_id: Final = instrument_id
        self.epoch = ""
        self.sequence = 0
        self.ts_event_ns = 0
        self.ts_recv_ns = 0
        self.quality = DataQuality.GAP
        self._book = Book()
        self._in_sequence = False

    def on_update(self, update: BookUpdate) -> bool:
        """True when the book changed and may be used. Another publisher counts for itself: its diffs are not ours."""
        if not update.snapshot:
            if update.epoch != self.epoch or update.sequence <= self.sequence or not self._in_sequence:
                return False
            missed = update.sequence != self.sequence + 1
            said_lost = update.quality is not DataQuality.OK and not update.bids and not update.asks
            if missed or said_lost:
                return self._lost(update.quality if said_lost else DataQuality.GAP)
        self.epoch, self.sequence = update.epoch, update.sequence
        self.ts_event_ns, self.ts_recv_ns = update.ts_event_ns, update.ts_recv_ns
        try:
            act = self._book.replace if update.snapshot else self._book.apply
            act(_texts(update.bids), _texts(update.asks))
        except BookFault:
            return self._lost(DataQuality.GAP)
        self._in_sequence, self.quality = True, update.quality
        return self.quality is DataQuality.OK

    @property
    def best_bid(self) -> BookLevel | None:
        """None while nobody buys."""
        return next(iter(self.bids(1)), None)

    @property
    def best_ask(self) -> BookLevel | None:
        """None while nobody sells."""
        return next(iter(self.asks(1)), None)

    @property
    def mid_price(self) -> Decimal | None:
        """Between the best prices; None while a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else (bid.price + ask.price) / TWO

    @property
    def spread(self) -> Decimal | None:
        """Best ask less best bid; None while a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return None if bid is None or ask is None else difference(ask.price, bid.price)

    @property
    def spread_percent(self) -> Decimal | None:
        """Of the mid price, at 34 digits."""
        spread, mid_price = self.spread, self.mid_price
        return None if spread is None or mid_price is None else ratio(product(spread, HUNDRED), mid_price)

    def bids(self, count: int) -> list[BookLevel]:
        """The highest ones first."""
        return _levels(self._book.bids, count)

    def asks(self, count: int) -> list[BookLevel]:
        """The lowest ones first."""
        return _levels(self._book.asks, count)

    def _lost(self, quality: DataQuality) -> bool:
        self._in_sequence, self.quality = False, quality
        return False


def _texts(levels: Iterable[BookLevel]) -> list[tuple[str, str]]:
    return [(format(level.price, "f"), format(level.quantity, "f")) for level in levels]


def _levels(side: Ladder, count: int) -> list[BookLevel]:
    return [BookLevel(price=Decimal(price), quantity=Decimal(quantity)) for price, quantity in side.top(count)]
