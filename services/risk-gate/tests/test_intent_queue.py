"""Who is decided next: strategies take turns, and the cursor never passes one that waits."""

from __future__ import annotations

import asyncio

import pytest

from pitwire.common.testing.journal import order_intent
from pitwire.risk_gate.core import IntentInput
from pitwire.risk_gate.handlers import intent_queue
from pitwire.risk_gate.handlers.intent_queue import IntentQueue

READABLE = order_intent(1, "BUY", "1")


def queue_of(text: str, *, after: int = 0) -> IntentQueue:
    """`aaB`: sequence 1 and 2 of strategy a, 3 of strategy b, which cannot be read; what is beyond `after` of them."""
    queue = IntentQueue()
    queue.put(
        IntentInput(sequence, letter.lower(), READABLE if letter.islower() else None)
        for sequence, letter in enumerate(text, start=1)
        if sequence > after
    )
    return queue


def nothing(_: IntentInput) -> bool:
    """The ledger answers nothing yet."""
    return False


def decide(queue: IntentQueue, most: int) -> tuple[str, int]:
    """Which strategies are decided, and the cursor of that record."""
    batch = queue.next(nothing, most)
    cursor = queue.cursor_after(batch, nothing)
    queue.done(batch)
    return "".join(waiting.strategy for waiting in batch), cursor


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("", 2, [("", 0)]),
        ("aaa", 2, [("aa", 2), ("a", 3)]),
        ("aaaaab", 2, [("ab", 1), ("aa", 3), ("aa", 6)]),
        ("aaaaabc", 2, [("ab", 1), ("ca", 2), ("aa", 4), ("a", 7)]),
        ("abab", 4, [("abab", 4)]),
        ("aabb", 3, [("aba", 3), ("b", 4)]),
        ("baaaaaa", 20, [("baaaaaa", 7)]),
    ],
)
def test_strategies_take_turns_and_the_cursor_stops_before_what_waits(
    text: str, most: int, expected: list[tuple[str, int]]
) -> None:
    queue = queue_of(text)
    assert [decide(queue, most) for _ in expected] == expected


def test_behind_a_flood_the_next_strategy_is_in_the_next_record() -> None:
    queue = queue_of("a" * 12_000 + "b")
    names, cursor = decide(queue, 20)
    assert "b" in names
    assert cursor == 19


def test_what_the_ledger_answers_is_passed_over_wherever_it_stands() -> None:
    queue = queue_of("aabba")
    batch = queue.next(lambda waiting: waiting.sequence in {1, 5}, 20)
    assert [waiting.sequence for waiting in batch] == [2, 3, 4]
    assert queue.cursor_after(batch, nothing) == 4
    assert queue.cursor_after(batch, lambda waiting: waiting.sequence == 5) == 5


def test_what_was_offered_and_not_written_is_offered_again() -> None:
    queue = queue_of("ab")
    assert queue.next(nothing, 20) == queue.next(nothing, 20)


@pytest.mark.parametrize("text", ["AA", "aaaaaBB", "aaaaaBbB", "aAbBaaBA", "bbbAaBaC", "ABCabcABC"])
@pytest.mark.parametrize("most", [1, 2, 20])
def test_what_cannot_be_read_is_decided_once_wherever_a_restart_comes(text: str, most: int) -> None:
    """It has no number: after a restart, only a cursor beyond it says that it is decided."""
    decided: list[int] = []
    numbered: set[int] = set()
    cursor = 0

    def is_numbered(waiting: IntentInput) -> bool:
        return waiting.sequence in numbered

    while cursor < len(text):
        queue = queue_of(text, after=cursor)
        batch = queue.next(is_numbered, most)
        assert batch
        cursor = queue.cursor_after(batch, is_numbered)
        decided += [waiting.sequence for waiting in batch]
        numbered.update(waiting.sequence for waiting in batch if waiting.intent is not None)
    assert sorted(decided) == list(range(1, len(text) + 1))


def test_what_cannot_be_read_is_not_offered_again_behind_what_was_passed_over() -> None:
    queue = queue_of("aaA")
    batch = queue.next(lambda waiting: waiting.sequence == 2, 20)
    assert [waiting.sequence for waiting in batch] == [1, 3]
    queue.done(batch)
    assert not queue.next(lambda waiting: waiting.sequence == 2, 20)


async def test_a_reader_waits_while_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intent_queue, "INTENTS_WAITING_MAX", 3)
    queue = queue_of("aaaa")
    waiting = asyncio.create_task(queue.has_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    decide(queue, 2)
    await asyncio.wait_for(waiting, 1)
