"""Is the journal whole, does it have room, and do its rows follow? From samples of it and what persistence says."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pitwire.common.units import NS_PER_S

LAG_MAX_NS: Final = 300 * NS_PER_S
"""Rows that follow later than this: accounts only reduce."""

FULL_ALARM_PERCENT: Final = 70
FULL_REDUCING_PERCENT: Final = 85
LOST_SAMPLES_MIN: Final = 2
"""Stored rows beyond the end of the journal, seen so often in a row: records are gone, not only late."""

SAMPLES_MAX: Final = 1_000


class Trouble(StrEnum):
    """What a sample can bring to light."""

    LAGS = "PERSISTENCE_LAGS"
    FILLS = "JOURNAL_FILLS"
    FULL = "JOURNAL_FULL"
    LOST = "JOURNAL_LOST"
    COMMANDS_FILL = "COMMANDS_FILL"


@dataclass(frozen=True, slots=True)
class Found:
    """A trouble that began with this sample; it is told once, until it was over."""

    trouble: Trouble
    text: str
    shrank: bool = False
    """Of a loss: this watch has seen the journal reach further than it does now."""


class JournalWatch:
    """Pure. Times are monotonic; `sample` is called every few seconds."""

    def __init__(self) -> None:
        self._cursors: dict[str, int] = {}
        self._reached = 0
        self._ends: deque[tuple[int, int]] = deque(maxlen=SAMPLES_MAX)
        self._lost = 0
        self._holding: set[Trouble] = set()

    def hear(self, slot: str, cursor: int) -> None:
        """Persistence tells how far its rows go; 0 = it has not looked yet. Rows made anew go less far than before."""
        if cursor:
            self._cursors[slot] = cursor

    @property
    def stored(self) -> int:
        """The journal sequence up to which persistence has said that rows stand; 0 = it has said nothing."""
        return max(self._cursors.values(), default=0)

    def sample(
        self, now_ns: int, *, stored: int, last_sequence: int, full_percent: int, commands_percent: int
    ) -> tuple[Found, ...]:
        """What begins now: the journal ends at `last_sequence`; it and the stream of commands are so full.

        `stored` is what stood in `self.stored` before the journal was asked: rows of records that came since then are
        no sign of a loss.
        """
        self._ends.append((now_ns, last_sequence))
        while len(self._ends) > 1 and self._ends[0][1] <= stored:
            self._ends.popleft()
        waited_ns = now_ns - self._ends[0][0] if self._ends[0][1] > stored else 0
        self._lost = self._lost + 1 if stored > last_sequence else 0
        holds = {
            Trouble.LAGS: (waited_ns > LAG_MAX_NS, f"rows end at {stored}, {waited_ns // NS_PER_S} s behind"),
            Trouble.FILLS: (full_percent >= FULL_ALARM_PERCENT, f"the journal is {full_percent} % full"),
            Trouble.FULL: (full_percent >= FULL_REDUCING_PERCENT, f"the journal is {full_percent} % full"),
            Trouble.LOST: (
                self._lost >= LOST_SAMPLES_MIN,
                f"the journal ends at {last_sequence}, rows of {stored} are stored",
            ),
            Trouble.COMMANDS_FILL: (
                commands_percent >= FULL_ALARM_PERCENT,
                f"the stream of commands is {commands_percent} % full; without room no command is taken or answered",
            ),
        }
        shrank = last_sequence < self._reached
        found = tuple(
            Found(trouble, text, shrank=shrank and trouble is Trouble.LOST)
            for trouble, (is_so, text) in holds.items()
            if is_so and trouble not in self._holding
        )
        if not self._lost or Trouble.LOST in {each.trouble for each in found}:
            self._reached = last_sequence
        self._holding = {trouble for trouble, (is_so, _) in holds.items() if is_so}
        return found

    def is_whole(self) -> None:
        """Asked again, the journal reaches what is stored: a loss has to be seen from the beginning once more."""
        self._lost = 0
        self._holding.discard(Trouble.LOST)
