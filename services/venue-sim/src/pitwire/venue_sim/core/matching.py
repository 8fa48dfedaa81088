"""Executing orders against the book: funds, fills, fees, and what becomes of the rest."""

from decimal import Decimal
from typing import TYPE_CHECKING

from pitwire.venue_sim.core.book import Match
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.types import (
    MARKET_KINDS,
    ExecType,
    Order,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
    Trade,
)
from pitwire.venue_sim.core.units import ZERO, cut

if TYPE_CHECKING:
    from pitwire.venue_sim.core.exchange import Exchange, Listing

REASON_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
REASON_IOC = "UNFILLED_IOC_QUANTITY_EXPIRED"
REASON_FOK = "UNFILLED_FOK_ORDER_EXPIRED"


class Matcher:
    """The rules by which an accepted order trades."""

    def __init__(self, exchange: "Exchange") -> None:
        self._exchange = exchange

    # ------------------------------------------------------------------------------------------------------- checks
    def funds_needed(self, listing: "Listing", order: Order) -> Decimal:
        """What an order must hold: base for a sell; for a buy its limit value, or what the book asks for it now."""
        if order.side is Side.SELL:
            return order.quantity
        if order.order_type not in MARKET_KINDS:
            return order.limit_price * order.quantity
        if order.order_type is OrderType.MARKET:
            matches = listing.book.plan(Side.BUY, order.quantity, None)
            return sum((match.price * match.quantity for match in matches), ZERO)
        return order.stop_price * order.quantity

    def crosses(self, order: Order, opposite_price: Decimal) -> bool:
        """Would the order trade with a resting order at `opposite_price`?"""
        if order.side is Side.BUY:
            return order.limit_price >= opposite_price
        return order.limit_price <= opposite_price

    def triggers(self, order: Order, last_price: Decimal) -> bool:
        """Does a trade at `last_price` wake the stop order?"""
        if not last_price:
            return False
        rises = (order.side is Side.BUY) == (order.order_type in {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT})
        return last_price >= order.stop_price if rises else last_price <= order.stop_price

    # ----------------------------------------------------------------------------------------------------- matching
    def work(self, listing: "Listing", order: Order, effects: Effects) -> None:
        """Match a working order and settle what it has left: rest, or expire."""
        limit = None if order.order_type in MARKET_KINDS else order.limit_price
        matches = listing.book.plan(order.side, order.leaves_quantity, limit)
        offered = sum((match.quantity for match in matches), ZERO)
        if order.time_in_force is TimeInForce.FOK and offered < order.leaves_quantity:
            self._exchange.finish(order, OrderStatus.EXPIRED, effects, reason=REASON_FOK)
            return
        for match in matches:
            self._take(listing, order, match, effects)
        if order.is_open:
            self._settle_rest(listing, order, effects)

    def _settle_rest(self, listing: "Listing", order: Order, effects: Effects) -> None:
        if order.order_type in MARKET_KINDS:
            self._exchange.finish(order, OrderStatus.EXPIRED, effects, reason=REASON_LIQUIDITY)
        elif order.time_in_force is TimeInForce.GTC:
            listing.book.add(order)
        else:
            self._exchange.finish(order, OrderStatus.EXPIRED, effects, reason=REASON_IOC)

    def _take(self, listing: "Listing", taker: Order, match: Match, effects: Effects) -> None:
        trade_id = listing.next_trade_id
        listing.next_trade_id += 1
        if match.maker is None:
            listing.book.take_market(taker.side.opposite, match.price, match.quantity)
            self._fill(listing, taker, match, trade_id, is_maker=False, effects=effects)
            return
        self._fill(listing, taker, match, trade_id, is_maker=False, effects=effects)
        self._fill(listing, match.maker, match, trade_id, is_maker=True, effects=effects)

    def fill_maker(self, listing: "Listing", match: Match, effects: Effects) -> None:
        """The market trades with a user's resting order."""
        if match.maker is not None:
            trade_id = listing.next_trade_id
            listing.next_trade_id += 1
            self._fill(listing, match.maker, match, trade_id, is_maker=True, effects=effects)

    def _fill(
        self, listing: "Listing", order: Order, match: Match, trade_id: int, *, is_maker: bool, effects: Effects
    ) -> None:
        exchange, rules = self._exchange, listing.rules
        account = exchange.accounts[order.account_id]
        price, quantity = match.price, match.quantity
        quote = price * quantity
        rate = exchange.fees.maker if is_maker else exchange.fees.taker
        if order.side is Side.BUY:
            fee, fee_currency = cut(quantity * rate), rules.base
            held = quote if order.order_type in MARKET_KINDS else order.limit_price * quantity
            held = min(held, order.locked)
            account.change(rules.quote, free=held - quote, locked=-held)
            account.change(rules.base, free=quantity - fee)
        else:
            fee, fee_currency = cut(quote * rate), rules.quote
            held = quantity
            account.change(rules.base, locked=-held)
            account.change(rules.quote, free=quote - fee)
        order.locked -= held
        order.cum_quantity += quantity
        order.cum_quote += quote
        order.updated_ms = effects.now_ms
        order.status = OrderStatus.PARTIALLY_FILLED
        trade = Trade(
            order.symbol, trade_id, order.venue_order_id, order.account_id, order.side, price, quantity, quote, fee,
            fee_currency, is_maker, effects.now_ms, order.list_id,
        )  # fmt: skip
        exchange.trades.setdefault((order.account_id, order.symbol), []).append(trade)
        if order.leaves_quantity == 0:
            listing.book.remove(order)
            exchange.close(order, OrderStatus.FILLED, effects.now_ms)
        effects.report(order, ExecType.TRADE, trade=trade)

    # -------------------------------------------------------------------------------------------------------- stops
    def trigger_stops(self, listing: "Listing", last_price: Decimal, effects: Effects) -> None:
        """Wake the stop orders that a trade at `last_price` triggers, oldest first."""
        for order in [stop for stop in listing.stops if self.triggers(stop, last_price)]:
            if not order.is_open:
                continue
            listing.stops.remove(order)
            order.working_ms = effects.now_ms
            self._fund_market_stop(listing, order)
            effects.report(order, ExecType.NEW)
            self.work(listing, order, effects)

    def _fund_market_stop(self, listing: "Listing", order: Order) -> None:
        """A buy stop that becomes a market order may need more than it held; it buys what the account can pay for."""
        if order.side is Side.SELL or order.order_type not in MARKET_KINDS:
            return
        account = self._exchange.accounts[order.account_id]
        asset = listing.rules.quote
        matches = listing.book.plan(Side.BUY, order.quantity, None)
        needed = sum((match.price * match.quantity for match in matches), ZERO)
        extra = min(max(ZERO, needed - order.locked), account.free(asset))
        account.change(asset, free=-extra, locked=extra)
        order.locked += extra
