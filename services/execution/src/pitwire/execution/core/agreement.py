"""What each venue account should hold by the journal, and which differences a person has dealt with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Self

from typing_extensions import override

from pitwire.common.accounting import Book, Books, capital_postings, fill_postings
from pitwire.common.enums import CancelPolicy, HaltScope, TradingState
from pitwire.common.fills import Fill
from pitwire.common.ids import content_hash
from pitwire.common.money import ZERO, canonical, difference
from pitwire.common.schemas.ledger import CapitalRecorded, Halt

HALT_PREFIX: Final = "differs-"
"""Begins the id of a halt that stands for one difference: a resume that names it says that this one is known."""

SETTLED_KEPT: Final = 1_000
REASON_MAX: Final = 512


@dataclass(frozen=True, slots=True)
class Difference:
    """One asset of which the venue account holds something else than the books say."""

    asset: str
    at_venue: Decimal
    by_books: Decimal

    @property
    def excess(self) -> str:
        """Asset and what the venue has more of it: the same while trading goes on, as the two amounts are not."""
        return f"{canonical(difference(self.at_venue, self.by_books))} {self.asset}"

    @override
    def __str__(self) -> str:
        return f"{canonical(self.at_venue)} {self.asset} at the venue, {canonical(self.by_books)} by the books"


class Agreement:
    """Capital and every fill, once; the same books that the gate keeps."""

    def __init__(self) -> None:
        self._books = Books()
        self._settled: dict[str, None] = {}

    def capital(self, record: CapitalRecorded) -> None:
        """Money came or went."""
        postings = capital_postings(asset=record.asset, amount=record.amount, venue_account=record.venue_account)
        self._books.post(postings)

    def fills(self, fills: Iterable[Fill]) -> None:
        """What trades, and reversals of trades, moved."""
        for fill in fills:
            self._books.post(fill_postings(fill))

    def resumed(self, cleared: Iterable[str]) -> None:
        """A person looked at these differences: none of them halts again."""
        for halt_id in cleared:
            if halt_id.startswith(HALT_PREFIX):
                self._settled[halt_id] = None
                if len(self._settled) > SETTLED_KEPT:
                    del self._settled[next(iter(self._settled))]

    def keeps_books_of(self, venue_account: str) -> bool:
        """Capital was recorded there: without it nobody has said what the account began with."""
        return any(row.book is Book.CAPITAL and row.owner == venue_account for row in self._books.rows())

    def differences(
        self, venue_account: str, told: Mapping[str, Decimal], traded: Iterable[str]
    ) -> tuple[Difference, ...]:
        """Of the `traded` assets and of all that the books know of; what else lies in the account is nobody's here."""
        rows = self._books.rows()
        known = {row.asset for row in rows if row.book is Book.HOLDING and row.owner == venue_account}
        pairs = (
            Difference(asset, told.get(asset, ZERO), self._books.holding(venue_account, asset))
            for asset in sorted(known | set(traded))
        )
        return tuple(pair for pair in pairs if pair.at_venue != pair.by_books)

    def is_settled(self, halt_id: str) -> bool:
        return halt_id in self._settled

    def snapshot(self) -> dict[str, Any]:
        return {"books": self._books.snapshot(), "settled": list(self._settled)}

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Self:
        made = cls()
        made._books = Books.restore(data["books"])
        made._settled = dict.fromkeys(data["settled"])
        return made


def excess_of(found: Iterable[Difference]) -> str:
    """What makes two findings the same."""
    return ", ".join(each.excess for each in found)


def halt_of(account: str, venue_account: str, found: tuple[Difference, ...], *, source: str, ts_ns: int) -> Halt:
    """While an account disagrees it only reduces. The same difference has the same id, whoever finds it and when."""
    text = "; ".join(map(str, found))
    return Halt(
        halt_id=HALT_PREFIX + content_hash(f"{venue_account}: {excess_of(found)}".encode())[:16],
        scope=HaltScope.ACCOUNT,
        target=account,
        state=TradingState.REDUCING,
        cancel=CancelPolicy.NONE,
        reason=f"{venue_account} disagrees: {text}; see `pitwire reconcile`"[:REASON_MAX],
        source=source,
        ts_ns=ts_ns,
    )
