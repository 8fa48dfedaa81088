"""The venue as one object: the exchange, its market and its log, and the one way in which anything becomes true."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial

from pitwire.venue_sim.core.effects import BalanceChange, Effects
from pitwire.venue_sim.core.errors import INSUFFICIENT_BALANCE, VenueError, no_such_order, order_rejected
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.limits import RateLimiter
from pitwire.venue_sim.core.market import Driver
from pitwire.venue_sim.core.order_lists import submit_oco, submit_oto
from pitwire.venue_sim.core.records import balance_records, effect_records, reject_record
from pitwire.venue_sim.core.types import ExecType, NewOrder, Order, OrderList, OrderStatus, Side
from pitwire.venue_sim.handlers.faults import Faults
from pitwire.venue_sim.handlers.listen_keys import ListenKeys
from pitwire.venue_sim.handlers.security import Keyring
from pitwire.venue_sim.handlers.shapes import account_position, balance_update, execution_report, list_status
from pitwire.venue_sim.ports import EventLog, MarketTime, Publisher


@dataclass(slots=True)
class Counters:
    """What /metrics shows of the order side."""

    accepted: int = 0
    rejected: int = 0
    trades: int = 0
    cancels: int = 0


@dataclass(slots=True, kw_only=True)
class Venue:
    """Everything a request can reach. Effects are logged first, then clients are told."""

    exchange: Exchange
    driver: Driver
    keyring: Keyring
    limiter: RateLimiter
    log: EventLog
    publisher: Publisher
    time: MarketTime
    wall_ms: Callable[[], int]
    faults: Faults = field(default_factory=Faults)
    listen_keys: ListenKeys | None = None
    counters: Counters = field(default_factory=Counters)

    def place(self, account_id: str, new: NewOrder) -> tuple[Order, Effects]:
        """Accept a new order, or raise what it is refused with."""
        now_ms = self.wall_ms()
        self.limiter.check_order(account_id, now_ms=now_ms)
        order, effects = self.exchange.submit(account_id, new, now_ms=self.time.market_ms())
        self.counters.accepted += 1
        self.limiter.count_orders(account_id, 1, now_ms=now_ms)
        self.commit(effects)
        return order, effects

    def cancel(self, order: Order, cancel_id: str | None) -> str:
        """Cancel an open order; the id of the cancel."""
        cancel_id = cancel_id or f"cancel-{self.exchange.next_exec_id}"
        self.commit(self.exchange.cancel(order, cancel_id=cancel_id, now_ms=self.time.market_ms()))
        return cancel_id

    def place_oco(
        self, account_id: str, above: NewOrder, below: NewOrder, client_list_id: str | None
    ) -> tuple[OrderList, Effects]:
        """Accept both legs of an OCO, or raise what it is refused with."""
        return self._place_list(
            account_id, 2, client_list_id, partial(submit_oco, self.exchange, account_id, above, below)
        )

    def place_oto(
        self, account_id: str, working: NewOrder, pending: list[NewOrder], client_list_id: str | None
    ) -> tuple[OrderList, Effects]:
        """Accept a working order and what waits for it, or raise what they are refused with."""
        submit = partial(submit_oto, self.exchange, account_id, working, pending)
        return self._place_list(account_id, 1 + len(pending), client_list_id, submit)

    def _place_list(
        self,
        account_id: str,
        orders: int,
        client_list_id: str | None,
        submit: Callable[..., tuple[OrderList, Effects]],
    ) -> tuple[OrderList, Effects]:
        now_ms = self.wall_ms()
        self.limiter.check_order(account_id, now_ms=now_ms, orders=orders)
        order_list, effects = submit(
            client_list_id=client_list_id or f"venue-list-{self.exchange.next_list_id}", now_ms=self.time.market_ms()
        )
        self.counters.accepted += orders
        self.limiter.count_orders(account_id, orders, now_ms=now_ms)
        self.commit(effects)
        return order_list, effects

    def amend(self, order: Order, quantity: Decimal, client_order_id: str | None) -> int:
        """Lower an open order's quantity; the id of the execution."""
        exec_id = self.exchange.next_exec_id
        new_id = client_order_id or f"amend-{exec_id}"
        self.commit(self.exchange.amend(order, quantity, new_id, now_ms=self.time.market_ms()))
        return exec_id

    def refuse(self, account_id: str, request: str, params: dict[str, str], error: VenueError) -> None:
        """Log a refused trading request."""
        self.counters.rejected += 1
        record = reject_record(
            account_id,
            request=request,
            params=params,
            code=error.code,
            msg=error.msg,
            now_ms=self.time.market_ms(),
        )
        self.log.append([record])

    def wipe(self) -> None:
        """Forget every order and trade and give each account what it began with, as a testnet does now and then."""
        self.exchange.wipe()
        self.log.append([{"r": "wipe", "ts": self.time.market_ms()}])
        self.exchange.revision += 1
        for symbol in self.exchange.listings:
            self.publisher.book_changed(symbol)

    def transfer(self, account_id: str, asset: str, amount: Decimal) -> None:
        """Give an account something from outside, or take it away; its programs are told by a balanceUpdate.

        Raises:
            VenueError: -2010 when it has less than is taken away.
        """
        self._adjust(account_id, {asset: amount}, {"r": "transfer", "account": account_id})

    def bust(self, account_id: str, symbol: str, trade_id: int) -> None:
        """Undo a trade of an account: it is gone from its trades, the balances are as if it had not been.

        The order keeps what it says of itself, as does every event sent before. The counterparty's side stands.

        Raises:
            VenueError: -2013 for an unknown trade, -2010 when the account has spent what it got.
        """
        trades = self.exchange.trades.get((account_id, symbol), [])
        trade = next((one for one in trades if one.trade_id == trade_id), None)
        if trade is None:
            raise no_such_order()
        rules = self.exchange.listings[symbol].rules
        sign = 1 if trade.side is Side.SELL else -1
        deltas = {rules.base: sign * trade.last_quantity, rules.quote: -sign * trade.quote}
        deltas[trade.fee_currency] += trade.fee
        record: dict[str, object] = {"r": "bust", "account": account_id, "symbol": symbol, "trade_id": trade_id}
        self._adjust(account_id, deltas, record)
        trades.remove(trade)

    def _adjust(self, account_id: str, deltas: dict[str, Decimal], record: dict[str, object]) -> None:
        account, now_ms = self.exchange.accounts[account_id], self.time.market_ms()
        if any(account.free(asset) + delta < 0 for asset, delta in deltas.items()):
            raise order_rejected(INSUFFICIENT_BALANCE)
        for asset, delta in deltas.items():
            account.change(asset, free=delta)
        account.updated_ms = now_ms
        changes = [(account_id, *change) for change in account.take_touched()]
        self.log.append([record | {"ts": now_ms}, *balance_records(changes, now_ms)])
        events = [balance_update(asset, delta, now_ms) for asset, delta in deltas.items()]
        self.publisher.account_changed(account_id, [*events, account_position(changes, now_ms)])

    def advance_market(self) -> None:
        """Play the market's next instant and tell everyone."""
        moves, effects = self.driver.advance()
        self.commit(effects, by_market=True)
        self.log.save_position(effects.now_ms)
        self.publisher.market_moved(moves)

    def commit(self, effects: Effects, *, by_market: bool = False) -> None:
        """Log what an operation did, then tell the clients it concerns."""
        if not effects.reports and not effects.tracked:
            return
        balances = effects.take_balances()
        self.log.append(effect_records(effects, balances))
        self._count(effects)
        self._tell_owners(effects, balances)
        if not by_market:
            self.exchange.revision += 1
            for symbol in {report.order.symbol: None for report in effects.reports}:
                self.publisher.book_changed(symbol)

    def _count(self, effects: Effects) -> None:
        counters = self.counters
        for report in effects.reports:
            if report.exec_type is ExecType.TRADE:
                counters.trades += 1
                if report.status is OrderStatus.FILLED:
                    self.limiter.count_orders(report.order.account_id, -1, now_ms=self.wall_ms())
            elif report.exec_type is ExecType.CANCELED:
                counters.cancels += 1

    def _tell_owners(self, effects: Effects, balances: list[BalanceChange]) -> None:
        """The user data events of every account concerned that somebody listens to."""
        for account_id in {report.order.account_id: None for report in effects.reports}:
            if not self.publisher.hears(account_id):
                continue
            events = [execution_report(report) for report in effects.reports if report.order.account_id == account_id]
            for order_list, is_done in effects.lists:
                if order_list.account_id == account_id:
                    legs = self.exchange.list_orders(order_list)
                    events.append(list_status(order_list, legs, is_done=is_done, ts_ms=effects.now_ms))
            changed = [change for change in balances if change[0] == account_id]
            if changed:
                events.append(account_position(changed, effects.now_ms))
            self.publisher.account_changed(account_id, events)
