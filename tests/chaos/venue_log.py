"""The venue's append-only log, read with the standard library alone: its orders, trades and balances in fractions.

What a line means stands in services/venue-sim/MODEL.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

SYMBOLS = {"BTCUSDT": "BTC-USDT", "ETHUSDT": "ETH-USDT"}


@dataclass
class VenueOrder:
    """One order as the venue accepted it."""

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    order_type: str
    quantity: Fraction
    limit_price: Fraction
    status: str = "NEW"
    filled: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)

    @property
    def is_open(self) -> bool:
        return self.status in {"NEW", "PARTIALLY_FILLED"}

    @property
    def left(self) -> Fraction:
        return self.quantity - self.filled if self.is_open else Fraction(0)


@dataclass
class VenueTrade:
    """One trade of ours."""

    symbol: str
    trade_id: str
    order_id: str
    client_order_id: str
    side: str
    quantity: Fraction
    price: Fraction
    fee: Fraction
    fee_currency: str
    times: int = 1


@dataclass
class VenueBooks:
    """Everything in the log."""

    orders: dict[str, VenueOrder] = field(default_factory=dict[str, VenueOrder])
    trades: dict[tuple[str, str], VenueTrade] = field(default_factory=dict[tuple[str, str], VenueTrade])
    opening: dict[str, Fraction] = field(default_factory=dict[str, Fraction])
    balances: dict[str, Fraction] = field(default_factory=dict[str, Fraction])

    def by_name(self) -> dict[str, list[VenueOrder]]:
        """The orders of each client order id; more than one is a double order."""
        found: dict[str, list[VenueOrder]] = {}
        for order in self.orders.values():
            found.setdefault(order.client_order_id, []).append(order)
        return found

    def expected_balances(self) -> dict[str, Fraction]:
        """Opening balances, plus and minus every trade and fee."""
        found = dict(self.opening)
        for trade in self.trades.values():
            base, _, quote = trade.symbol.partition("-")
            sign = 1 if trade.side == "BUY" else -1
            found[base] = found.get(base, Fraction(0)) + sign * trade.quantity
            found[quote] = found.get(quote, Fraction(0)) - sign * trade.quantity * trade.price
            found[trade.fee_currency] = found.get(trade.fee_currency, Fraction(0)) - trade.fee
        return found


def read_venue_log(path: Path) -> VenueBooks:
    """Folds every complete operation of the log."""
    books = VenueBooks()
    for record in complete(path):
        kind = record["r"]
        if kind == "account":
            for asset, amount in record["balances"].items():
                books.opening[asset] = books.balances[asset] = Fraction(amount)
        elif kind == "order":
            _order(books, record)
        elif kind == "trade":
            _trade(books, record)
        elif kind in {"order_end", "order_change"}:
            order = books.orders[str(record["order_id"])]
            order.status, order.quantity = record["status"], Fraction(record["quantity"])
        elif kind == "balance":
            books.balances[record["asset"]] = Fraction(record["free"]) + Fraction(record["locked"])
    return books


def complete(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of operations whose end is there: a cut-off operation never happened."""
    operation: list[dict[str, Any]] = []
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                return
            record: dict[str, Any] = json.loads(line)
            operation.append(record)
            if record.get("end"):
                yield from operation
                operation = []


def _order(books: VenueBooks, record: dict[str, Any]) -> None:
    name = str(record["order_id"])
    if name in books.orders:  # a stop order that began to work
        return
    books.orders[name] = VenueOrder(
        name,
        record["client_order_id"],
        SYMBOLS[record["symbol"]],
        record["side"],
        record["order_type"],
        Fraction(record["quantity"]),
        Fraction(record["limit_price"]),
    )


def _trade(books: VenueBooks, record: dict[str, Any]) -> None:
    symbol, trade_id = SYMBOLS[record["symbol"]], str(record["trade_id"])
    known = books.trades.get((symbol, trade_id))
    if known is not None:
        known.times += 1
        return
    trade = VenueTrade(
        symbol,
        trade_id,
        str(record["order_id"]),
        record["client_order_id"],
        record["side"],
        Fraction(record["quantity"]),
        Fraction(record["price"]),
        Fraction(record["fee"]),
        record["fee_currency"],
    )
    books.trades[symbol, trade_id] = trade
    order = books.orders[trade.order_id]
    order.status = record["status"]
    order.filled += trade.quantity
    order.cost += trade.quantity * trade.price
