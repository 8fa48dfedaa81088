"""Whatever clients and the market do: money is conserved, locked is what open orders hold, the log tells it all."""

from __future__ import annotations

import contextlib
import os
import random
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.records import account_record, effect_records
from pitwire.venue_sim.core.restore import RecordError, Restorer
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.types import Side

PRICES = st.sampled_from(
    ["99.70", "99.80", "99.85", "99.90", "99.95", "100.00", "100.05", "100.10", "100.20", "100.30"]
)
QUANTITIES = st.sampled_from(["0.1", "0.5", "1", "2.5", "7"])
FORMS = [
    "MARKET {q}",
    "LIMIT {q} @ {p} GTC",
    "LIMIT {q} @ {p} IOC stp=EXPIRE_TAKER",
    "LIMIT {q} @ {p} FOK stp=EXPIRE_MAKER",
    "LIMIT {q} @ {p} GTC stp=EXPIRE_BOTH",
    "LIMIT {q} @ {p} GTC stp=DECREMENT",
    "LIMIT {q} @ {p} GTC stp=TRANSFER",
    "LIMIT {q} @ {p} GTC iceberg=0.1",
    "LIMIT_MAKER {q} @ {p}",
    "STOP_LOSS {q} stop={p}",
    "TAKE_PROFIT {q} stop={p}",
    "STOP_LOSS_LIMIT {q} @ {p} stop={p}",
    "STOP_LOSS {q} trail=10",
    "TAKE_PROFIT_LIMIT {q} @ {p} stop={p} trail=15",
]
ORDERS = st.tuples(
    st.sampled_from(["main", "other"]),
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(FORMS),
    PRICES,
    QUANTITIES,
)
STEPS = st.one_of(
    ORDERS,
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("amend"), st.integers(0, 50), QUANTITIES),
    st.tuples(st.just("oco"), st.sampled_from(["BUY", "SELL"]), PRICES, PRICES, QUANTITIES),
    st.tuples(st.just("oto"), st.sampled_from(["BUY", "SELL"]), PRICES, ORDERS),
    st.tuples(st.just("trade"), st.sampled_from(["BUY", "SELL"]), PRICES, QUANTITIES),
    st.tuples(st.just("quote"), st.sampled_from(["99.70", "99.90", "100.10", "100.30"])),
)


class Run:
    """Plays steps on a bench and keeps the lines that a log would hold."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.exchange: Exchange = bench.exchange
        self.lines: list[dict[str, Any]] = []
        for account in self.exchange.accounts.values():
            self.write([account_record(account)])

    def write(self, records: list[dict[str, Any]]) -> None:
        operation = len(self.lines) + 1
        self.lines += [{"op": operation, **record} for record in records]

    def effects(self, effects: Any) -> None:
        self.write(effect_records(effects, effects.take_balances()))

    def step(self, step: tuple[Any, ...]) -> None:
        if step[0] == "cancel":
            order = self.exchange.orders.get(step[1])
            if order is not None and order.is_open:
                self.effects(self.exchange.cancel(order, cancel_id="c", now_ms=1))
        elif step[0] == "amend":
            self.amend(step[1], step[2])
        elif step[0] == "oco":
            self.oco(*step[1:])
        elif step[0] == "oto":
            self.oto(*step[1:])
        elif step[0] == "trade":
            best = self.exchange.listings["BTCUSDT"].book.best(Side(step[1]).opposite)
            price = f"{best[0]}" if best else step[2]
            self.effects(self.bench.trade(step[1], price, step[3]))
        elif step[0] == "quote":
            middle = Decimal(step[1])
            bids = " ".join(f"{middle - Decimal(n) / 10}*{n}" for n in (1, 2, 3))
            asks = " ".join(f"{middle + Decimal(n) / 10}*{n}" for n in (1, 2, 3))
            self.bench.quote(bids, asks, last=step[1])
            self.effects(self.bench.effects)
        else:
            account, side, form, price, quantity = step
            try:
                _, effects = self.bench.place(f"{side} {form.format(p=price, q=quantity)}", account=account)
            except VenueError:
                return
            self.effects(effects)

    def amend(self, number: int, quantity: str) -> None:
        order = self.exchange.orders.get(number)
        if order is not None and order.is_open:
            with contextlib.suppress(VenueError):
                new_id = f"amended-{self.exchange.next_exec_id}"
                self.effects(self.exchange.amend(order, Decimal(quantity), new_id, now_ms=1))

    def oto(self, side: str, price: str, pending: tuple[str, str, str, str, str]) -> None:
        _, pending_side, form, pending_price, quantity = pending
        order = f"{pending_side} {form.format(p=pending_price, q=quantity)}"
        with contextlib.suppress(VenueError):
            self.effects(self.bench.oto(f"{side} LIMIT {quantity} @ {price} GTC", order)[1])

    def oco(self, side: str, one: str, two: str, quantity: str) -> None:
        high, low = max(one, two, key=Decimal), min(one, two, key=Decimal)
        limit, stop = f"{side} LIMIT_MAKER {quantity} @ {{}}", f"{side} STOP_LOSS {quantity} stop={{}}"
        above, below = (limit, stop) if side == "SELL" else (stop, limit)
        with contextlib.suppress(VenueError):
            self.effects(self.bench.oco(above.format(high), below.format(low))[1])


def assert_books_balance(exchange: Exchange) -> None:
    for account in exchange.accounts.values():
        held: dict[str, Decimal] = {}
        for order in exchange.orders.values():
            if order.account_id == account.account_id:
                asset = "USDT" if order.side is Side.BUY else "BTC"
                held[asset] = held.get(asset, Decimal(0)) + order.locked
                assert order.is_open or order.locked == 0
                assert 0 <= order.cum_quantity + order.prevented_quantity <= order.quantity
                assert order.locked >= 0
        for asset, balance in account.balances.items():
            assert balance.locked == held.get(asset, 0)
            assert balance.free >= 0
        flow = {"USDT": Decimal(10000), "BTC": Decimal(10)}
        for trade in exchange.trades.get((account.account_id, "BTCUSDT"), []):
            sign = 1 if trade.side is Side.BUY else -1
            flow["BTC"] += sign * trade.last_quantity
            flow["USDT"] -= sign * trade.quote
            flow[trade.fee_currency] -= trade.fee
        for asset, balance in account.balances.items():
            assert balance.free + balance.locked == flow[asset]


def assert_not_crossed(exchange: Exchange) -> None:
    book = exchange.listings["BTCUSDT"].book
    bid, ask = book.best(Side.BUY), book.best(Side.SELL)
    assert bid is None or ask is None or bid[0] < ask[0]


@pytest.fixture
def make_bench(bench: Any) -> Any:
    return type(bench)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=40))
def test_balances_are_conserved_and_locked_is_what_open_orders_hold(
    make_bench: Any, steps: list[tuple[Any, ...]]
) -> None:
    run = Run(make_bench())
    for step in steps:
        run.step(step)
        assert_books_balance(run.exchange)
        assert_not_crossed(run.exchange)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEPS, max_size=40))
def test_the_log_rebuilds_the_same_venue(make_bench: Any, steps: list[tuple[Any, ...]]) -> None:
    run = Run(make_bench())
    for step in steps:
        run.step(step)
    rebuilt = Exchange([run.exchange.listings["BTCUSDT"].rules], Fees())
    restorer = Restorer(rebuilt)
    for line in run.lines:
        restorer.apply(line)
    restorer.finish()
    assert facts(rebuilt) == facts(run.exchange)
    assert_books_balance(rebuilt)


def facts(exchange: Exchange) -> dict[str, Any]:
    listing = exchange.listings["BTCUSDT"]
    return {
        "balances": {
            (name, asset): (balance.free, balance.locked)
            for name, account in exchange.accounts.items()
            for asset, balance in account.balances.items()
        },
        "orders": {
            number: (
                order.status,
                order.client_order_id,
                order.cum_quantity,
                order.cum_quote,
                order.locked,
                order.leaves_quantity,
                order.is_working,
                order.trailing_ms,
                order.extreme_price,
            )
            for number, order in exchange.orders.items()
        },
        "trades": exchange.trades,
        "lists": exchange.lists,
        "prevented": exchange.prevented,
        "stops": [order.venue_order_id for order in listing.stops],
        "next": (exchange.next_order_id, exchange.next_exec_id, listing.next_trade_id),
        "open": [order.venue_order_id for order in exchange.open_orders("main", "BTCUSDT")],
    }


def test_a_log_that_contradicts_itself_is_refused(bench: Any) -> None:
    run = Run(bench)
    run.step(("main", "BUY", "LIMIT {q} @ {p} GTC", "99.70", "1"))
    run.lines[-1]["locked"] = "1"
    restorer = Restorer(Exchange([run.exchange.listings["BTCUSDT"].rules], Fees()))
    for line in run.lines:
        restorer.apply(line)
    with pytest.raises(RecordError, match="locked, open orders need 99.7"):
        restorer.finish()


@pytest.mark.parametrize(
    "line", [{"r": "nonsense", "op": 1}, {"r": "trade", "op": 1}, {"r": "balance", "op": 1, "account": "nobody"}]
)
def test_a_line_that_cannot_be_applied_is_refused(bench: Any, line: dict[str, Any]) -> None:
    with pytest.raises(RecordError):
        Restorer(bench.exchange).apply(line)


# ----------------------------------------------------------------------------------------------------------- campaign
CAMPAIGN_STEPS = int(os.environ.get("PITWIRE_CAMPAIGN", "5000"))
CHECK_EVERY = max(100, CAMPAIGN_STEPS // 50)


@pytest.mark.timeout(0 if "PITWIRE_CAMPAIGN" in os.environ else 60)
def test_a_long_run_conserves_balances_and_tells_of_every_trade(bench: Any) -> None:
    """A million operations with `make campaign`, a slice of them otherwise: the same ones for the same number."""
    chance = random.Random(CAMPAIGN_STEPS)
    run = Run(bench)
    streamed: dict[str, list[tuple[int, Decimal, Decimal]]] = {"main": [], "other": []}

    def hear(effects: Any) -> None:
        for report in effects.reports:
            if report.trade is not None:
                trade = report.trade
                streamed[trade.account_id].append((trade.trade_id, trade.last_price, trade.last_quantity))
        effects.take_balances()

    run.effects = hear  # type: ignore[method-assign]  # a million log lines would only fill the memory
    for number in range(CAMPAIGN_STEPS):
        run.step(random_step(chance, run.exchange))
        if number % CHECK_EVERY == 0:
            assert_books_balance(run.exchange)
            assert_not_crossed(run.exchange)
    assert_books_balance(run.exchange)
    for account, fills in streamed.items():
        mine = run.exchange.trades.get((account, "BTCUSDT"), [])
        assert fills == [(trade.trade_id, trade.last_price, trade.last_quantity) for trade in mine]
        assert len(fills) > CAMPAIGN_STEPS // 100


def random_step(chance: random.Random, exchange: Exchange) -> tuple[Any, ...]:
    """One operation of a client or the market."""
    prices = [f"{99.70 + 0.05 * number:.2f}" for number in range(13)]
    quantities = ["0.1", "0.5", "1", "2.5"]
    side, price, quantity = chance.choice(["BUY", "SELL"]), chance.choice(prices), chance.choice(quantities)
    order = (chance.choice(["main", "other"]), side, chance.choice(FORMS), price, quantity)
    newest = exchange.next_order_id
    kind = chance.random()
    if kind < 0.45:
        return order
    if kind < 0.60:
        return ("cancel", chance.randint(max(1, newest - 60), newest))
    if kind < 0.65:
        return ("amend", chance.randint(max(1, newest - 60), newest), quantity)
    if kind < 0.70:
        return ("oco", side, price, chance.choice(prices), quantity)
    if kind < 0.75:
        return ("oto", side, price, order)
    if kind < 0.90:
        return ("trade", side, price, quantity)
    return ("quote", chance.choice(["99.70", "99.90", "100.10", "100.30"]))
