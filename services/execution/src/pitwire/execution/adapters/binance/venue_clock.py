"""The venue's clock as seen from here. It runs on our monotonic clock, so a step of the wall clock cannot skew it."""

from __future__ import annotations

from typing import Final

from pitwire.common.clock import NS_PER_MS, NS_PER_S

ERROR_MAX_MS: Final = 250
"""Half a round trip may not be longer: the time in between is not known better than that."""

AGE_MAX_NS: Final = 300 * NS_PER_S
DRIFT_PER_S: Final = 0.0001
"""Clocks of computers drift by some parts in ten thousand; an old good estimate gives way to a new fair one."""


class VenueClock:
    """Estimates the venue's time from answers to `time`; the best recent one counts."""

    def __init__(self) -> None:
        self._venue_ns = 0
        self._taken_ns = 0
        self._error_ns = -1
        self.is_doubted = False
        """The venue disagreed about the time: the next sample counts, however good the one before was."""

    def sample(self, *, sent_ns: int, received_ns: int, venue_ms: int) -> None:
        """One answer, made half way between the monotonic `sent_ns` and `received_ns`, give or take that half."""
        error_ns = (received_ns - sent_ns) // 2
        if error_ns > ERROR_MAX_MS * NS_PER_MS:
            return
        if self._error_ns < 0 or self.is_doubted or error_ns <= self._error_now_ns(received_ns):
            self.is_doubted = False
            self._venue_ns = venue_ms * NS_PER_MS
            self._taken_ns = sent_ns + error_ns
            self._error_ns = error_ns

    def is_known(self, now_ns: int) -> bool:
        """Well enough to sign with; `now_ns` is monotonic."""
        return self._error_ns >= 0 and now_ns - self._taken_ns < AGE_MAX_NS

    def now_ms(self, now_ns: int) -> int:
        """The venue's time at monotonic `now_ns`."""
        return (self._venue_ns + now_ns - self._taken_ns) // NS_PER_MS

    def _error_now_ns(self, now_ns: int) -> int:
        return self._error_ns + int((now_ns - self._taken_ns) * DRIFT_PER_S)
