"""Executing orders against the book: funds, fills, fees, and what becomes of the rest."""

from decimal import Decimal

from pitwire.venue_sim.core.book import Match
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.endings import finish, note_list_progress, prevent_trade
from pitwire.venue_sim.core.state import Listing, State
from pitwire.venue_sim.core.triggers import sees_trade
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
from pitwire.venue_sim.core.units import ZERO, cut, floor_to

REASON_LIQUIDITY = "INSUFFICIENT_LIQUIDITY"
REASON_IOC = "UNFILLED_IOC_QUANTITY_EXPIRED"
REASON_FOK = "UNFILLED_FOK_ORDER_EXPIRED"
REASON_FUNDS = "INSUFFICIENT_BALANCE"
NO_STP = "NONE"


class Matcher:
    """The rules by which an accepted order trades."""

    def __init__(self, state: State) -> None:
        self._state = state

    # ------------------------------------------------------------------------------------------------------- checks
    def funds_needed(self, listing: Listing, order: Order) -> Decimal:
        """What an order must hold: base for a sell; for a buy its limit value, or what the book asks for it now."""
        if not order.funded:
            return ZERO
        if order.side is Side.SELL:
            return order.leaves_quantity
        if order.order_type is OrderType.MARKET:
            return sum((match.price * match.quantity for match in self._offers(listing, order, None)), ZERO)
        return order.hold_price * order.leaves_quantity

    def crosses(self, order: Order, opposite_price: Decimal) -> bool:
        """Would the order trade with a resting order at `opposite_price`?"""
        if order.side is Side.BUY:
            return order.limit_price >= opposite_price
        return order.limit_price <= opposite_price

    # ----------------------------------------------------------------------------------------------------- matching
    def work(self, listing: Listing, order: Order, effects: Effects) -> None:
        """Match a working order and settle what it has left: rest, or expire."""
        limit = None if order.order_type in MARKET_KINDS else order.limit_price
        if order.time_in_force is TimeInForce.FOK:
            offered = sum((match.quantity for match in self._offers(listing, order, limit)), ZERO)
            if offered < order.leaves_quantity:
                finish(self._state, order, OrderStatus.EXPIRED, effects, reason=REASON_FOK)
                return
        while order.is_open:
            matches = self._affordable(listing, order, listing.book.plan(order.side, order.leaves_quantity, limit))
            own = next((number for number, match in enumerate(matches) if _is_own(order, match)), None)
            for match in matches[:own]:
                self._take(listing, order, match, effects)
            if own is None:
                break
            maker = matches[own].maker
            if maker is not None:
                prevent_trade(self._state, order, maker, matches[own].price, effects)
        if order.is_open:
            self._settle_rest(listing, order, effects)

    def _offers(self, listing: Listing, order: Order, limit: Decimal | None) -> list[Match]:
        """What others offer an order."""
        skip = order.account_id if order.stp_mode != NO_STP else None
        return listing.book.plan(order.side, order.leaves_quantity, limit, skip_account=skip)

    def _affordable(self, listing: Listing, order: Order, matches: list[Match]) -> list[Match]:
        """The part of the matches that a buy at market price can pay for, in whole lots."""
        if order.side is Side.SELL or order.order_type not in MARKET_KINDS:
            return matches
        left = order.locked
        affordable: list[Match] = []
        for match in matches:
            cost = match.price * match.quantity
            if cost > left and not _is_own(order, match):
                part = floor_to(left / match.price, listing.rules.lot_step)
                return [*affordable, match._replace(quantity=part)] if part else affordable
            affordable.append(match)
            left -= cost
        return affordable

    def _settle_rest(self, listing: Listing, order: Order, effects: Effects) -> None:
        if order.order_type in MARKET_KINDS:
            finish(self._state, order, OrderStatus.EXPIRED, effects, reason=REASON_LIQUIDITY)
        elif order.time_in_force is TimeInForce.GTC:
            listing.book.add(order)
        else:
            finish(self._state, order, OrderStatus.EXPIRED, effects, reason=REASON_IOC)

    def _take(self, listing: Listing, taker: Order, match: Match, effects: Effects) -> None:
        trade_id = listing.next_trade_id
        listing.next_trade_id += 1
        if match.maker is None:
            listing.book.take_market(taker.side.opposite, match.price, match.quantity)
        self._fill(listing, taker, match, trade_id, is_maker=False, effects=effects)
        if match.maker is not None:
            self._fill(listing, match.maker, match, trade_id, is_maker=True, effects=effects)

    def fill_maker(self, listing: Listing, match: Match, effects: Effects) -> None:
        """The market trades with a user's resting order."""
        if match.maker is not None:
            trade_id = listing.next_trade_id
            listing.next_trade_id += 1
            self._fill(listing, match.maker, match, trade_id, is_maker=True, effects=effects)

    def _fill(
        self, listing: Listing, order: Order, match: Match, trade_id: int, *, is_maker: bool, effects: Effects
    ) -> None:
        state, rules = self._state, listing.rules
        account = state.accounts[order.account_id]
        price, quantity = match.price, match.quantity
        quote = price * quantity
        rate = listing.fees.maker if is_maker else listing.fees.taker
        if order.side is Side.BUY:
            fee, fee_currency = cut(quantity * rate), rules.base
            held = quote if order.order_type in MARKET_KINDS else order.hold_price * quantity
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
        state.trades.setdefault((order.account_id, order.symbol), []).append(trade)
        if order.leaves_quantity == 0:
            listing.book.remove(order)
            state.close(order, OrderStatus.FILLED, effects.now_ms)
        elif is_maker:
            listing.book.show_next(order, quantity)
        effects.report(order, ExecType.TRADE, trade=trade)
        note_list_progress(state, order, effects)

    # -------------------------------------------------------------------------------------------------------- stops
    def show_trade(self, listing: Listing, price: Decimal, effects: Effects) -> None:
        """Show a market trade to the waiting stop orders, oldest first; put to work those that it triggers."""
        for order in list(listing.stops):
            if not order.is_open:
                continue
            tracked = (order.trailing_ms, order.extreme_price)
            if sees_trade(order, price, effects.now_ms):
                self._wake(listing, order, effects)
            elif tracked != (order.trailing_ms, order.extreme_price):
                effects.tracked.append(order)

    def _wake(self, listing: Listing, order: Order, effects: Effects) -> None:
        listing.stops.remove(order)
        note_list_progress(self._state, order, effects)
        order.working_ms = order.updated_ms = effects.now_ms
        is_funded = self._fund(listing, order)
        effects.report(order, ExecType.NEW)
        if is_funded:
            self.work(listing, order, effects)
        else:
            finish(self._state, order, OrderStatus.EXPIRED, effects, reason=REASON_FUNDS)

    def _fund(self, listing: Listing, order: Order) -> bool:
        """Hold what the order needs now: a leg of a list held nothing, a market buy may need more than its stop price.

        False when the account has less; only a market buy then trades all the same, what can be paid for.
        """
        account = self._state.accounts[order.account_id]
        asset = listing.held_asset(order.side)
        order.funded = True
        needed = self.funds_needed(listing, order)
        is_market_buy = order.side is Side.BUY and order.order_type in MARKET_KINDS
        if is_market_buy:
            offers = self._offers(listing, order, None)
            needed = sum((match.price * match.quantity for match in offers), ZERO)
        extra = min(max(ZERO, needed - order.locked), account.free(asset))
        account.change(asset, free=-extra, locked=extra)
        order.locked += extra
        return is_market_buy or order.locked >= needed


def _is_own(taker: Order, match: Match) -> bool:
    """Would the taker trade with its own account although its mode forbids that?"""
    return match.maker is not None and match.maker.account_id == taker.account_id and taker.stp_mode != NO_STP
