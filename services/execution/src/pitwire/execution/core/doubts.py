"""When silence becomes proof: an order that the venue may or may not have taken.

Nothing is concluded from one absence. Only after the venue can no longer take the request (its receive window is over)
do absences count, and only `ABSENCES_MIN` of them, each on two endpoints, with time between, prove that it has no such
order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

SECOND_NS: Final = 1_000_000_000
ABSENCES_MIN: Final = 3
CHECK_SPACING_NS: Final = SECOND_NS
PLACEMENT_MARGIN_NS: Final = SECOND_NS
"""After the end of the receive window: the venue checks it again before matching, and clocks differ a little."""

ESCALATE_AFTER_NS: Final = 30 * SECOND_NS
"""An order in doubt for longer is a person's business too."""


@dataclass(slots=True)
class Doubt:
    """What is known about one order in doubt; times are wall clock."""

    since_ns: int
    valid_until_ns: int
    absences: int = 0
    next_check_ns: int = 0
    escalated: bool = False

    def absent(self, started_ns: int) -> bool:
        """The venue did not know the order in a check begun at `started_ns`. True: it is proven that it never will."""
        self.next_check_ns = started_ns + CHECK_SPACING_NS
        counts_from_ns = self.valid_until_ns + PLACEMENT_MARGIN_NS
        if started_ns < counts_from_ns:
            self.next_check_ns = min(max(self.next_check_ns, started_ns), counts_from_ns)
            return False
        self.absences += 1
        return self.absences >= ABSENCES_MIN

    def present(self) -> None:
        """The venue knows the order after all: earlier absences prove nothing."""
        self.absences = 0

    def escalates(self, now_ns: int) -> bool:
        """True once, when it lasts too long."""
        if self.escalated or now_ns - self.since_ns < ESCALATE_AFTER_NS:
            return False
        self.escalated = True
        return True
