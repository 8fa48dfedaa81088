"""What is wrong with a message, and what that makes of it: the flag that travels, and counts by reason."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Final

from pitwire.common.enums import DataQuality
from pitwire.common.ids import symbol_of
from pitwire.common.units import NS_PER_MS, NS_PER_S


class Flag(StrEnum):
    """Why a message is not OK."""

    SKEWED = "SKEWED"
    OUTLIER = "OUTLIER"
    DIVERGED = "DIVERGED"
    CROSSED = "CROSSED"
    LATE = "LATE"
    GAP = "GAP"


QUALITY_OF: Final = {
    Flag.SKEWED: DataQuality.SUSPECT,
    Flag.OUTLIER: DataQuality.SUSPECT,
    Flag.DIVERGED: DataQuality.SUSPECT,
    Flag.CROSSED: DataQuality.CROSSED,
    Flag.LATE: DataQuality.STALE,
    Flag.GAP: DataQuality.GAP,
}

DIVERGENCE_MAX: Final = 0.05
"""A price this share away from the median of the other venues' mid prices is flagged, where nothing is configured."""

OFFSET_MAX_NS: Final = 500 * NS_PER_MS
"""The venue's clock this far from ours makes its data doubtful; nothing can be signed in time then either."""

DOUBT_AFTER_NS: Final = 1 * NS_PER_S
"""Flagged without a break for so long, an instrument is in doubt, where nothing is configured."""

PEER_AGE_MAX_NS: Final = 5 * NS_PER_S
"""A venue that said nothing for so long (wall clock) is no measure for others."""


class Seat:
    """One venue's place among those that trade a symbol."""

    __slots__ = ("_at_ns", "_seats", "mid_price")

    def __init__(self, seats: list[Seat]) -> None:
        self._seats = seats
        self.mid_price = 0.0
        self._at_ns: int | None = None

    def on_mid(self, mid_price: float, recv_ns: int, most: float = DIVERGENCE_MAX) -> bool:
        """Remembers it; False where it stands apart by more than the share `most`, as `agrees` says."""
        self.mid_price, self._at_ns = mid_price, recv_ns
        return len(self._seats) == 1 or self.agrees(mid_price, recv_ns, most)

    def agrees(self, price: float, recv_ns: int, most: float = DIVERGENCE_MAX) -> bool:
        """Whether it is near the others' mid prices; also where nobody else trades it just now."""
        if len(self._seats) == 1:
            return True
        others = [seat.mid_price for seat in self._seats if seat is not self and seat.is_fresh(recv_ns)]
        return not others or abs(price - median(others)) <= most * median(others)

    def is_fresh(self, now_ns: int) -> bool:
        """Whether its mid price is a measure for others."""
        return self._at_ns is not None and abs(now_ns - self._at_ns) <= PEER_AGE_MAX_NS


class Divergence:
    """The same symbol at several venues: one that stands apart from the others is not believed.

    Shared by the feeds of one process, where the venues' data meet. Of two venues that differ neither is believed.
    """

    def __init__(self) -> None:
        self._symbols: dict[str, list[Seat]] = {}
        self._seats: dict[str, Seat] = {}

    def seat(self, instrument_id: str) -> Seat:
        """The place of an instrument, among those of its symbol elsewhere."""
        if instrument_id not in self._seats:
            seats = self._symbols.setdefault(symbol_of(instrument_id), [])
            seats.append(Seat(seats))
            self._seats[instrument_id] = seats[-1]
        return self._seats[instrument_id]


@dataclass(slots=True)
class Doubt:
    """One kind of message of one instrument, flagged without a break from `since_ns` to `newest_ns` (wall clock)."""

    flag: Flag
    since_ns: int
    newest_ns: int


class Doubts:
    """What is flagged of one instrument, by kind of message: one that is not flagged ends the doubt of its kind."""

    def __init__(self, after_ns: int, forgotten_after_ns: int) -> None:
        self._after_ns = after_ns
        self._forgotten_after_ns = forgotten_after_ns
        self._kinds: dict[str, Doubt] = {}

    @property
    def is_clear(self) -> bool:
        """No kind is flagged just now."""
        return not self._kinds

    def see(self, kind: str, flag: Flag | None, recv_ns: int) -> None:
        """The judgement of one message."""
        if flag is None:
            self._kinds.pop(kind, None)
            return
        doubt = self._kinds.get(kind)
        if doubt is None:
            self._kinds[kind] = Doubt(flag, recv_ns, recv_ns)
        else:
            doubt.flag, doubt.newest_ns = flag, recv_ns

    def at(self, now_ns: int) -> Flag | None:
        """The newest flag of a kind that was flagged for long enough, and lately; None for no doubt."""
        for doubt in self._kinds.values():
            lately = now_ns - doubt.newest_ns <= self._forgotten_after_ns
            if lately and doubt.newest_ns - doubt.since_ns >= self._after_ns:
                return doubt.flag
        return None


class ClockOffset:
    """The venue's clock less ours, from one question and its answer."""

    def __init__(self, skew_max_ns: int) -> None:
        self._skew_max_ns = skew_max_ns
        self._offset_ns: int | None = None
        self.is_skewed = False

    def see(self, server_ns: int, asked_ns: int, answered_ns: int) -> None:
        """The answer was written somewhere between question and arrival: half of that is how wrong we may be."""
        self._offset_ns = server_ns - (asked_ns + answered_ns) // 2
        self.is_skewed = abs(self._offset_ns) - (answered_ns - asked_ns) // 2 > self._skew_max_ns

    @property
    def offset_ms(self) -> int | None:
        """None before the first answer."""
        return None if self._offset_ns is None else self._offset_ns // NS_PER_MS


class Delays:
    """Receive time less event time: how the venue's clock and the way to us stand against our clock."""

    def __init__(self, skew_max_ns: int | None, late_max_ns: int) -> None:
        self._skew_max_ns = skew_max_ns
        self._late_max_ns = late_max_ns
        self._least_ns: int | None = None

    def see(self, event_ns: int, recv_ns: int) -> Flag | None:
        """SKEWED: stamped later than it came; LATE: it was long under way. Nothing where clocks are not compared."""
        if self._skew_max_ns is None:
            return None
        delay_ns = recv_ns - event_ns
        if self._least_ns is None or delay_ns < self._least_ns:
            self._least_ns = delay_ns
        if delay_ns < -self._skew_max_ns:
            return Flag.SKEWED
        return Flag.LATE if delay_ns > self._late_max_ns else None

    def take_least_ns(self) -> int | None:
        """The smallest since the last call: below zero means that our clock is behind the venue's."""
        least, self._least_ns = self._least_ns, None
        return least
