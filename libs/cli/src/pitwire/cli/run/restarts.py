"""When a service that died is started again: at once at first, then later and later, and not for ever. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pitwire.common.clock import NS_PER_MS, NS_PER_S

FIRST_WAIT_MS: Final = 100
WAIT_MAX_MS: Final = 5_000
WAIT_GROWTH: Final = 2
STEADY_AFTER_S: Final = 10
"""A service that lived this long had recovered: its next death counts as the first."""

DEATHS_IN_A_ROW_MAX: Final = 8
USAGE_EXIT_CODE: Final = 2
FINAL_EXIT_CODES: Final = {
    USAGE_EXIT_CODE: "it refuses its configuration",
    3: "its journal is not the one whose rows are stored",
}
"""What a service says with these exit codes; starting it again would change nothing."""


@dataclass(frozen=True, slots=True)
class StartAgain:
    """Start it again after `wait_ms`."""

    wait_ms: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The whole run stops; a person must look."""

    reason: str


class Restarts:
    """The history of one service's deaths."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._started_ns = 0
        self.total = 0

    def on_started(self, *, now_ns: int) -> None:
        self._started_ns = now_ns

    def on_died(self, *, exit_code: int, now_ns: int) -> StartAgain | GiveUp:
        """What to do about a death. `exit_code` is negative for a signal; `now_ns` is a monotonic reading."""
        self.total += 1
        if reason := FINAL_EXIT_CODES.get(exit_code):
            return GiveUp(reason)
        if now_ns - self._started_ns >= STEADY_AFTER_S * NS_PER_S:
            self._in_a_row = 0
        self._in_a_row += 1
        if self._in_a_row > DEATHS_IN_A_ROW_MAX:
            return GiveUp(f"it died {self._in_a_row} times in a row")
        return StartAgain(min(FIRST_WAIT_MS * WAIT_GROWTH ** (self._in_a_row - 1), WAIT_MAX_MS))


def wait_s(again: StartAgain) -> float:
    """The wait in seconds."""
    return again.wait_ms * NS_PER_MS / NS_PER_S
