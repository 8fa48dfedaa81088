"""The venue's words to execution events: each fact told once, whatever path brought it, however often.

The ws answer, the private stream and a reconcile may all bring the same fill or the same end of an order. What was told
already is told no more: trades by their key, states by comparing with what the queue to the journal will have made of
the order. A repeated, late or early word is normal and never an error.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from pitwire.common.enums import AlertSeverity, ExecType, OrderStatus, OrderType
from pitwire.common.fills import trade_key
from pitwire.common.ids import EXTERNAL_STRATEGY
from pitwire.common.money import ZERO, difference, on_wire, total
from pitwire.common.order_state import OrderState, apply
from pitwire.common.order_transitions import Anomaly
from pitwire.common.schemas.execution import ExecReport
from pitwire.execution.core.actions import Action, Alarm, Cancel, FetchTrades, Tell
from pitwire.execution.core.approvals import Setup
from pitwire.execution.core.orders import Entry, Orders
from pitwire.execution.core.venue import OrderFacts, VenueOrder, VenueTrade

UNPLACED: Final = 1
"""`exec_no` of an event before the writer gives it its place."""

REASON_MAX: Final = 500

_END: Final = {
    OrderStatus.CANCELED: ExecType.CANCELED,
    OrderStatus.EXPIRED: ExecType.EXPIRED,
    OrderStatus.REJECTED: ExecType.REJECTED,
}
_WAITING_FOR_WORD: Final = frozenset({OrderStatus.PENDING_NEW, OrderStatus.UNKNOWN})


class Teller:
    """Makes the execution events of one account. Market time for what no venue dates comes from what was seen last."""

    def __init__(self, setup: Setup, orders: Orders) -> None:
        self._setup = setup
        self._orders = orders
        self.ts_market_ns = 0

    def tell(self, facts: OrderFacts, venue_account: str, now_ns: int) -> list[Action]:
        """Events for everything in `facts` that was not told yet; an order that is not ours is adopted as EXTERNAL."""
        order = facts.order
        self.ts_market_ns = max(self.ts_market_ns, order.ts_event_ns)
        entry = self._orders.get(order.client_order_id)
        if entry is None:
            entry = self._adopt(facts, venue_account, now_ns)
            if entry is None:
                return []
        actions: list[Action] = []
        was = entry.told
        if entry.doubt is not None:
            entry.doubt.present()
        new_trades = self._new_trades(facts, venue_account)
        prior = self._prior(entry, order)
        if self._needs_acknowledgement(entry, order, new_trades):
            actions += self._queue(entry, self._report(entry, order, now_ns, exec_type=ExecType.NEW, prior=prior))
        for trade in new_trades:
            actions += self._trade(entry, order, trade, facts.exec_id, now_ns)
        actions += self._end(entry, facts, prior, now_ns)
        if self.lacks_trades(entry, order):
            actions.append(FetchTrades(order.client_order_id))
        if was.status is OrderStatus.REJECTED and not order.status.is_terminal:
            text = f"{order.client_order_id} was told REJECTED, yet works at {venue_account}"
            actions.append(Alarm(AlertSeverity.CRITICAL, "REJECTED_ORDER_WORKS", text, was.strategy))
            actions.append(Cancel(order.client_order_id))
        return actions

    def lacks_trades(self, entry: Entry, order: VenueOrder) -> bool:
        """The venue counts more filled than the trades that were told."""
        return difference(order.cum_quantity, self._prior(entry, order)) > entry.told.cum_quantity

    def rejected(self, entry: Entry, reason: str, now_ns: int) -> list[Action]:
        """The venue did not take it, beyond doubt."""
        if entry.told.status.is_terminal:
            return []
        return self._own_word(entry, ExecType.REJECTED, OrderStatus.REJECTED, reason, now_ns)

    def vanished(self, entry: Entry, now_ns: int) -> list[Action]:
        """The venue had it and knows it no longer: over, with nothing more to come."""
        return self._own_word(entry, ExecType.EXPIRED, OrderStatus.EXPIRED, "VANISHED", now_ns)

    def unknown(self, entry: Entry, reason: str, now_ns: int) -> list[Action]:
        """Nobody knows what became of it."""
        if entry.told.status.is_terminal or entry.told.status is OrderStatus.UNKNOWN:
            return []
        return self._own_word(entry, ExecType.UNKNOWN, OrderStatus.UNKNOWN, reason, now_ns)

    def cancel_pending(self, entry: Entry, reason: str, now_ns: int) -> list[Action]:
        """A cancel that no ledger record announced is on its way."""
        if entry.told.status not in {OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED, OrderStatus.PENDING_NEW}:
            return []
        return self._own_word(entry, ExecType.STATUS, OrderStatus.PENDING_CANCEL, reason, now_ns)

    # -- the parts of `tell` ---------------------------------------------------------------------------------------

    def _new_trades(self, facts: OrderFacts, venue_account: str) -> list[VenueTrade]:
        """Those that were not told, in the venue's order, each once even where the venue repeats itself."""
        venue = self._setup.venue_accounts[venue_account]
        fresh: dict[str, VenueTrade] = {}
        for trade in facts.trades:
            key = f"{venue}|{venue_account}|{trade.instrument_id}|{trade.trade_id}"
            if trade.quantity and self._orders.is_new_trade(key):
                fresh.setdefault(key, trade)
        return list(fresh.values())

    @staticmethod
    def _prior(entry: Entry, order: VenueOrder) -> Decimal:
        """What an adopted order had filled before it was ours to book; 0 for our own."""
        return max(difference(order.quantity, entry.told.quantity), ZERO) if entry.told.external else ZERO

    @staticmethod
    def _needs_acknowledgement(entry: Entry, order: VenueOrder, new_trades: list[VenueTrade]) -> bool:
        """A trade or an end acknowledges by itself; an order that cannot rest has one of them in its answer."""
        if order.status in _END or new_trades or (entry.awaiting and not entry.can_rest):
            return False
        waiting = entry.told.status in _WAITING_FOR_WORD
        return waiting or (entry.told.is_active and not entry.told.venue_order_id)

    def _trade(self, entry: Entry, order: VenueOrder, trade: VenueTrade, exec_id: str, now_ns: int) -> list[Action]:
        told = entry.told
        cum_quantity = total(told.cum_quantity, trade.quantity)
        is_filled = cum_quantity >= told.quantity
        status = OrderStatus.FILLED if is_filled else OrderStatus.PARTIALLY_FILLED
        report = self._report(
            entry,
            order,
            now_ns,
            exec_type=ExecType.TRADE,
            status=told.status if told.status.is_terminal else status,
            instrument_id=trade.instrument_id,
            side=trade.side,
            exec_id=exec_id,
            trade_id=trade.trade_id,
            last_quantity=trade.quantity,
            last_price=trade.price,
            cum_quantity=cum_quantity,
            fee=trade.fee,
            fee_currency=trade.fee_currency,
            liquidity=trade.liquidity,
            ts_event_ns=trade.ts_event_ns,
        )
        return self._queue(entry, report, trade=trade_key(report))

    def _end(self, entry: Entry, facts: OrderFacts, prior: Decimal, now_ns: int) -> list[Action]:
        exec_type = _END.get(facts.order.status)
        if exec_type is None or entry.told.status.is_terminal:
            return []
        report = self._report(
            entry,
            facts.order,
            now_ns,
            exec_type=exec_type,
            exec_id=facts.exec_id,
            prior=prior,
            reason=facts.order.reason,
        )
        return self._queue(entry, report)

    # -- adoption ------------------------------------------------------------------------------------------------

    def _adopt(self, facts: OrderFacts, venue_account: str, now_ns: int) -> Entry | None:
        """An entry for an order that no approval explains; None where there is nothing of it to tell."""
        order = facts.order
        new_trades = self._new_trades(facts, venue_account)
        if order.status.is_terminal and not new_trades:
            return None
        newly = ZERO
        for trade in new_trades:
            newly = total(newly, trade.quantity)
        prior = max(difference(order.cum_quantity, newly), ZERO)
        strategy = self._orders.strategy_of(order.client_order_id)
        state = OrderState(
            client_order_id=order.client_order_id,
            account=self._setup.account,
            strategy=strategy or EXTERNAL_STRATEGY,
            instrument_id=order.instrument_id,
            side=order.side,
            order_type=order.order_type,
            quantity=difference(order.quantity, prior),
            venue=self._setup.venue_accounts[venue_account],
            venue_account=venue_account,
            limit_price=order.limit_price,
            stop_price=order.stop_price,
            external=strategy is None,
            submitted=True,
            created_ns=now_ns,
        )
        entry = Entry(order=state, told=state)
        self._orders.add(entry)
        return entry

    # -- reports -------------------------------------------------------------------------------------------------

    def _own_word(
        self, entry: Entry, exec_type: ExecType, status: OrderStatus, reason: str, now_ns: int
    ) -> list[Action]:
        """What we conclude ourselves, at the newest market time seen."""
        told = entry.told
        shown = VenueOrder(
            client_order_id=told.client_order_id,
            venue_order_id=told.venue_order_id,
            instrument_id=told.instrument_id,
            side=told.side,
            order_type=told.order_type,
            quantity=told.quantity,
            status=status,
            cum_quantity=told.cum_quantity,
            ts_event_ns=self.ts_market_ns,
        )
        return self._queue(entry, self._report(entry, shown, now_ns, exec_type=exec_type, status=status, reason=reason))

    def _report(
        self,
        entry: Entry,
        order: VenueOrder,
        now_ns: int,
        *,
        exec_type: ExecType,
        status: OrderStatus | None = None,
        prior: Decimal = ZERO,
        **fields: Any,
    ) -> ExecReport:
        told = entry.told
        order_status = status or (OrderStatus.NEW if exec_type is ExecType.NEW else order.status)
        cum_quantity = fields.pop("cum_quantity", max(difference(order.cum_quantity, prior), told.cum_quantity))
        is_over = order_status.is_terminal or cum_quantity >= told.quantity
        values: dict[str, Any] = {
            "account": told.account,
            "exec_no": UNPLACED,
            "epoch": 0,
            "strategy": told.strategy,
            "client_order_id": told.client_order_id,
            "trace": entry.trace,
            "ts_ns": now_ns,
            "venue": told.venue,
            "venue_account": told.venue_account,
            "instrument_id": order.instrument_id,
            "side": order.side,
            "venue_order_id": order.venue_order_id,
            "exec_type": exec_type,
            "order_status": order_status,
            "order_quantity": told.quantity,
            "cum_quantity": cum_quantity,
            "leaves_quantity": ZERO if is_over else difference(told.quantity, cum_quantity),
            "average_price": on_wire(told.average_price or ZERO),
            "external": told.external,
            "ts_event_ns": order.ts_event_ns,
            "ts_recv_ns": now_ns,
        }
        if told.external:
            values |= {"order_type": told.order_type, **_prices(told)}
        fields["reason"] = str(fields.get("reason", ""))[:REASON_MAX]
        return ExecReport(**(values | fields))

    def _queue(self, entry: Entry, report: ExecReport, *, trade: str = "") -> list[Action]:
        applied = apply(entry.told, report)
        if trade:
            report = report.model_copy(update={"average_price": on_wire(applied.order.average_price or ZERO)})
        self._orders.queue(entry, applied.order, trade=trade)
        return [Tell(report), *(alarm_of(odd) for odd in applied.anomalies)]


def alarm_of(odd: Anomaly) -> Alarm:
    """What pauses a strategy needs a person at once; the rest was handled."""
    severity = AlertSeverity.CRITICAL if odd.code.pauses_strategy else AlertSeverity.WARNING
    return Alarm(severity, odd.code.value, f"{odd.client_order_id}: {odd.detail}", odd.strategy)


def _prices(told: OrderState) -> dict[str, Decimal | None]:
    prices: dict[str, Decimal | None] = {"stop_price": told.stop_price}
    if told.order_type.has_limit_price or told.order_type is OrderType.LIMIT:
        prices["limit_price"] = told.limit_price
    return prices
