"""Double entry: every fill, fee and deposit is postings that sum to zero per asset; nothing is ever erased.

    HOLDING   what a venue account has of an asset          owner: venue account
    TRADING   the other side of what was bought and sold    owner: strategy
    FEE       what was paid to venues                       owner: strategy
    CAPITAL   the other side of what was put in             owner: venue account

So HOLDING of an asset is always -(TRADING + FEE + CAPITAL) of it, a strategy's share of any balance is known, and a
bust is the same postings with the opposite sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from pitwire.common.errors import InvariantBroken
from pitwire.common.fills import Fill
from pitwire.common.instruments import assets_of
from pitwire.common.money import ZERO, canonical, exact, product


class Book(StrEnum):
    """The four kinds of ledger account."""

    HOLDING = "HOLDING"
    TRADING = "TRADING"
    FEE = "FEE"
    CAPITAL = "CAPITAL"


class Posting(NamedTuple):
    """`amount` of `asset` onto one ledger account."""

    book: Book
    owner: str
    asset: str
    amount: Decimal


Transaction = tuple[Posting, ...]


def fill_postings(fill: Fill) -> Transaction:
    """What one booked trade, or its reversal, moves. The fee is the venue's figure in the venue's asset."""
    base, quote = assets_of(fill.instrument_id)
    bought = fill.signed_quantity
    paid = product(bought, fill.price)
    postings = (
        Posting(Book.HOLDING, fill.venue_account, base, bought),
        Posting(Book.TRADING, fill.strategy, base, bought.copy_negate()),
        Posting(Book.HOLDING, fill.venue_account, quote, paid.copy_negate()),
        Posting(Book.TRADING, fill.strategy, quote, paid),
    )
    fee = fill.signed_fee
    if not fee:
        return postings
    return (
        *postings,
        Posting(Book.HOLDING, fill.venue_account, fill.fee_currency, fee.copy_negate()),
        Posting(Book.FEE, fill.strategy, fill.fee_currency, fee),
    )


def capital_postings(*, asset: str, amount: Decimal, venue_account: str) -> Transaction:
    """A deposit (positive) or withdrawal: never profit or loss."""
    return (
        Posting(Book.HOLDING, venue_account, asset, amount),
        Posting(Book.CAPITAL, venue_account, asset, amount.copy_negate()),
    )


def reversal_of(transaction: Transaction) -> Transaction:
    """The correcting entry: the same accounts, the opposite amounts."""
    return tuple(posting._replace(amount=posting.amount.copy_negate()) for posting in transaction)


class Books:
    """The balances that follow from all postings. Add-only."""

    __slots__ = ("_balances", "_totals")

    def __init__(self) -> None:
        self._balances: dict[tuple[Book, str, str], Decimal] = {}
        self._totals: dict[tuple[Book, str], Decimal] = {}

    @exact
    def post(self, transaction: Transaction) -> None:
        """Books it whole, or raises `InvariantBroken` and books nothing if it does not balance per asset."""
        sums: dict[str, Decimal] = {}
        for posting in transaction:
            sums[posting.asset] = sums.get(posting.asset, ZERO) + posting.amount
        if any(sums.values()):
            odd = ", ".join(f"{asset} {amount}" for asset, amount in sums.items() if amount)
            msg = f"a transaction does not balance: {odd} left over"
            raise InvariantBroken(msg)
        for book, owner, asset, amount in transaction:
            self._balances[book, owner, asset] = self._balances.get((book, owner, asset), ZERO) + amount
            self._totals[book, asset] = self._totals.get((book, asset), ZERO) + amount

    def balance(self, book: Book, owner: str, asset: str) -> Decimal:
        return self._balances.get((book, owner, asset), ZERO)

    def total(self, book: Book, asset: str) -> Decimal:
        """Over all owners."""
        return self._totals.get((book, asset), ZERO)

    def knows(self, book: Book, asset: str) -> bool:
        """Whether anything was ever posted there."""
        return (book, asset) in self._totals

    def holding(self, venue_account: str, asset: str) -> Decimal:
        """What one venue account has of an asset by our books; the venue should say the same."""
        return self.balance(Book.HOLDING, venue_account, asset)

    def owners_of_holdings(self) -> tuple[str, ...]:
        """The venue accounts that ever held anything, in the order in which they first came."""
        return tuple(dict.fromkeys(owner for book, owner, _ in self._balances if book is Book.HOLDING))

    def rows(self) -> tuple[Posting, ...]:
        """Every ledger account with its balance, in the order in which they first came."""
        return tuple(Posting(*key, balance) for key, balance in self._balances.items())

    @exact
    def trial_balance(self) -> dict[str, Decimal]:
        """Sum of all balances per asset: zero for each, always."""
        sums: dict[str, Decimal] = {}
        for (_, _, asset), balance in self._balances.items():
            sums[asset] = sums.get(asset, ZERO) + balance
        return sums

    def snapshot(self) -> list[list[str]]:
        return [[book.value, owner, asset, canonical(b)] for (book, owner, asset), b in self._balances.items()]

    @classmethod
    @exact
    def restore(cls, rows: list[list[str]]) -> Books:
        books = cls()
        for book, owner, asset, text in rows:
            key, balance = Book(book), Decimal(text)
            books._balances[key, owner, asset] = balance
            books._totals[key, asset] = books._totals.get((key, asset), ZERO) + balance
        return books


@dataclass(frozen=True, slots=True)
class Statement:
    """Where the equity of an account comes from, in its quote currency. The parts add up exactly (I-11).

    `other` is what assets outside any position are worth: deposits in other assets less fees paid in third assets.
    """

    deposits: Decimal
    realised_pnl: Decimal
    unrealised_pnl: Decimal
    fees: Decimal
    other: Decimal
    equity: Decimal

    @property
    @exact
    def gap(self) -> Decimal:
        """Equity less its parts: 0, or the books are wrong."""
        return self.equity - (self.deposits + self.realised_pnl + self.unrealised_pnl - self.fees + self.other)
