"""Random lives of an account: live, replayed, restored anywhere and under any hash seed, the state is the same.

PITWIRE_CAMPAIGN sets the number of random journal records (default a slice of some seconds).
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from pitwire.common.enums import Side
from pitwire.common.money import share_up
from pitwire.common.order_state import OrderState
from pitwire.common.portfolio import AccountState
from pitwire.common.portfolio import orders as orders_module
from pitwire.common.portfolio.rows import order_of, order_row
from pitwire.common.schemas.ledger import Approved, CapitalRecorded, DayRolled, MarksRecorded, StrategyRegistered
from pitwire.common.testing.journal import BTC, ETH, VENUE_ACCOUNT, Journal, feed, mark, order_intent

CAMPAIGN = int(os.environ.get("PITWIRE_CAMPAIGN", "0"))
RUN_LENGTH = 400
RUNS = range(max(CAMPAIGN // RUN_LENGTH, 4))
FOUND = (9, 27)
"""Runs beyond the slice that once failed: 1.80 and 1.8 in the reason of a pause."""

STRATEGIES = ("momentum", "reversion")


class RandomLife:
    """Plays an account with every kind of record: late, early, twice, out of order, busted, halted, foreign."""

    def __init__(self, seed: str) -> None:
        self.rng = random.Random(seed)
        self.journal = Journal()
        self.journal.start()
        self.journal.write(StrategyRegistered, strategy="reversion", capital=Decimal(1000))
        self.orders: list[Approved] = []
        self.fills: list[tuple[Approved, str, str, str]] = []
        self.numbers = dict.fromkeys(STRATEGIES, 0)
        self.halts: list[str] = []
        self.day = 14
        self.trade_no = 0

    def play(self, records: int) -> Journal:
        while len(self.journal.entries) < records:
            self.one()
        self.journal.marks()
        return self.journal

    def one(self) -> None:
        rng = self.rng
        (act,) = rng.choices(
            (self.approve, self.send, self.tell, self.trade, self.again, self.bust, self.record, self.money, self.halt),
            (10, 10, 12, 14, 3, 2, 10, 1, 1),
        )
        act()

    def approve(self) -> None:
        strategy = self.rng.choice(STRATEGIES)
        self.numbers[strategy] += 1
        price = str(self.rng.randint(90, 110))
        intent = order_intent(
            self.numbers[strategy],
            self.rng.choice(tuple(Side)),
            self.rng.choice(("1", "0.7", "3", "0.00001")),
            limit_price=price,
            strategy=strategy,
            instrument_id=self.rng.choice((BTC, ETH, "ETH-BTC.sim")),
        )
        self.orders.append(self.journal.approve(intent, worst_price=price))

    def send(self) -> None:
        if self.orders:
            verdict = self.rng.choice(self.orders)
            self.rng.choice((self.journal.submitting, self.journal.submitting, self.journal.not_sent))(verdict)

    def tell(self) -> None:
        if self.orders:
            kind = self.rng.choice(("NEW", "NEW", "CANCELED", "EXPIRED", "REJECTED", "UNKNOWN", "UNKNOWN"))
            foreign: dict[str, Any] = {}
            if self.rng.random() < 0.1:
                name = f"human-{self.rng.randint(1, 5)}"
                foreign = {"external": True, "client_order_id": name, "strategy": "external", "limit_price": "95"}
            self.journal.report(self.rng.choice(self.orders), kind, **foreign)

    def trade(self) -> None:
        if self.orders:
            self.trade_no += 1
            told = (
                self.rng.choice(self.orders),
                self.rng.choice(("0.1", "0.35", "1", "0.000001")),
                str(self.rng.randint(90, 110)),
                str(self.trade_no),
            )
            self.fills.append(told)
            self.fill(
                *told,
                fee=self.rng.choice(("0", "0.01", "-0.003")),
                fee_currency=self.rng.choice(("BTC", "USDT", "BNB")),
            )

    def fill(self, verdict: Approved, quantity: str, price: str, trade_id: str, **fees: Any) -> None:
        self.journal.fill(verdict, quantity, price, trade_id=trade_id, **fees)

    def again(self) -> None:
        if self.fills:
            self.fill(*self.rng.choice(self.fills))

    def bust(self) -> None:
        if self.fills:
            verdict, quantity, _, trade_id = self.rng.choice(self.fills)
            kind = self.rng.choice(("TRADE_CANCEL", "TRADE_CORRECT"))
            self.journal.report(verdict, kind, trade_id=trade_id, last_quantity=quantity, last_price="100")

    def record(self) -> None:
        """A ledger record that covers everything so far, or only a part of it."""
        last = self.journal.state.cursors.oms_sequence
        cursor = self.rng.choice((None, self.rng.randint(last, len(self.journal.entries))))
        prices = [mark(name, str(self.rng.randint(80, 120))) for name in (BTC, ETH) if self.rng.random() < 0.8]
        self.journal.write(MarksRecorded, cursor=cursor, marks=tuple(prices))

    def money(self) -> None:
        if self.rng.random() < 0.3 and self.day < 28:
            self.day += 1
            self.journal.write(DayRolled, day=f"2023-11-{self.day}", start_equity=Decimal(self.rng.randint(1, 10**6)))
        else:
            amount, asset = Decimal(self.rng.randint(-50, 100)), self.rng.choice(("USDT", "BTC", "XRP"))
            self.journal.write(CapitalRecorded, asset=asset, amount=amount, venue_account=VENUE_ACCOUNT)

    def halt(self) -> None:
        if self.halts and self.rng.random() < 0.5:
            self.journal.resume(self.halts.pop())
        else:
            self.halts.append(f"h{len(self.journal.entries)}")
            self.journal.halt(self.halts[-1], "STRATEGY", "main/momentum")


def check_exposure(state: AccountState) -> None:
    """I-17: the sums kept as orders change are the sums over the orders, nothing more and nothing less."""
    held = state.exposure.snapshot()
    for name in (BTC, ETH, "ETH-BTC.sim"):
        for side in Side:
            orders = [o for o in state.orders if (o.instrument_id, o.side) == (name, side)]
            working = state.exposure.working(name, side)
            assert working.quantity == sum((o.open_quantity for o in orders), Decimal(0))
            assert working.orders == sum(1 for o in orders if o.open_quantity)
            worst = [o.open_quantity * Decimal(held[o.client_order_id][1]) for o in orders if o.client_order_id in held]
            assert working.value == sum(worst, Decimal(0))
            for strategy in (*STRATEGIES, "external"):
                own = [o.open_quantity for o in orders if o.strategy == strategy]
                assert state.working_quantity(strategy, name, side) == sum(own, Decimal(0))
    for asset in ("USDT", "BTC", "ETH"):
        wanted = sum((share_of(o, held) for o in state.orders if held_asset(o, held) == asset), Decimal(0))
        assert state.exposure.reserved(VENUE_ACCOUNT, asset) == wanted


def held_asset(order: OrderState, held: dict[str, list[str]]) -> str:
    return held[order.client_order_id][0] if order.client_order_id in held else ""


def share_of(order: OrderState, held: dict[str, list[str]]) -> Decimal:
    if not order.open_quantity:
        return Decimal(0)
    return share_up(Decimal(held[order.client_order_id][2]), order.open_quantity, order.quantity)


def check_orders(state: AccountState) -> None:
    """I-4, I-8."""
    for order in state.orders:
        assert order.leaves_quantity == (max(order.quantity - order.cum_quantity, 0) if order.is_active else 0)
        assert order.open_quantity >= 0
        assert order.cum_quantity <= order.venue_cum_quantity
        assert order_of(order_row(order)) == order


@pytest.mark.timeout(0 if CAMPAIGN else 120)
@pytest.mark.parametrize("run", sorted({*RUNS, *FOUND}))
def test_live_replayed_and_restored_states_are_the_same(run: int) -> None:
    """I-26, I-29, I-11, I-17: after every single record, and from a snapshot at any place."""
    compare(run)


@pytest.mark.parametrize("run", range(2))
def test_they_are_the_same_where_orders_are_soon_forgotten(monkeypatch: pytest.MonkeyPatch, run: int) -> None:
    """I-31: late reports about orders that are no longer known keep the folds equal too."""
    monkeypatch.setattr(orders_module, "EVENTS_KEPT", 20)
    compare(run)


def compare(run: int) -> None:
    """Folds one random life record by record and from snapshots, and checks every state on the way."""
    rng = random.Random(f"where {run}")
    journal = RandomLife(f"life {run}").play(RUN_LENGTH)
    state = AccountState(journal.account, journal.quote)
    snapshots: list[bytes] = []
    for at, entry in enumerate(journal.entries):
        feed(state, entry)
        if entry.is_ledger:
            assert state.statement().gap == 0
            assert not any(state.wealth.books.trial_balance().values())
            if at % 7 == 0:
                check_exposure(state)
                check_orders(state)
            if rng.random() < 0.05:
                snapshots.append(orjson.dumps(state.snapshot()))
    assert state.state_hash() == journal.state.state_hash()
    for data in snapshots:
        restored = AccountState.restore(orjson.loads(data))
        resumed = [entry for entry in journal.entries if entry.sequence >= restored.resume_from]
        assert journal.fold(resumed, state=restored).state_hash() == state.state_hash()


def test_a_snapshot_brings_the_same_state_back_and_nothing_else() -> None:
    journal = RandomLife("snapshot").play(RUN_LENGTH)
    data = journal.state.snapshot()
    assert AccountState.restore(orjson.loads(orjson.dumps(data))).snapshot() == data
    with pytest.raises(ValueError, match="snapshot version"):
        AccountState.restore(data | {"version": 0})


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from test_portfolio_fold import RandomLife
print(RandomLife("seeded").play(300).state.state_hash())
"""


def test_the_hash_seed_of_the_interpreter_changes_nothing() -> None:
    """I-29: nothing decides by the order of a set."""
    folder = str(Path(__file__).parent)
    hashes = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM, folder],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(hashes) == 1
