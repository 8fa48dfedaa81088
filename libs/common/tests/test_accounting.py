"""Double entry and the identity of equity against an independent model in rational numbers.

PITWIRE_CAMPAIGN sets the number of random steps (default a slice of some seconds).
"""

from __future__ import annotations

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pitwire.common.accounting import Book, Books, Posting, capital_postings, fill_postings, reversal_of
from pitwire.common.enums import Side
from pitwire.common.errors import InvariantBroken
from pitwire.common.fills import Fill
from pitwire.common.money import COST_DECIMALS
from pitwire.common.portfolio.holdings import Holdings
from pitwire.common.schemas.ledger import Mark

CAMPAIGN = int(os.environ.get("PITWIRE_CAMPAIGN", "0"))
STEPS = max(CAMPAIGN, 4_000)
RUN_LENGTH = 200
INSTRUMENTS = ("BTC-USDT.sim", "ETH-USDT.sim", "ETH-BTC.sim", "BTC-USDT.other")
OWNERS = ("momentum", "reversion")
VENUE_ACCOUNTS = ("sim-a", "sim-b")
QUANTUM = Fraction(1, 10**COST_DECIMALS)
F = Fraction


@dataclass
class ModelPosition:
    """Average cost in rational numbers; the released cost is rounded as the books define it, and nothing else is."""

    quantity: Fraction = F(0)
    cost: Fraction = F(0)
    realised: Fraction = F(0)
    fees: Fraction = F(0)
    cash: Fraction = F(0)

    def trade(self, moved: Fraction, price: Fraction) -> None:
        before, after = self.quantity, self.quantity + moved
        self.quantity = after
        if before * moved >= 0:
            self.cost += moved * price
        elif before * after > 0:
            released = F(round(self.cost * -moved / before / QUANTUM)) * QUANTUM
            self.cost -= released
            self.realised += -moved * price - released
        else:
            self.realised += before * price - self.cost
            self.cost = after * price


@dataclass
class Model:
    """What must be true, told without the code under test: plain sums over the trades."""

    positions: dict[tuple[str, str], ModelPosition] = field(default_factory=lambda: defaultdict(ModelPosition))
    balances: dict[tuple[str, str], Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    deposits: dict[str, Fraction] = field(default_factory=lambda: defaultdict(Fraction))
    marks: dict[str, Fraction] = field(default_factory=dict)
    price_source: dict[str, str] = field(default_factory=dict)

    def fill(self, fill: Fill) -> None:
        sign = (1 if fill.side is Side.BUY else -1) * (-1 if fill.is_reversal else 1)
        quantity, price = sign * F(fill.quantity), F(fill.price)
        fee = F(fill.fee) * (-1 if fill.is_reversal else 1)
        base, quote = fill.instrument_id.split(".")[0].split("-")
        self.balances[fill.venue_account, base] += quantity
        self.balances[fill.venue_account, quote] -= quantity * price
        self.balances[fill.venue_account, fill.fee_currency] -= fee
        for owner in (fill.strategy, "*"):
            position = self.positions[owner, fill.instrument_id]
            in_base = fee if fill.fee_currency == base else F(0)
            position.trade(quantity - in_base, price)
            position.fees += in_base * price + (fee if fill.fee_currency == quote else 0)

    def mark(self, instrument_id: str, price: Fraction) -> None:
        self.marks[instrument_id] = price
        base, quote = instrument_id.split(".", maxsplit=1)[0].split("-")
        if quote == "USDT":
            self.price_source.setdefault(base, instrument_id)

    def rate(self, asset: str) -> Fraction:
        if asset == "USDT":
            return F(1)
        return self.marks[self.price_source[asset]] if asset in self.price_source else F(0)

    def equity(self) -> Fraction:
        """Every balance at its price; positions at their own instrument's mark, or at cost before the first one."""
        total = F(0)
        loose: dict[str, Fraction] = defaultdict(Fraction)
        for (_, asset), amount in self.balances.items():
            loose[asset] += amount
        for (owner, instrument_id), position in self.positions.items():
            if owner == "*":
                base, quote = instrument_id.split(".")[0].split("-")
                loose[base] -= position.quantity
                mark = self.marks.get(instrument_id)
                total += (position.cost if mark is None else position.quantity * mark) * self.rate(quote)
        return total + sum((amount * self.rate(asset) for asset, amount in loose.items()), F(0))


Step = Fill | tuple[str, str, Decimal] | Mark


class World:
    """The books and the model side by side; every step is checked."""

    def __init__(self) -> None:
        self.holdings = Holdings("USDT")
        self.model = Model()

    def step(self, step: Step) -> None:
        if isinstance(step, Fill):
            self.holdings.book(step)
            self.model.fill(step)
        elif isinstance(step, Mark):
            self.holdings.set_marks([step])
            self.model.mark(step.instrument_id, F(step.mark_price))
        else:
            venue_account, asset, amount = step
            self.holdings.deposit(asset=asset, amount=amount, venue_account=venue_account)
            self.model.balances[venue_account, asset] += F(amount)
            self.model.deposits[asset] += F(amount)

    def check(self) -> None:
        holdings, model = self.holdings, self.model
        assert not any(holdings.books.trial_balance().values())
        for (venue_account, asset), amount in model.balances.items():
            assert F(holdings.books.holding(venue_account, asset)) == amount
        for (owner, instrument_id), wanted in model.positions.items():
            found = holdings.net_position(instrument_id) if owner == "*" else holdings.position(owner, instrument_id)
            assert F(found.quantity) == wanted.quantity
            assert F(found.cost) == wanted.cost
            assert F(found.realised_pnl) == wanted.realised
            assert F(found.fees) == wanted.fees
            assert (found.cost == 0) if found.is_flat else True
        statement = holdings.statement()
        assert statement.gap == 0
        assert F(statement.equity) == model.equity()
        assert F(statement.deposits) == model.deposits["USDT"]

    def check_sums(self) -> None:
        """Sub-ledgers add up to the account, in quantity and in profit at any mark (I-11)."""
        for instrument_id in INSTRUMENTS:
            parts = [self.holdings.position(owner, instrument_id) for owner in OWNERS]
            net = self.holdings.net_position(instrument_id)
            assert sum(F(part.quantity) for part in parts) == F(net.quantity)
            mark = Decimal("123.456")
            assert sum(F(part.total_pnl(mark)) for part in parts) == F(net.total_pnl(mark))


def random_number(rng: random.Random, *, digits: int) -> Decimal:
    """From dust to huge: 1e-18 to 1e12."""
    exponent = rng.choice((-18, -8, -8, -5, -3, -2, 0, 0, 3, 9))
    return Decimal(rng.randint(1, 10 ** rng.randint(1, digits))).scaleb(exponent)


def random_steps(rng: random.Random, count: int) -> Iterator[Step]:
    booked: list[Fill] = []
    for number in range(count):
        kind = rng.random()
        if kind < 0.12:
            yield Mark(
                instrument_id=rng.choice(INSTRUMENTS), mark_price=random_number(rng, digits=4), ts_event_ns=number
            )
        elif kind < 0.18:
            amount = random_number(rng, digits=4) * rng.choice((1, 1, -1))
            yield (rng.choice(VENUE_ACCOUNTS), rng.choice(("USDT", "BTC", "BNB")), amount)
        elif kind < 0.26 and booked:
            yield booked.pop(rng.randrange(len(booked))).reversed(ts_event_ns=number)
        else:
            fill = random_fill(rng, number, booked)
            booked.append(fill)
            yield fill


def random_fill(rng: random.Random, number: int, booked: list[Fill]) -> Fill:
    instrument_id = rng.choice(INSTRUMENTS)
    base, quote = instrument_id.split(".")[0].split("-")
    quantity, price = random_number(rng, digits=6), random_number(rng, digits=6)
    if booked and rng.random() < 0.4:
        quantity = rng.choice(booked).quantity
    fee_currency, fee = rng.choice(
        ((base, quantity), (quote, quantity * price), ("BNB", Decimal(1)), (quote, Decimal(0)))
    )
    return Fill(
        account="main",
        strategy=rng.choice(OWNERS),
        client_order_id="C",
        venue="sim",
        venue_account=rng.choice(VENUE_ACCOUNTS),
        instrument_id=instrument_id,
        side=rng.choice(tuple(Side)),
        quantity=quantity,
        price=price,
        fee=(fee * Decimal("0.001") * rng.choice((1, 1, 1, -1))).normalize() + 0,
        fee_currency=fee_currency,
        trade_id=str(number),
        ts_event_ns=number,
    )


@pytest.mark.timeout(0 if CAMPAIGN else 120)
def test_a_campaign_of_random_steps_equals_the_rational_model() -> None:
    """S-1, S-3, S-4, S-5, S-9, S-10, S-14: 0 difference in any balance, position, fee or in equity."""
    for run in range(STEPS // RUN_LENGTH):
        rng = random.Random(f"accounting {run}")
        world = World()
        for number, step in enumerate(random_steps(rng, RUN_LENGTH)):
            world.step(step)
            if not CAMPAIGN or number % 10 == 0:
                world.check()
        world.check()
        world.check_sums()


@settings(max_examples=40, deadline=None, derandomize=not CAMPAIGN)
@given(st.randoms(use_true_random=False), st.integers(min_value=1, max_value=12))
def test_the_shortest_failing_history_can_be_found(rng: random.Random, count: int) -> None:
    """The same check on short histories that Hypothesis can shrink."""
    world = World()
    for step in random_steps(rng, count):
        world.step(step)
        world.check()


def fill(**changed: object) -> Fill:
    values = {
        "account": "main",
        "strategy": "momentum",
        "client_order_id": "C",
        "venue": "sim",
        "venue_account": "sim-a",
        "instrument_id": "BTC-USDT.sim",
        "side": Side.BUY,
        "quantity": Decimal(2),
        "price": Decimal(100),
        "fee": Decimal("0.2"),
        "fee_currency": "USDT",
        "trade_id": "1",
        "ts_event_ns": 1,
    }
    return Fill(**(values | changed))  # type: ignore[arg-type]  # the table of a test


def test_a_fill_moves_both_assets_and_its_fee() -> None:
    assert fill_postings(fill()) == (
        (Book.HOLDING, "sim-a", "BTC", Decimal(2)),
        (Book.TRADING, "momentum", "BTC", Decimal(-2)),
        (Book.HOLDING, "sim-a", "USDT", Decimal(-200)),
        (Book.TRADING, "momentum", "USDT", Decimal(200)),
        (Book.HOLDING, "sim-a", "USDT", Decimal("-0.2")),
        (Book.FEE, "momentum", "USDT", Decimal("0.2")),
    )


def test_a_reversal_takes_every_posting_back() -> None:
    """S-10: a bust is a correcting entry; nothing is erased."""
    books = Books()
    books.post(fill_postings(fill()))
    books.post(fill_postings(fill().reversed(ts_event_ns=2)))
    assert {row.amount for row in books.rows()} == {Decimal(0)}
    books.post(fill_postings(fill()))
    books.post(reversal_of(fill_postings(fill())))
    assert {row.amount for row in books.rows()} == {Decimal(0)}


def test_a_transaction_that_does_not_balance_books_nothing() -> None:
    """I-10."""
    books = Books()
    lopsided = (Posting(Book.HOLDING, "a", "USDT", Decimal(5)), Posting(Book.CAPITAL, "a", "USDT", Decimal(-4)))
    with pytest.raises(InvariantBroken, match="USDT 1 left over"):
        books.post(lopsided)
    assert books.rows() == ()


def test_deposits_are_capital_and_never_profit() -> None:
    """S-23."""
    holdings = Holdings("USDT")
    holdings.deposit(asset="USDT", amount=Decimal(1000), venue_account="a")
    holdings.deposit(asset="USDT", amount=Decimal(-300), venue_account="a")
    statement = holdings.statement()
    assert (statement.deposits, statement.equity) == (Decimal(700), Decimal(700))
    assert statement.realised_pnl == 0


def test_a_strategys_share_of_a_balance_is_known() -> None:
    """I-11: the sub-ledgers of two strategies add up to what the venue account holds."""
    books = Books()
    books.post(capital_postings(asset="USDT", amount=Decimal(1000), venue_account="sim-a"))
    books.post(fill_postings(fill()))
    books.post(fill_postings(fill(strategy="reversion", quantity=Decimal(1), fee=Decimal(0))))
    shares = [-books.balance(Book.TRADING, owner, "BTC") - books.balance(Book.FEE, owner, "BTC") for owner in OWNERS]
    assert shares == [2, 1]
    assert sum(shares) == books.holding("sim-a", "BTC")
    assert books.total(Book.HOLDING, "USDT") == Decimal("699.8")


def test_books_come_back_from_their_rows() -> None:
    books = Books()
    books.post(fill_postings(fill()))
    again = Books.restore(books.snapshot())
    assert again.rows() == books.rows()
    assert again.total(Book.FEE, "USDT") == Decimal("0.2")
    assert again.knows(Book.FEE, "USDT")
    assert not again.knows(Book.CAPITAL, "USDT")
    assert again.owners_of_holdings() == ("sim-a",)
