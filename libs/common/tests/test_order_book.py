"""A reader's fold of a published book: whole or not to be used."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import DataQuality
from pitwire.common.order_book import OrderBook
from pitwire.common.schemas.market import BookLevel, BookUpdate

BTC = "BTC-USDT.sim"


def levels(**quantities: str) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(price=Decimal(p[1:]), quantity=Decimal(q)) for p, q in quantities.items())


def update(sequence: int, *, bids: Any = (), asks: Any = (), **changed: Any) -> BookUpdate:
    values: dict[str, Any] = {
        "instrument_id": BTC, "epoch": "a", "sequence": sequence, "ts_event_ns": sequence, "ts_recv_ns": sequence,
        "snapshot": False, "first_update_id": sequence, "last_update_id": sequence, "bids": bids, "asks": asks,
    }  # fmt: skip
    return BookUpdate(**(values | changed))


def whole(sequence: int, **changed: Any) -> BookUpdate:
    return update(sequence, bids=levels(p99="1", p98="2"), asks=levels(p101="3"), snapshot=True, **changed)


def synced() -> OrderBook:
    book = OrderBook(BTC)
    assert book.on_update(whole(5))
    return book


def test_a_book_is_not_used_before_a_snapshot_and_is_from_then_on() -> None:
    book = OrderBook(BTC)
    assert not book.on_update(update(4, bids=levels(p97="1")))
    assert (book.best_bid, book.mid_price, book.quality) == (None, None, DataQuality.GAP)
    assert book.on_update(whole(5))
    assert book.on_update(update(6, bids=levels(p99="0", p100="4")))
    assert book.best_bid == BookLevel(price=Decimal(100), quantity=Decimal(4))
    assert book.bids(5) == list(levels(p100="4", p98="2"))
    assert book.asks(5) == [book.best_ask]
    assert (book.mid_price, book.sequence, book.ts_event_ns) == (Decimal("100.5"), 6, 6)


def test_what_a_book_answers_of_its_best_prices() -> None:
    book = synced()
    assert (book.mid_price, book.spread, book.spread_percent) == (Decimal(100), Decimal(2), Decimal(2))
    empty = OrderBook(BTC)
    assert (empty.best_bid, empty.best_ask, empty.mid_price, empty.spread, empty.spread_percent) == (None,) * 5


@pytest.mark.parametrize(
    ("lost", "quality"),
    [
        (update(7, bids=levels(p97="1")), DataQuality.GAP),
        (update(6, quality=DataQuality.GAP), DataQuality.GAP),
        (update(6, quality=DataQuality.STALE), DataQuality.STALE),
        (update(6, bids=(BookLevel(price=Decimal("97.55"), quantity=Decimal(1)),)), DataQuality.GAP),
    ],
)
def test_a_message_missed_or_a_word_of_loss_ends_its_use_until_the_next_snapshot(
    lost: BookUpdate, quality: DataQuality
) -> None:
    book = synced()
    assert not book.on_update(lost)
    assert book.quality is quality
    assert not book.on_update(update(lost.sequence + 1, bids=levels(p96="1")))
    assert book.on_update(whole(lost.sequence + 2))


def test_a_doubtful_update_is_applied_and_not_shown_and_the_next_good_one_is() -> None:
    book = synced()
    assert not book.on_update(update(6, bids=levels(p100="1"), quality=DataQuality.SUSPECT))
    assert book.on_update(update(7, asks=levels(p102="1")))
    assert book.best_bid == BookLevel(price=Decimal(100), quantity=Decimal(1))


def test_repeated_updates_and_those_of_another_publisher_change_nothing() -> None:
    book = synced()
    for ignored in (update(5, bids=levels(p100="1")), update(6, bids=levels(p100="1"), epoch="b")):
        assert not book.on_update(ignored)
    assert book.on_update(update(6, bids=levels(p97="1")))


def test_a_snapshot_of_another_publisher_is_followed_from_then_on() -> None:
    book = synced()
    assert book.on_update(whole(90, epoch="b"))
    assert not book.on_update(update(6, bids=levels(p100="1")))
    assert book.on_update(update(91, epoch="b", bids=levels(p97="1")))
