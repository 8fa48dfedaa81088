"""Who is decided next: strategies take turns, and the cursor never passes one that waits."""

from __future__ import annotations

import asyncio

import pytest

from pitwire.risk_gate.core import IntentInput
from pitwire.risk_gate.handlers import intent_queue
from pitwire.risk_gate.handlers.intent_queue import IntentQueue


def queue_of(text: str) -> IntentQueue:
    """`aab`: sequence 1 and 2 of strategy a, 3 of strategy b."""
    queue = IntentQueue()
    queue.put(IntentInput(sequence, strategy, None) for sequence, strategy in enumerate(text, start=1))
    return queue


def decide(queue: IntentQueue, most: int) -> tuple[str, int]:
    """Which strategies are decided, and the cursor of that record."""
    batch = queue.next(lambda _: False, most)
    cursor = queue.cursor_after(batch)
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
    assert queue.cursor_after(batch) == 4


def test_what_was_offered_and_not_written_is_offered_again() -> None:
    queue = queue_of("ab")
    assert queue.next(lambda _: False, 20) == queue.next(lambda _: False, 20)


async def test_a_reader_waits_while_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intent_queue, "INTENTS_WAITING_MAX", 3)
    queue = queue_of("aaaa")
    waiting = asyncio.create_task(queue.has_room())
    await asyncio.sleep(0)
    assert not waiting.done()
    decide(queue, 2)
    await asyncio.wait_for(waiting, 1)
