"""Faults on demand: what the control port may make the venue do wrong, so that its clients can be tested."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

COUNT_MAX = 10_000
MS_MAX = 600_000


class FaultError(Exception):
    """A wish for a fault that cannot be granted; the text says why."""


class AnswerFault(StrEnum):
    """What happens to the answer of a trading request; the request itself is carried out."""

    LOSE = "lose_answer"
    UNKNOWN = "unknown_answer"
    DELAY = "delay_answer"


class PlannedAnswer(NamedTuple):
    """The fault of one answer to come."""

    fault: AnswerFault
    delay_ms: int


@dataclass(slots=True)
class Faults:
    """Faults that wait for their occasion. None is there unless the control port asked for it."""

    answers: deque[PlannedAnswer] = field(default_factory=deque[PlannedAnswer])
    duplicate_events: int = 0
    depth_gaps: int = 0
    skew_ms: int = 0

    def arm(self, wish: dict[str, object]) -> None:
        """Take one wish of the control port: an answer fault, duplicate_events, depth_gap or skew.

        Raises:
            FaultError: an unknown kind or a number out of range; nothing is armed then.
        """
        kind = wish.get("kind")
        if kind in set(AnswerFault):
            fault = AnswerFault(str(kind))
            delay_ms = number(wish, "ms", largest=MS_MAX) if fault is AnswerFault.DELAY else 0
            count = number(wish, "count", largest=COUNT_MAX, default=1)
            if len(self.answers) + count > COUNT_MAX:
                raise FaultError(f"more than {COUNT_MAX} answer faults would wait")
            self.answers.extend([PlannedAnswer(fault, delay_ms)] * count)
        elif kind == "duplicate_events":
            self.duplicate_events = number(wish, "count", largest=COUNT_MAX, default=1)
        elif kind == "depth_gap":
            self.depth_gaps = number(wish, "count", largest=COUNT_MAX, default=1)
        elif kind == "skew":
            self.skew_ms = number(wish, "ms", largest=MS_MAX, smallest=-MS_MAX)
        else:
            raise FaultError(f"unknown kind {kind!r}")

    def next_answer(self) -> PlannedAnswer | None:
        """The fault of the next trading answer, used up by asking."""
        return self.answers.popleft() if self.answers else None

    def duplicates(self) -> bool:
        """Is the next user event to be sent twice? Used up by asking."""
        if self.duplicate_events:
            self.duplicate_events -= 1
            return True
        return False

    def gaps(self) -> bool:
        """Is the next depth update to be left out? Used up by asking."""
        if self.depth_gaps:
            self.depth_gaps -= 1
            return True
        return False


def number(wish: dict[str, object], name: str, *, largest: int, smallest: int = 0, default: int | None = None) -> int:
    """A whole number of a wish.

    Raises:
        FaultError: missing, not whole, or out of range.
    """
    value = wish.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise FaultError(f"{name} has to be a whole number from {smallest} to {largest}, not {value!r}")
    return value
