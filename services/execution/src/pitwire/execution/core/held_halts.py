"""The halts that hold for one account: those that the journal gave, and those given beside it."""

from __future__ import annotations

from typing import Final

from pitwire.common.enums import TradingState
from pitwire.common.halts import Halts
from pitwire.common.schemas.ledger import Halt, Resume


class HeldHalts:
    """Two folds, of which the stricter counts. Only `journaled` belongs to a snapshot.

    A latched halt is kept by its file alone until the journal has it. In a snapshot it would pass for journaled after a
    restart: never told to the journal, so that no resume could name it.
    """

    __slots__ = ("journaled", "latched")

    def __init__(self, journaled: Halts | None = None) -> None:
        self.journaled: Final = Halts() if journaled is None else journaled
        self.latched: Final = Halts()

    def clear(self, resume: Resume) -> None:
        """A resume names a halt, wherever it came from."""
        self.journaled.clear(resume)
        self.latched.clear(resume)

    def state_for(
        self, account: str, strategy: str = "", venue: str = "", instrument_id: str = ""
    ) -> tuple[TradingState, tuple[str, ...]]:
        """As `Halts.state_for`, over both."""
        journaled, known = self.journaled.state_for(account, strategy, venue, instrument_id)
        latched, beside = self.latched.state_for(account, strategy, venue, instrument_id)
        strictest = max(journaled, latched, key=lambda state: state.severity)
        return strictest, tuple(dict.fromkeys((*known, *beside)))

    def active(self) -> tuple[Halt, ...]:
        """All that hold; one that was latched and then journaled comes twice."""
        return (*self.journaled.active.values(), *self.latched.active.values())
