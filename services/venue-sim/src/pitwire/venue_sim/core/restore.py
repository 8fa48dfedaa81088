"""How the lines of a log become the venue's state again."""

from decimal import Decimal

from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.ledger import Account, Balance
from pitwire.venue_sim.core.records import Record
from pitwire.venue_sim.core.types import (
    Amendment,
    Contingency,
    ExecType,
    Order,
    OrderList,
    OrderStatus,
    OrderType,
    Prevented,
    Side,
    TimeInForce,
    Trade,
)
from pitwire.venue_sim.core.units import ZERO


class RecordError(Exception):
    """The log does not describe a possible history of this venue."""


class Restorer:
    """Applies a log to a fresh exchange, line by line."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self.market_ms = 0
        self.operations = 0
        self._arrivals: dict[int, None] = {}
        """Orders as they last went to work or began to wait: their order in the queues."""
        self._taken: dict[tuple[str, int], Trade] = {}
        """What takers took from the market's own quotes in the newest instant of the log, by symbol and trade."""

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
            elif kind in {"wipe", "bust", "track"}:
                self._single(record)
            elif kind in {"list", "list_end", "prevented"}:
                self._lists(record)
            elif kind == "balance":
                balance = Balance(Decimal(record["free"]), Decimal(record["locked"]))
                account = self._exchange.accounts[record["account"]]
                account.balances[record["asset"]] = balance
                account.updated_ms = record["ts"]
            elif kind not in {"start", "reject", "transfer"}:
                raise RecordError(f"unknown record {kind!r}")
        except (KeyError, ValueError, ArithmeticError) as problem:
            raise RecordError(f"record {kind!r} of operation {record['op']}: {problem!r}") from problem
        if "exec_id" in record:
            self._exchange.next_exec_id = record["exec_id"] + 1

    def _order(self, record: Record) -> None:
        exchange = self._exchange
        self._arrivals.pop(record["order_id"], None)
        self._arrivals[record["order_id"]] = None
        known = exchange.orders.get(record["order_id"])
        if known is not None:
            known.working_ms, known.updated_ms = record["working"], record["ts"]
            known.funded, known.status = record.get("funded", True), OrderStatus.NEW
            known.hold_price = Decimal(record["hold_price"] if "hold_price" in record else record["limit_price"])
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
            hold_price=Decimal(record["hold_price"] if "hold_price" in record else record["limit_price"]),
            funded=record.get("funded", True),
            status=OrderStatus.PENDING_NEW if record.get("pending") else OrderStatus.NEW,
        )
        exchange.register(order)
        exchange.next_order_id = max(exchange.next_order_id, order.venue_order_id + 1)

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
        self._take(trade)
        listing = exchange.listings[order.symbol]
        listing.next_trade_id = max(listing.next_trade_id, trade.trade_id + 1)
        order.cum_quantity += quantity
        order.cum_quote += trade.quote
        order.updated_ms = trade.ts_ms
        order.status = OrderStatus(record["status"])
        if order.cum_quantity != Decimal(record["cum_quantity"]):
            raise RecordError(f"trade {trade.trade_id}: order {order.venue_order_id} does not sum up")
        self._settle(order)

    def _take(self, trade: Trade) -> None:
        """Trades of two users have a maker among them; they took nothing from the market."""
        if any(taken.ts_ms < trade.ts_ms for taken in self._taken.values()):
            self._taken.clear()
        if trade.is_maker:
            self._taken.pop((trade.symbol, trade.trade_id), None)
        else:
            self._taken[trade.symbol, trade.trade_id] = trade

    def _change(self, record: Record) -> None:
        order = self._exchange.orders[record["order_id"]]
        order.status = OrderStatus(record["status"])
        old_id, old_quantity = order.client_order_id, order.quantity
        order.quantity = Decimal(record["quantity"])
        order.prevented_quantity = Decimal(record["prevented"])
        order.updated_ms = record["ts"]
        if record["exec_type"] == ExecType.REPLACED:
            new_id = order.client_order_id = record["client_order_id"]
            order.amendments.append(
                Amendment(record["exec_id"], old_id, new_id, old_quantity, order.quantity, record["ts"])
            )
            self._exchange.register(order)
        self._settle(order)

    def _single(self, record: Record) -> None:
        exchange = self._exchange
        if record["r"] == "wipe":
            exchange.wipe()
        elif record["r"] == "bust":
            key = (record["account"], record["symbol"])
            exchange.trades[key] = [one for one in exchange.trades[key] if one.trade_id != record["trade_id"]]
        else:
            order = exchange.orders[record["order_id"]]
            order.trailing_ms, order.extreme_price = record["since"], Decimal(record["extreme_price"])

    def _lists(self, record: Record) -> None:
        exchange = self._exchange
        if record["r"] == "list_end":
            exchange.end_list(exchange.lists[record["list_id"]], record["ts"])
        elif record["r"] == "list":
            exchange.add_list(
                OrderList(
                    list_id=record["list_id"],
                    account_id=record["account"],
                    symbol=record["symbol"],
                    client_list_id=record["client_list_id"],
                    order_ids=record["order_ids"],
                    ts_ms=record["ts"],
                    contingency=Contingency(record["contingency"]),
                )
            )
        else:
            exchange.prevented.append(
                Prevented(
                    match_id=record["match_id"],
                    account_id=record["account"],
                    symbol=record["symbol"],
                    taker_order_id=record["taker_order_id"],
                    maker_order_id=record["maker_order_id"],
                    price=Decimal(record["price"]),
                    quantity=Decimal(record["quantity"]),
                    stp_mode=record["stp_mode"],
                    ts_ms=record["ts"],
                )
            )

    def _settle(self, order: Order) -> None:
        if not order.is_open:
            self._exchange.forget_open(order)

    def take_again(self, market_ms: int) -> None:
        """What was taken from the market's quotes in the instant at which it stands is gone from them still.

        Comes after `finish`, which puts the quotes up whole, except where a user's order stands in their way by now.
        """
        for trade in self._taken.values():
            book, side = self._exchange.listings[trade.symbol].book, trade.side.opposite
            quantity = min(trade.last_quantity, book.market_quantity(side, trade.last_price))
            if trade.ts_ms == market_ms and quantity:
                book.take_market(side, trade.last_price, quantity)

    def finish(self) -> None:
        """Put the open orders back to work, in the order in which they came, and check the books.

        Raises:
            RecordError: what the accounts hold locked is not what their open orders need.
        """
        exchange = self._exchange
        locked: dict[tuple[str, str], Decimal] = {}
        for number in self._arrivals:
            order = exchange.orders.get(number)
            if order is None or not order.is_open:
                continue
            listing = exchange.listings[order.symbol]
            asset = listing.held_asset(order.side)
            if order.funded:
                order.locked = order.leaves_quantity * (order.hold_price if order.side is Side.BUY else 1)
            key = (order.account_id, asset)
            locked[key] = locked.get(key, ZERO) + order.locked
            if order.is_working:
                listing.book.add(order)
                listing.book.top_up()
            elif order.status is not OrderStatus.PENDING_NEW:
                listing.stops.append(order)
        for account in exchange.accounts.values():
            for asset, balance in account.balances.items():
                needed = locked.get((account.account_id, asset), ZERO)
                if balance.locked != needed:
                    raise RecordError(
                        f"account {account.account_id}: {balance.locked} {asset} locked, open orders need {needed}"
                    )
