"""What is wrong with a message, and what that makes of it: the flag that travels, and counts by reason."""

from __future__ import annotations

from enum import StrEnum
from statistics import median
from typing import Final

from pitwire.common.enums import DataQuality
from pitwire.common.ids import symbol_of, venue_of
from pitwire.common.units import NS_PER_S


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
"""A mid price this share away from the median of the other venues is flagged."""

PEER_AGE_MAX_NS: Final = 5 * NS_PER_S
"""A venue that said nothing for so long (wall clock) is no measure for others."""


class Divergence:
    """The same symbol at several venues: one that stands apart from the others is not believed."""

    def __init__(self) -> None:
        self._mids: dict[str, dict[str, tuple[float, int]]] = {}

    def on_mid(self, instrument_id: str, mid_price: float, recv_ns: int) -> bool:
        """False where it stands apart; True also where nobody else trades it just now."""
        mids = self._mids.setdefault(symbol_of(instrument_id), {})
        venue = venue_of(instrument_id)
        mids[venue] = mid_price, recv_ns
        if len(mids) == 1:
            return True
        others = [
            mid for name, (mid, at_ns) in mids.items() if name != venue and abs(recv_ns - at_ns) <= PEER_AGE_MAX_NS
        ]
        return not others or abs(mid_price - median(others)) <= DIVERGENCE_MAX * median(others)


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
