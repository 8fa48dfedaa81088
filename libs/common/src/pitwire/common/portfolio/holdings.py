"""What an account has and what it is worth: books, positions per account and strategy, marks, equity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from pitwire.common.accounting import Book, Books, Statement, capital_postings, fill_postings
from pitwire.common.fills import Fill
from pitwire.common.instruments import assets_of
from pitwire.common.money import ONE, ZERO, canonical, exact
from pitwire.common.positions import Position, flat
from pitwire.common.schemas.ledger import Mark

Marks = Mapping[str, Mark]
NO_MARKS: Marks = {}


class Holdings:
    """Money and positions of one account in one quote currency.

    Equity = cash + sum(position x mark) + other assets at their mark. A position without a mark counts at cost; another
    asset (a deposit in BTC, fees paid in BNB) counts from its first mark on, and a deposit never counts as profit.
    Prices in another quote currency are converted at the mark of that currency; without one they count nothing.
    """

    __slots__ = ("_loose", "_price_source", "_unvalued", "books", "by_strategy", "marks", "net", "quote")

    def __init__(self, quote: str) -> None:
        self.quote = quote
        self.books = Books()
        self.net: dict[str, Position] = {}
        self.by_strategy: dict[str, dict[str, Position]] = {}
        self.marks: dict[str, Mark] = {}
        self._loose: dict[str, Decimal] = {}
        self._unvalued: dict[str, Decimal] = {}
        self._price_source: dict[str, str] = {}

    @exact
    def book(self, fill: Fill) -> None:
        """One trade, or its reversal, into the books, the account's net and the strategy's sub-ledger."""
        self.books.post(fill_postings(fill))
        instrument_id = fill.instrument_id
        net = self.net.get(instrument_id) or Position(instrument_id)
        self.net[instrument_id] = net.apply_fill(fill)
        ledger = self.by_strategy.setdefault(fill.strategy, {})
        own = ledger.get(instrument_id) or Position(instrument_id)
        ledger[instrument_id] = own.apply_fill(fill)
        base, quote = assets_of(instrument_id)
        if quote != self.quote:
            self._add_loose(quote, -fill.signed_quantity * fill.price)
        if fill.fee and fill.fee_currency not in {base, self.quote}:
            self._add_loose(fill.fee_currency, -fill.signed_fee)

    @exact
    def deposit(self, *, asset: str, amount: Decimal, venue_account: str) -> Decimal:
        """Books money put in or taken out; returns by how much that changes equity now."""
        self.books.post(capital_postings(asset=asset, amount=amount, venue_account=venue_account))
        if asset == self.quote:
            return amount
        self._add_loose(asset, amount)
        price = self.rate(asset)
        if price is None:
            self._unvalued[asset] = self._unvalued.get(asset, ZERO) + amount
            return ZERO
        return amount * price

    @exact
    def set_marks(self, marks: Iterable[Mark]) -> Decimal:
        """Takes the marks; returns how much of the change in equity is deposits that are valued for the first time."""
        revealed = ZERO
        for mark in marks:
            self.marks[mark.instrument_id] = mark
            base, quote = assets_of(mark.instrument_id)
            if quote == self.quote and base not in self._price_source:
                self._price_source[base] = mark.instrument_id
                revealed += self._unvalued.pop(base, ZERO) * mark.mark_price
        return revealed

    def mark_price(self, instrument_id: str, marks: Marks = NO_MARKS) -> Decimal | None:
        """The price it is valued at: from `marks` where they have it, else the one recorded last."""
        mark = marks.get(instrument_id) or self.marks.get(instrument_id)
        return mark.mark_price if mark else None

    def price_source(self, asset: str, marks: Marks = NO_MARKS) -> str | None:
        """The instrument whose mark says what `asset` is worth; None for the quote currency and where none does."""
        if asset == self.quote:
            return None
        known = self._price_source.get(asset)
        return known or next((name for name in marks if assets_of(name) == (asset, self.quote)), None)

    @property
    def loose_assets(self) -> tuple[str, ...]:
        """Assets held outside any position: deposits, what third-asset fees and cross rates left."""
        return tuple(asset for asset, amount in self._loose.items() if amount)

    def rate(self, asset: str, marks: Marks = NO_MARKS) -> Decimal | None:
        """What one unit of `asset` is worth in quote currency, by `marks` or as recorded; None if unknown."""
        if asset == self.quote:
            return ONE
        source = self.price_source(asset, marks)
        return None if source is None else self.mark_price(source, marks)

    @property
    def cash(self) -> Decimal:
        return self.books.total(Book.HOLDING, self.quote)

    @exact
    def equity(self, marks: Marks = NO_MARKS) -> Decimal:
        """In quote currency, at `marks` over the recorded ones."""
        equity = self.cash
        for position in self.net.values():
            if position.quantity:
                equity += self.worth(position, marks)
        for asset, amount in self._loose.items():
            equity += amount * self._recorded_rate(asset, marks)
        return equity

    @exact
    def worth(self, position: Position, marks: Marks = NO_MARKS) -> Decimal:
        """A position in the account's quote currency, negative for a short."""
        value = position.value(self.mark_price(position.instrument_id, marks))
        quote = assets_of(position.instrument_id)[1]
        return value if quote == self.quote else value * self._recorded_rate(quote, marks)

    def _recorded_rate(self, asset: str, marks: Marks) -> Decimal:
        """As `rate`, but zero until the ledger has a first mark: only then is a deposit told from a profit."""
        known = asset == self.quote or asset in self._price_source
        return (self.rate(asset, marks) if known else None) or ZERO

    def position(self, strategy: str, instrument_id: str) -> Position:
        """The sub-ledger of one strategy; flat where it never traded."""
        ledger = self.by_strategy.get(strategy)
        return (ledger.get(instrument_id) if ledger else None) or flat(instrument_id)

    def net_position(self, instrument_id: str) -> Position:
        return self.net.get(instrument_id) or flat(instrument_id)

    @exact
    def statement(self, marks: Marks = NO_MARKS) -> Statement:
        """The parts of equity from the positions and books, independent of how equity itself is summed."""
        realised = unrealised = fees = ZERO
        for instrument_id, position in self.net.items():
            rate = self._recorded_rate(assets_of(instrument_id)[1], marks)
            realised += position.realised_pnl * rate
            unrealised += position.unrealised_pnl(self.mark_price(instrument_id, marks)) * rate
            fees += position.fees * rate
        return Statement(
            deposits=-self.books.total(Book.CAPITAL, self.quote),
            realised_pnl=realised,
            unrealised_pnl=unrealised,
            fees=fees,
            other=self._other(marks),
            equity=self.equity(marks),
        )

    def _other(self, marks: Marks) -> Decimal:
        """Deposits in other assets less fees in third assets, at the marks; other fees stand in positions."""
        units: dict[str, Decimal] = {}
        for book, _, asset, balance in self.books.rows():
            if book is Book.CAPITAL and asset != self.quote:
                units[asset] = units.get(asset, ZERO) - balance
        for position in self.net.values():
            for asset, paid in position.other_fees:
                units[asset] = units.get(asset, ZERO) - paid
        return sum((amount * self._recorded_rate(asset, marks) for asset, amount in units.items()), ZERO)

    def _add_loose(self, asset: str, amount: Decimal) -> None:
        self._loose[asset] = self._loose.get(asset, ZERO) + amount

    def snapshot(self) -> dict[str, Any]:
        ledgers = self.by_strategy.items()
        return {
            "books": self.books.snapshot(),
            "net": [position.snapshot() for position in self.net.values()],
            "by_strategy": {name: [p.snapshot() for p in ledger.values()] for name, ledger in ledgers},
            "marks": [[m.instrument_id, canonical(m.mark_price), m.ts_event_ns] for m in self.marks.values()],
            "loose": {asset: canonical(amount) for asset, amount in self._loose.items()},
            "unvalued": {asset: canonical(amount) for asset, amount in self._unvalued.items()},
            "price_source": dict(self._price_source),
        }

    @classmethod
    def restore(cls, quote: str, data: dict[str, Any]) -> Holdings:
        holdings = cls(quote)
        holdings.books = Books.restore(data["books"])
        holdings.net = _positions(data["net"])
        holdings.by_strategy = {name: _positions(rows) for name, rows in data["by_strategy"].items()}
        for instrument_id, price, ts_event_ns in data["marks"]:
            mark = Mark(instrument_id=instrument_id, mark_price=Decimal(price), ts_event_ns=ts_event_ns)
            holdings.marks[instrument_id] = mark
        holdings._loose.update({asset: Decimal(text) for asset, text in data["loose"].items()})
        holdings._unvalued.update({asset: Decimal(text) for asset, text in data["unvalued"].items()})
        holdings._price_source.update(data["price_source"])
        return holdings


def _positions(rows: list[list[Any]]) -> dict[str, Position]:
    return {row[0]: Position.restore(row) for row in rows}
