"""The book as text against the same book as numbers."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.common import books
from pitwire.common.books import Book, BookFault, Ladder

CENTS = st.integers(1, 130_000)
"""From 0.01 to 1300.00: prices of three lengths, so that order by text alone would be wrong."""

LEVEL = st.tuples(CENTS, st.sampled_from(["0", "0.000", "0.001", "5", "12.50"]))
UPDATES = st.lists(st.lists(LEVEL, max_size=40), max_size=12)


def text(cents: int) -> str:
    return f"{cents / 100:.2f}"


def numbers(levels: list[tuple[str, str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in levels]


@given(is_bid=st.booleans(), snapshot=st.lists(LEVEL, max_size=60), updates=UPDATES)
@settings(max_examples=150, deadline=None)
def test_a_side_equals_a_dictionary_of_numbers_after_every_update(
    is_bid: bool, snapshot: list[tuple[int, str]], updates: list[list[tuple[int, str]]]
) -> None:
    ladder, truth = Ladder(is_bid=is_bid), dict[Decimal, Decimal]()
    for at, levels in enumerate([snapshot, *updates]):
        pairs = [(text(cents), quantity) for cents, quantity in dict(levels).items()]
        (ladder.apply if at else ladder.replace)(pairs)
        truth |= dict(numbers(pairs))
        truth = {price: quantity for price, quantity in truth.items() if quantity}
        wanted = sorted(truth.items(), reverse=is_bid)
        assert numbers(ladder.top(len(truth))) == wanted
        assert numbers(ladder.top(3)) == wanted[:3]
        assert (Decimal(ladder.best) if ladder.best else None) == (wanted[0][0] if wanted else None)


def test_a_side_that_is_swept_level_by_level_keeps_its_best() -> None:
    levels = [(text(cents), "1") for cents in range(99_900, 100_200)]
    asks, bids = Ladder(is_bid=False), Ladder(is_bid=True)
    asks.replace(levels)
    bids.replace(levels)
    for price, _ in levels[:-1]:
        asks.apply([(price, "0.00")])
        assert asks.best == text(round(float(price) * 100) + 1)
    for price, _ in reversed(levels[1:]):
        bids.apply([(price, "0.00")])
        assert bids.best == text(round(float(price) * 100) - 1)


@pytest.mark.parametrize("is_bid", [True, False])
def test_a_side_that_was_emptied_takes_prices_as_a_new_one_does(is_bid: bool) -> None:
    side = Ladder(is_bid=is_bid)
    side.apply([("10.50", "1")])
    side.replace([])
    side.apply([("11.5", "1"), ("11.4", "2")])
    assert side.best == ("11.5" if is_bid else "11.4")
    side.apply([("11.5", "0"), ("11.4", "0")])
    side.apply([("9.25", "3")])
    assert side.top(2) == [("9.25", "3")]


def test_prices_with_other_decimals_or_of_zero_are_refused() -> None:
    book = Book()
    with pytest.raises(BookFault, match="differ in decimals"):
        book.replace([("10.00", "1"), ("10.0", "1")], [])
    book.replace([("10.00", "1")], [("11.00", "1")])
    with pytest.raises(BookFault, match="other decimals"):
        book.apply([("100.0", "1")], [])
    with pytest.raises(BookFault, match="zero"):
        book.apply([], [("0.00", "1")])
    with pytest.raises(BookFault, match="zero"):
        book.replace([], [("0.00", "1")])
    book.replace([("1.00", "1")], [("2.00", "1")])
    for quantity, price, why in ((".5", "1.00", "no plain decimal"), ("1", "0.00", "zero"), ("1", "12.0", "decimals")):
        with pytest.raises(BookFault, match=why):
            book.apply([(price, quantity)], [])


@pytest.mark.parametrize(
    ("bid", "ask", "crossed"),
    [("9.99", "10.00", False), ("10.00", "10.00", True), ("10.00", "9.99", True), ("100.00", "99.00", True)],
)
def test_a_book_whose_sides_meet_is_crossed(bid: str, ask: str, crossed: bool) -> None:
    book = Book()
    assert not book.is_crossed
    book.replace([(bid, "1")], [(ask, "1")])
    assert book.is_crossed is crossed


def test_a_side_keeps_no_more_than_its_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "SLACK", 5)
    ladder = Ladder(is_bid=True, levels_max=10)
    ladder.replace([("500.00", "1")])
    for cents in range(40_000, 40_050):
        ladder.apply([(text(cents), "2")])
        assert len(ladder) <= 15
    assert ladder.top(2) == [("500.00", "1"), ("400.49", "2")]
    ladder.cut(1)
    assert ladder.top(5) == [("500.00", "1")]
    assert ladder.quantity("400.49") is None
