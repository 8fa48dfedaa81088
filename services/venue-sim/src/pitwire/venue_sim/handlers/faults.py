"""Faults that wait for their occasion: what the control port may make the venue do wrong, so that clients are tested.

Each is armed for a number of occasions, or by chance for every occasion: a share in thousandths, drawn from a seed, so
that the same requests meet the same faults again.
"""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.generated import draw

COUNT_MAX = 10_000
MS_MAX = 600_000
THOUSAND = 1000
SEED_MAX = 2**63


class FaultError(Exception):
    """A wish for a fault that cannot be granted; the text says why."""


class AnswerFault(StrEnum):
    """What happens to the answer of a trading request."""

    LOSE = "lose_answer"
    UNKNOWN = "unknown_answer"
    DELAY = "delay_answer"


class EventFault(StrEnum):
    """What happens to a batch of user events, or to a depth update."""

    DUPLICATE = "duplicate_events"
    LATE = "late_events"
    REORDER = "reorder_events"
    GAP = "depth_gap"


_TIMEOUT = "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
STATUSES = {
    500: (-1000, "An unknown error occurred while processing the request."),
    502: (-1001, "Internal error; unable to process your request. Please try again."),
    503: (-1006, "An unexpected response was received from the message bus. Execution status unknown."),
    504: (-1007, _TIMEOUT),
}
"""What an unknown answer says, by its HTTP status."""


class PlannedAnswer(NamedTuple):
    """The fault of one answer to come; the request is carried out unless it is not `executed`."""

    fault: AnswerFault
    delay_ms: int = 0
    status: int = 504
    executed: bool = True

    def unknown(self) -> VenueError:
        """What hides the true outcome."""
        code, msg = STATUSES[self.status]
        return VenueError(code, msg, status=self.status)


class _Chance(NamedTuple):
    per_mille: int
    seed: int
    ms: int
    planned: PlannedAnswer | None


@dataclass(slots=True)
class Faults:
    """Faults that wait for their occasion. None is there unless the control port asked for it."""

    answers: deque[PlannedAnswer] = field(default_factory=deque[PlannedAnswer])
    armed: dict[EventFault, int] = field(default_factory=dict[EventFault, int])
    late_ms: int = 0
    skew_ms: int = 0
    closed_until_ms: int = 0
    """Maintenance: until then (wall time) nobody is served."""
    _chances: dict[AnswerFault | EventFault, _Chance] = field(default_factory=dict[AnswerFault | EventFault, _Chance])
    _occasions: dict[AnswerFault | EventFault, int] = field(default_factory=dict[AnswerFault | EventFault, int])

    def arm(self, wish: dict[str, object]) -> None:
        """Take one wish of the control port: a fault of answers, of events, or skew.

        Raises:
            FaultError: an unknown kind or a number out of range; nothing is armed then.
        """
        kind = wish.get("kind")
        if kind in set(AnswerFault):
            self._arm_answers(AnswerFault(str(kind)), wish)
        elif kind in set(EventFault):
            self._arm_events(EventFault(str(kind)), wish)
        elif kind == "skew":
            self.skew_ms = number(wish, "ms", largest=MS_MAX, smallest=-MS_MAX)
        elif kind == "calm":
            self.answers.clear()
            self.armed.clear()
            self._chances.clear()
            self._occasions.clear()
        else:
            raise FaultError(f"unknown kind {kind!r}")

    def _arm_answers(self, fault: AnswerFault, wish: dict[str, object]) -> None:
        delay_ms = number(wish, "ms", largest=MS_MAX) if fault is AnswerFault.DELAY else 0
        status, executed = number(wish, "status", largest=504, default=504), wish.get("executed", True)
        if status not in STATUSES:
            raise FaultError(f"status has to be one of {', '.join(map(str, STATUSES))}, not {status}")
        if not isinstance(executed, bool):
            raise FaultError(f"executed has to be true or false, not {executed!r}")
        planned = PlannedAnswer(fault, delay_ms, status, executed)
        if self._take_chance(fault, wish, delay_ms, planned):
            return
        count = number(wish, "count", largest=COUNT_MAX, default=1)
        if len(self.answers) + count > COUNT_MAX:
            raise FaultError(f"more than {COUNT_MAX} answer faults would wait")
        self.answers.extend([planned] * count)

    def _arm_events(self, fault: EventFault, wish: dict[str, object]) -> None:
        late_ms = number(wish, "ms", largest=MS_MAX) if fault is EventFault.LATE else self.late_ms
        if not self._take_chance(fault, wish, late_ms, None):
            self.armed[fault] = number(wish, "count", largest=COUNT_MAX, default=1)
        self.late_ms = late_ms

    def _take_chance(
        self, fault: AnswerFault | EventFault, wish: dict[str, object], ms: int, planned: PlannedAnswer | None
    ) -> bool:
        if "per_mille" not in wish:
            return False
        per_mille = number(wish, "per_mille", largest=THOUSAND)
        seed = number(wish, "seed", largest=SEED_MAX, default=0)
        self._chances[fault] = _Chance(per_mille, seed, ms, planned)
        self._occasions[fault] = 0
        return True

    def next_answer(self) -> PlannedAnswer | None:
        """The fault of the next trading answer, used up by asking."""
        if self.answers:
            return self.answers.popleft()
        if not self._chances:
            return None
        for fault in AnswerFault:
            if self._by_chance(fault):
                return self._chances[fault].planned
        return None

    def disturb(self, payloads: list[bytes]) -> list[tuple[bytes, int]]:
        """What is sent of a batch of user events: each with how many milliseconds later than now."""
        if self._happens(EventFault.REORDER):
            payloads.reverse()
        if self._happens(EventFault.DUPLICATE):
            payloads = [payload for payload in payloads for _ in range(2)]
        late_ms = self.late_ms if self._happens(EventFault.LATE) else 0
        return [(payload, late_ms) for payload in payloads]

    def gaps(self) -> bool:
        """Is the next depth update to be left out? Used up by asking."""
        return self._happens(EventFault.GAP)

    def _happens(self, fault: EventFault) -> bool:
        left = self.armed.get(fault, 0)
        if left:
            self.armed[fault] = left - 1
            return True
        return self._by_chance(fault)

    def _by_chance(self, fault: AnswerFault | EventFault) -> bool:
        chance = self._chances.get(fault)
        if chance is None:
            return False
        self._occasions[fault] += 1
        return draw(chance.seed, 0, self._occasions[fault]) * THOUSAND < chance.per_mille


def number(wish: dict[str, object], name: str, *, largest: int, smallest: int = 0, default: int | None = None) -> int:
    """A whole number of a wish.

    Raises:
        FaultError: missing, not whole, or out of range.
    """
    value = wish.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not smallest <= value <= largest:
        raise FaultError(f"{name} has to be a whole number from {smallest} to {largest}, not {value!r}")
    return value


def word(wish: dict[str, object], name: str) -> str:
    """A text of a wish.

    Raises:
        FaultError: missing, or no text.
    """
    value = wish.get(name)
    if not isinstance(value, str) or not value:
        raise FaultError(f"{name} has to be a text, not {value!r}")
    return value
