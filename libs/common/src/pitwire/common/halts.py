"""Which halts hold: anybody entitled adds one, only a resume that names it takes it away.

Everything doubtful halts more, never less: a halt that cannot be read halts all, one without a target too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from pitwire.common.enums import CancelPolicy, HaltScope, TradingState
from pitwire.common.ids import symbol_of
from pitwire.common.schemas.ledger import Halt, Resume

HALTS_MAX: Final = 1_000
"""Active halts told apart; one more is folded into a single HALT ALL named `OVERFLOW_ID`."""

OVERFLOW_ID: Final = "halts-overflow"
RESTORED: Final = "restored-"
RESTORED_BY: Final = "restore"
"""Whose halt it is: on this subject nobody else writes."""


def undecodable_halt(sequence: int, *, source: str = "unreadable", ts_ns: int = 0) -> Halt:
    """What a halt that no schema accepts means: HALT ALL. Its id names the journal sequence, so it can be resumed."""
    return Halt(
        halt_id=f"undecodable-{sequence}",
        scope=HaltScope.ALL,
        reason=f"halt at journal sequence {sequence} could not be read",
        source=source,
        ts_ns=ts_ns,
    )


def restored_halt(end: int, *, ts_ns: int) -> Halt:
    """What a journal ends with whose records up to `end` were put back: what came after them is not known."""
    return Halt(
        halt_id=f"{RESTORED}{end}",
        scope=HaltScope.ALL,
        reason=f"records up to {end} were put back from PostgreSQL; what came after them is lost",
        source=RESTORED_BY,
        ts_ns=ts_ns,
    )


def restored_end(halts: Iterable[Halt]) -> int:
    """The newest end to which the journal was restored, by these halts; 0 = it was not."""
    ends = (halt.halt_id.removeprefix(RESTORED) for halt in halts if halt.halt_id.startswith(RESTORED))
    return max((int(end) for end in ends if end.isdecimal()), default=0)


class Halts:
    """The fold of `oms.halt.*` and `oms.resume` in journal order."""

    __slots__ = ("_active",)

    def __init__(self) -> None:
        self._active: dict[str, Halt] = {}

    def add(self, halt: Halt) -> None:
        """A repeated id keeps the stricter state, so that nobody loosens a halt by writing it again."""
        known = self._active.get(halt.halt_id)
        if known is None and len(self._active) >= HALTS_MAX:
            halt = Halt(
                halt_id=OVERFLOW_ID,
                scope=HaltScope.ALL,
                reason=f"more than {HALTS_MAX} halts at once, first {halt.halt_id} of {halt.source}",
                source=halt.source,
                ts_ns=halt.ts_ns,
            )
        elif known is not None and (known.scope, known.target) != (halt.scope, halt.target):
            halt = halt.model_copy(update={"scope": HaltScope.ALL, "target": ""})
        if known is None or halt.state.severity >= known.state.severity:
            self._active[halt.halt_id] = halt

    def clear(self, resume: Resume) -> tuple[Halt, ...]:
        """The halts that this resume ended; an id that is not active (yet) is passed over."""
        found = (self._active.pop(halt_id, None) for halt_id in resume.cleared)
        return tuple(halt for halt in found if halt is not None)

    def state_for(
        self, account: str, strategy: str = "", venue: str = "", instrument_id: str = ""
    ) -> tuple[TradingState, tuple[str, ...]]:
        """The strictest state over all halts that cover this place, and the ids of those halts."""
        state, ids = TradingState.ACTIVE, []
        for halt in self._active.values():
            if covers(halt, account=account, strategy=strategy, venue=venue, instrument_id=instrument_id):
                ids.append(halt.halt_id)
                if halt.state.severity > state.severity:
                    state = halt.state
        return state, tuple(ids)

    @property
    def active(self) -> Mapping[str, Halt]:
        """By id, in the order in which they were added."""
        return MappingProxyType(self._active)

    def __len__(self) -> int:
        return len(self._active)

    def snapshot(self) -> list[dict[str, Any]]:
        return [halt.model_dump(mode="json") for halt in self._active.values()]

    @classmethod
    def restore(cls, rows: list[dict[str, Any]]) -> Halts:
        halts = cls()
        for row in rows:
            halt = Halt.model_validate(row)
            halts._active[halt.halt_id] = halt
        return halts


def covers(halt: Halt, *, account: str, strategy: str = "", venue: str = "", instrument_id: str = "") -> bool:
    """Whether an order of this account, strategy, venue and instrument is in the scope of the halt.

    STRATEGY targets are `account/strategy`, or a strategy in every account; INSTRUMENT targets are an instrument_id, or
    a symbol at every venue. An empty part of the question matches nothing but ALL.
    """
    target = halt.target
    if halt.scope is HaltScope.ALL or not target:
        return True
    if halt.scope is HaltScope.ACCOUNT:
        return target == account
    if halt.scope is HaltScope.VENUE:
        return target == venue
    if halt.scope is HaltScope.STRATEGY:
        return bool(strategy) and target in {strategy, f"{account}/{strategy}"}
    return bool(instrument_id) and target in {instrument_id, symbol_of(instrument_id)}


def is_cancelled_by(halt: Halt, *, is_protective: bool) -> bool:
    """Whether a working order in the halt's scope is to be cancelled."""
    if halt.cancel is CancelPolicy.NON_PROTECTIVE:
        return not is_protective
    return halt.cancel is CancelPolicy.ALL
