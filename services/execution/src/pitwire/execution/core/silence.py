"""The gate's heartbeat as a dead man's switch: silent for a while, nothing new; silent for longer, nothing left."""

from __future__ import annotations

from typing import Final

SECOND_NS: Final = 1_000_000_000
SILENT_AFTER_NS: Final = 3 * SECOND_NS
LOST_AFTER_NS: Final = 10 * SECOND_NS
GATES_MAX: Final = 64
"""Gate processes remembered at once; the one silent longest is forgotten first."""


class GateWatch:
    """When each gate process was heard last, by a clock that never jumps. A lost bus is a silent gate."""

    def __init__(self, started_ns: int) -> None:
        self._started_ns = started_ns
        self._heard: dict[str, int] = {}

    def heard(self, gate: str, now_ns: int) -> None:
        """`gate` is `<slot>.<instance>`, as it signs its leadership in the ledger."""
        self._heard.pop(gate, None)
        self._heard[gate] = now_ns
        if len(self._heard) > GATES_MAX:
            del self._heard[next(iter(self._heard))]

    def is_fresh(self, gate: str, now_ns: int) -> bool:
        """New orders may leave: the gate that leads the account was heard lately."""
        heard_ns = self._heard.get(gate)
        return heard_ns is not None and now_ns - heard_ns < SILENT_AFTER_NS

    def is_lost(self, gate: str, now_ns: int) -> bool:
        """Working orders are to be withdrawn. A gate never heard counts from our own start."""
        return now_ns - self._heard.get(gate, self._started_ns) >= LOST_AFTER_NS
