"""The log's records: how operations become lines, and how lines become the venue's state again.

Every operation is one batch of lines with the same `op` number; the last line of a batch has `end`. A batch without
its end was cut off by a crash before anyone had heard of it.
"""

from decimal import Decimal
from typing import Any

from pitwire.venue_sim.core.effects import BalanceChange, Effects
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.ledger import Account, Balance
from pitwire.venue_sim.core.types import (
    OPEN_STATES,
    ExecType,
    Order,
    OrderStatus,
    OrderType,
    Report,
    Side,
    TimeInForce,
    Trade,
)
from pitwire.venue_sim.core.units import ZERO

Record = dict[str, Any]
FORMAT = 1


class RecordError(Exception):
    """The log does not describe a possible history of this venue."""


def start_record(exchange: Exchange, *, identity: str) -> Record:
    """The first line of a log: which market, which symbols, which fees."""
    return {
        "r": "start",
        "format": FORMAT,
        "market": identity,
        "symbols": list(exchange.listings),
        "maker_fee": str(exchange.fees.maker),
        "taker_fee": str(exchange.fees.taker),
    }


def account_record(account: Account) -> Record:
    """An account and what it was given."""
    return {
        "r": "account",
        "account": account.account_id,
        "balances": {asset: str(balance.free) for asset, balance in account.balances.items()},
    }


def reject_record(account_id: str, *, request: str, params: dict[str, str], code: int, msg: str, now_ms: int) -> Record:
    """A refused order, cancel or amendment, with the parameters as they came (without key and signature)."""
    return {
        "r": "reject",
        "ts": now_ms,
        "account": account_id,
        "request": request,
        "params": params,
        "code": code,
        "msg": msg,
    }


def effect_records(effects: Effects, balances: list[BalanceChange]) -> list[Record]:
    """The lines of one operation: each report, then each balance that changed."""
    records = [_report_record(report) for report in effects.reports]
    for account, asset, free, locked in balances:
        amounts = {"asset": asset, "free": str(free), "locked": str(locked)}
        records.append({"r": "balance", "ts": effects.now_ms, "account": account, **amounts})
    return records


def _report_record(report: Report) -> Record:
    order, trade = report.order, report.trade
    if trade is not None:
        return {
            "r": "trade",
            "ts": report.ts_ms,
            "account": trade.account_id,
            "symbol": trade.symbol,
            "trade_id": trade.trade_id,
            "order_id": trade.venue_order_id,
            "client_order_id": order.client_order_id,
            "side": trade.side.value,
            "price": str(trade.last_price),
            "quantity": str(trade.last_quantity),
            "fee": str(trade.fee),
            "fee_currency": trade.fee_currency,
            "liquidity": "MAKER" if trade.is_maker else "TAKER",
            "status": report.status.value,
            "cum_quantity": str(report.cum_quantity),
            "cum_quote": str(report.cum_quote),
            "exec_id": report.exec_id,
        }
    if report.exec_type is ExecType.NEW and report.status is OrderStatus.NEW and not report.orig_client_order_id:
        return _order_record(report)
    return {
        "r": "order_change" if report.status in OPEN_STATES else "order_end",
        "ts": report.ts_ms,
        "account": order.account_id,
        "symbol": order.symbol,
        "order_id": order.venue_order_id,
        "client_order_id": order.client_order_id,
        "cancel_id": report.client_order_id if report.orig_client_order_id else "",
        "status": report.status.value,
        "exec_type": report.exec_type.value,
        "reason": report.reason,
        "quantity": str(report.quantity),
        "prevented": str(order.prevented_quantity),
        "exec_id": report.exec_id,
    }


def _order_record(report: Report) -> Record:
    order = report.order
    record: Record = {
        "r": "order",
        "ts": report.ts_ms,
        "account": order.account_id,
        "symbol": order.symbol,
        "order_id": order.venue_order_id,
        "client_order_id": order.client_order_id,
        "side": order.side.value,
        "order_type": order.order_type.value,
        "time_in_force": order.time_in_force.value,
        "quantity": str(report.quantity),
        "limit_price": str(order.limit_price),
        "created": order.created_ms,
        "working": report.working_ms,
        "exec_id": report.exec_id,
    }
    optional = {
        "quote_quantity": str(order.quote_quantity) if order.quote_quantity else None,
        "stop_price": str(order.stop_price) if order.stop_price else None,
        "iceberg_quantity": str(order.iceberg_quantity) if order.iceberg_quantity else None,
        "trailing_delta": order.trailing_delta,
        "strategy_id": order.strategy_id,
        "strategy_type": order.strategy_type,
        "list_id": order.list_id if order.list_id >= 0 else None,
        "stp_mode": order.stp_mode if order.stp_mode != "NONE" else None,
    }
    record.update((key, value) for key, value in optional.items() if value is not None)
    return record


class Restorer:
    """Applies a log to a fresh exchange, line by line."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.market_ms = 0
        self.operations = 0

    def apply(self, record: Record) -> None:
        """Apply one line.

        Raises:
            RecordError: the line contradicts those before it.
        """
        kind = record.get("r")
        self.market_ms = max(self.market_ms, record.get("ts", 0))
        self.operations = record["op"]
        try:
            if kind == "account":
                free = {asset: Decimal(amount) for asset, amount in record["balances"].items()}
                self._exchange.accounts[record["account"]] = Account(record["account"], free)
            elif kind == "order":
                self._order(record)
            elif kind == "trade":
                self._trade(record)
            elif kind in {"order_end", "order_change"}:
                self._change(record)
            elif kind == "balance":
                balance = Balance(Decimal(record["free"]), Decimal(record["locked"]))
                account = self._exchange.accounts[record["account"]]
                account.balances[record["asset"]] = balance
                account.updated_ms = record["ts"]
            elif kind not in {"start", "reject", "market"}:
                raise RecordError(f"unknown record {kind!r}")
        except (KeyError, ValueError, ArithmeticError) as problem:
            raise RecordError(f"record {kind!r} of operation {record['op']}: {problem!r}") from problem
        if "exec_id" in record:
            self._exchange.next_exec_id = record["exec_id"] + 1

    def _order(self, record: Record) -> None:
        exchange = self._exchange
        known = exchange.orders.get(record["order_id"])
        if known is not None:
            known.working_ms = record["working"]
            return
        order = Order(
            venue_order_id=record["order_id"],
            account_id=record["account"],
            client_order_id=record["client_order_id"],
            symbol=record["symbol"],
            side=Side(record["side"]),
            order_type=OrderType(record["order_type"]),
            time_in_force=TimeInForce(record["time_in_force"]),
            quantity=Decimal(record["quantity"]),
            limit_price=Decimal(record["limit_price"]),
            created_ms=record["created"],
            quote_quantity=Decimal(record.get("quote_quantity", 0)),
            stop_price=Decimal(record.get("stop_price", 0)),
            trailing_delta=record.get("trailing_delta"),
            iceberg_quantity=Decimal(record.get("iceberg_quantity", 0)),
            strategy_id=record.get("strategy_id"),
            strategy_type=record.get("strategy_type"),
            list_id=record.get("list_id", -1),
            stp_mode=record.get("stp_mode", "NONE"),
            updated_ms=record["ts"],
            working_ms=record["working"],
        )
        exchange.register(order)
        exchange.next_order_id = order.venue_order_id + 1

    def _trade(self, record: Record) -> None:
        exchange = self._exchange
        order = exchange.orders[record["order_id"]]
        price, quantity = Decimal(record["price"]), Decimal(record["quantity"])
        trade = Trade(
            symbol=order.symbol,
            trade_id=record["trade_id"],
            venue_order_id=order.venue_order_id,
            account_id=order.account_id,
            side=order.side,
            last_price=price,
            last_quantity=quantity,
            quote=price * quantity,
            fee=Decimal(record["fee"]),
            fee_currency=record["fee_currency"],
            is_maker=record["liquidity"] == "MAKER",
            ts_ms=record["ts"],
            list_id=order.list_id,
        )
        exchange.trades.setdefault((order.account_id, order.symbol), []).append(trade)
        listing = exchange.listings[order.symbol]
        listing.next_trade_id = max(listing.next_trade_id, trade.trade_id + 1)
        order.cum_quantity += quantity
        order.cum_quote += trade.quote
        order.updated_ms = trade.ts_ms
        order.status = OrderStatus(record["status"])
        if order.cum_quantity != Decimal(record["cum_quantity"]):
            raise RecordError(f"trade {trade.trade_id}: order {order.venue_order_id} does not sum up")
        self._settle(order)

    def _change(self, record: Record) -> None:
        order = self._exchange.orders[record["order_id"]]
        order.status = OrderStatus(record["status"])
        order.quantity = Decimal(record["quantity"])
        order.prevented_quantity = Decimal(record["prevented"])
        order.updated_ms = record["ts"]
        self._settle(order)

    def _settle(self, order: Order) -> None:
        if not order.is_open:
            self._exchange.forget_open(order)

    def finish(self) -> None:
        """Put the open orders back to work, in the order in which they came, and check the books.

        Raises:
            RecordError: what the accounts hold locked is not what their open orders need.
        """
        exchange = self._exchange
        locked: dict[tuple[str, str], Decimal] = {}
        for order in exchange.orders.values():
            if not order.is_open:
                continue
            listing = exchange.listings[order.symbol]
            asset = listing.rules.quote if order.side is Side.BUY else listing.rules.base
            price = order.limit_price or order.stop_price
            order.locked = order.leaves_quantity * (price if order.side is Side.BUY else 1)
            key = (order.account_id, asset)
            locked[key] = locked.get(key, ZERO) + order.locked
            if order.is_working:
                listing.book.add(order)
                listing.book.top_up()
            else:
                listing.stops.append(order)
        for account in exchange.accounts.values():
            for asset, balance in account.balances.items():
                needed = locked.get((account.account_id, asset), ZERO)
                if balance.locked != needed:
                    raise RecordError(
                        f"account {account.account_id}: {balance.locked} {asset} locked, open orders need {needed}"
                    )
