"""Numbers without a gap, whoever else uses them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pitwire.common.enums import DenialCode, Side
from pitwire.common.schemas.ledger import Denied
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing.journal import BTC, START_NS, STRATEGY, approved, order_intent
from pitwire.strategy.core.intents import EXPIRED_GRACE_NS, UNDECIDED_MAX, Answered, IntentBook


def make(book: IntentBook, quantity: str = "1", **changed: Any) -> OrderIntent:
    intent = order_intent(book.next_no(), Side.BUY, quantity, **changed)
    book.add(intent)
    return intent


def denied(intent: OrderIntent) -> Denied:
    return Denied(strategy=STRATEGY, intent_no=intent.intent_no, code=DenialCode.DUPLICATE, intent=intent)


def test_numbers_count_up_from_the_ledgers_last_answer() -> None:
    book = IntentBook()
    book.start_after(41)
    assert [make(book).intent_no for _ in range(3)] == [42, 43, 44]


def test_an_answer_takes_the_intent_from_the_undecided_ones() -> None:
    book = IntentBook()
    first, second = make(book), make(book)
    assert book.on_verdict(approved(first, worst_price="100")) == Answered(first)
    assert book.on_verdict(denied(second)) == Answered(second)
    assert book.undecided == ()
    assert book.next_no() == 3


def test_an_answer_to_another_intent_of_the_same_number_gives_the_own_ones_back() -> None:
    """A process before this one took the number: the gate drops the own intent as a repetition."""
    book = IntentBook()
    mine, after = make(book), make(book)
    other = order_intent(1, Side.SELL, "3")
    assert book.on_verdict(approved(other, worst_price="100")) == Answered(None, (mine,))
    assert book.undecided == (after,)
    assert book.on_verdict(denied(order_intent(7, Side.SELL, "3"))) == Answered(None, (after,))
    assert book.next_no() == 8


def test_an_unreadable_intent_of_somebody_changes_no_number() -> None:
    book = IntentBook()
    mine = make(book)
    answered = book.on_verdict(Denied(strategy=STRATEGY, intent_no=0, code=DenialCode.MALFORMED))
    assert answered == Answered(None)
    assert book.undecided == (mine,)


def test_undecided_orders_count_as_working_until_they_expired_for_good() -> None:
    book = IntentBook()
    intent = make(book, "1.5")
    make(book, "0.5")
    assert book.open_quantity(BTC, Side.BUY) == 2
    assert book.open_quantity(BTC, Side.SELL) == 0
    too_early = intent.valid_until_ns + EXPIRED_GRACE_NS - 1
    assert book.expire(too_early) == ()
    assert len(book.expire(too_early + 1)) == 2
    assert book.open_quantity(BTC, Side.BUY) == Decimal(0)


def test_the_number_of_an_expired_intent_is_used_again() -> None:
    book = IntentBook()
    book.start_after(5)
    make(book)
    book.expire(START_NS * 2)
    assert book.next_no() == 6


def test_there_is_an_end_to_how_many_wait() -> None:
    book = IntentBook()
    for _ in range(UNDECIDED_MAX):
        assert not book.is_full
        make(book)
    assert book.is_full


@given(st.lists(st.sampled_from(["make", "answer", "deny", "foreign", "expire"]), max_size=60))
def test_whatever_happens_the_next_number_is_the_first_that_nobody_has(steps: list[str]) -> None:
    book, ledger = IntentBook(), 0
    now = START_NS
    for step in steps:
        waiting = book.undecided
        if step == "make" and not book.is_full:
            now += 1_000_000_000
            book.add(order_intent(book.next_no(), Side.BUY, "1", valid_until_ns=now + 2_000_000_000))
        elif step == "expire":
            now += 2_000_000_000
            book.expire(now)
        elif step == "foreign":
            ledger += 1
            book.on_verdict(approved(order_intent(ledger, Side.SELL, "9"), worst_price="1"))
        elif waiting and step in {"answer", "deny"} and waiting[0].intent_no == ledger + 1:
            ledger += 1
            first = waiting[0]
            assert isinstance(first, OrderIntent)
            book.on_verdict(approved(first, worst_price="1") if step == "answer" else denied(first))
        numbers = [intent.intent_no for intent in book.undecided]
        assert numbers == sorted(set(numbers))
        assert all(number > ledger for number in numbers)
        assert book.next_no() == max([ledger, *numbers]) + 1
