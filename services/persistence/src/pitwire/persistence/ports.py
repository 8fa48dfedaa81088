"""What persistence asks of a database: rows and cursor in one transaction, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pitwire.common.errors import PitwireError
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal import Folded
from pitwire.persistence.core.needs import Found, Needs
from pitwire.persistence.core.tables import Writes


class CursorMoved(PitwireError):
    """Somebody else moved the cursor of a stream: go on from where it stands now."""

    code = "CURSOR_MOVED"

    def __init__(self, *, stream: str, expected: int, found: int) -> None:
        super().__init__(f"{stream}: the cursor stands at {found}, not at {expected}")
        self.found = found


class StoreRefused(PitwireError):
    """The database will never take these rows; nothing was stored."""

    code = "STORE_REFUSED"


class JournalRewritten(PitwireError):
    """A journal record is not the one that was copied before: the journal was lost and written anew."""

    code = "JOURNAL_REWRITTEN"


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream is stored, and in which of its lives."""

    sequence: int = 0
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Move:
    """The cursor of `stream` from `after` to `upto`; the rows in between are stored with it."""

    stream: str
    epoch: str
    after: int
    upto: int


class Projection(Protocol):
    """A batch that knows which rows it needs and what it makes of them."""

    @property
    def needs(self) -> Needs: ...

    def fold(self, found: Found) -> Folded: ...


class Store(Protocol):
    """The tables. Every call may raise `StoreUnavailable`: nothing is known of what it did, asking again is safe."""

    async def cursor(self, stream: str) -> Cursor:
        """Where the stream stands; zero for one that was never stored."""
        ...

    async def commit(self, move: Move, needs: Needs, fold: Callable[[Found], Writes]) -> bool:
        """Locks the cursor, reads what `fold` needs, stores what it gives, and moves the cursor: all or nothing.

        False where the cursor stands at `move.upto` or past it already: an earlier attempt, whose answer was lost, was
        stored after all. `CursorMoved` where it stands anywhere else; `StoreRefused` where rows cannot be stored.
        """
        ...

    async def restart(self, stream: str, epoch: str) -> None:
        """Puts the cursor of a stream that began a new life back to zero; its rows stay."""
        ...

    async def hash_at(self, sequence: int) -> str | None:
        """Hash of the journal record that was copied at `sequence`; None where there is none."""
        ...

    async def stopped(self) -> list[tuple[str, int]]:
        """Accounts whose rows stopped, each with the sequence of the record that stopped it."""
        ...

    async def release(self, account: str, project: Callable[[list[Entry]], Projection]) -> None:
        """Folds the stored records of a stopped account from there on, batch by batch, in one transaction.

        It ends at the first batch that has something to tell: then the account has stopped again.
        """
        ...

    async def close(self) -> None: ...
