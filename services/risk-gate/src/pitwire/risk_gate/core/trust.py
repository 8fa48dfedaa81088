"""Whether the market data of an instrument may be traded on: what the statuses of its venue's publishers say."""

from __future__ import annotations

from typing import Final

from pitwire.common.enums import VenueState
from pitwire.common.ids import venue_of
from pitwire.common.schemas.market import VenueStatus
from pitwire.common.units import NS_PER_S

STATUS_AGE_MAX_NS: Final = 5 * NS_PER_S
"""A publisher that said nothing for so long (monotonic clock) says nothing for its data; it speaks every second."""


class MarketTrust:
    """Nothing is trusted before its venue's status came.

    Of two publishers of one venue, one that is well is enough: each message carries its own flag, so what the other one
    makes is not used anyway.
    """

    def __init__(self) -> None:
        self._told: dict[str, dict[str, tuple[VenueStatus, int]]] = {}

    def on_status(self, status: VenueStatus, now_ns: int) -> None:
        """The newest word of one publisher; those of lives that ended are forgotten."""
        told = self._told.get(status.venue, {})
        live = {epoch: each for epoch, each in told.items() if now_ns - each[1] <= STATUS_AGE_MAX_NS}
        self._told[status.venue] = live | {status.epoch: (status, now_ns)}

    def doubt(self, instrument_id: str, now_ns: int) -> str:
        """Why only reductions may pass; empty where the data may be traded on."""
        venue, reason = venue_of(instrument_id), ""
        for status, heard_ns in self._told.get(venue, {}).values():
            if now_ns - heard_ns > STATUS_AGE_MAX_NS:
                continue
            reason = reason_against(status, instrument_id)
            if not reason:
                return ""
        return reason or f"no market-data tells the status of {venue}"


def reason_against(status: VenueStatus, instrument_id: str) -> str:
    """What one status says against one instrument of its venue; empty for nothing."""
    if status.state is not VenueState.CONNECTED:
        return f"feed of {status.venue} is {status.state}"
    if instrument_id in status.stale_instruments:
        return f"{instrument_id} is silent or not trading"
    if instrument_id in status.unsynced_books:
        return f"book of {instrument_id} is not in sequence"
    flag = status.doubted.get(instrument_id)
    return f"{instrument_id} is flagged {flag}" if flag else ""
