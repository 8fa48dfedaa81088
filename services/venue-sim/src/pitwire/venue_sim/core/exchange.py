"""The decisions on the venue's state: what becomes of orders, cancels, amendments and the market's own moves."""

from collections.abc import Mapping
from decimal import Decimal

from pitwire.venue_sim.core import errors
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.endings import finish, held_by
from pitwire.venue_sim.core.levels import Ladder
from pitwire.venue_sim.core.matching import Matcher
from pitwire.venue_sim.core.recorded_book import RecordedBook
from pitwire.venue_sim.core.rules import AMENDS_MAX, SymbolRules, check_amended, check_counts, check_filters
from pitwire.venue_sim.core.state import Fees, Listing, State
from pitwire.venue_sim.core.triggers import LOSS_TYPES, funding_price, triggers_at_once
from pitwire.venue_sim.core.types import (
    STOP_KINDS,
    Amendment,
    ExecType,
    NewOrder,
    Order,
    OrderStatus,
    OrderType,
    Side,
)
from pitwire.venue_sim.core.units import ZERO, floor_to

REJECT_REASONS = {
    errors.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    errors.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    errors.WOULD_MATCH: "WOULD_MATCH_IMMEDIATELY",
}
"""How the reports of orders name a refusal that their owner is not there to be answered with."""


class Exchange(State):
    """The venue's state, and what clients and the market can do to it."""

    def __init__(self, rules: list[SymbolRules], fees: Fees, fees_of: Mapping[str, Fees] | None = None) -> None:
        super().__init__(rules, fees, fees_of)
        self._matcher = Matcher(self)

    # --------------------------------------------------------------------------------------------------- new orders
    def submit(self, account_id: str, new: NewOrder, *, now_ms: int) -> tuple[Order, Effects]:
        """Accept a new order and match it.

        Raises:
            VenueError: refused, and nothing has changed.
        """
        order = self.check_new(account_id, new, now_ms=now_ms)
        effects = Effects(self, now_ms)
        self.accept(order, effects)
        return order, effects

    def check_new(self, account_id: str, new: NewOrder, *, now_ms: int) -> Order:
        """Every check of a new order, without any change; the order it would become.

        Raises:
            VenueError: what the venue refuses it with.
        """
        order = self.check_form(account_id, new, now_ms=now_ms)
        self.check_market(order)
        self.check_funds(order)
        return order

    def check_form(self, account_id: str, new: NewOrder, *, now_ms: int, beside: int = 0) -> Order:
        """The checks of a new order that need neither funds nor the book; `beside` orders of its list come with it.

        Raises:
            VenueError: what the venue refuses it with.
        """
        listing = self.listing(new.symbol)
        if listing.is_halted:
            raise errors.VenueError(-1013, errors.MARKET_CLOSED)
        if listing.is_stale:
            raise errors.out_of_service()
        check_filters(listing.rules, new, reference_price=self.reference_price(new.symbol))
        self._check_counts(account_id, new, listing, beside)
        self._check_position(account_id, new, listing)
        duplicate = self._by_client_id.get((account_id, new.symbol, new.client_order_id))
        if duplicate is not None and duplicate.is_open:
            raise errors.order_rejected(errors.DUPLICATE_ORDER)
        return self._draft(account_id, new, now_ms)

    def check_funds(self, order: Order) -> None:
        """Set what a new order will hold, or refuse it when its account has less."""
        listing = self.listings[order.symbol]
        needed = self._matcher.funds_needed(listing, order)
        if needed > self.accounts[order.account_id].free(listing.held_asset(order.side)):
            raise errors.order_rejected(errors.INSUFFICIENT_BALANCE)
        order.locked = needed

    def _check_counts(self, account_id: str, new: NewOrder, listing: Listing, beside: int) -> None:
        open_orders = self._open.get((account_id, new.symbol), {})
        open_stops = open_icebergs = 0
        if new.order_type in STOP_KINDS:
            open_stops = sum(order.account_id == account_id for order in listing.stops)
        if new.iceberg_quantity:
            open_icebergs = sum(order.iceberg_quantity > 0 for order in open_orders.values())
        check_counts(
            listing.rules,
            new,
            open_orders=len(open_orders) + beside,
            open_stops=open_stops,
            open_icebergs=open_icebergs,
        )

    def _check_position(self, account_id: str, new: NewOrder, listing: Listing) -> None:
        """MAX_POSITION: what the account has of the base asset, with what its open buys would add, has a limit."""
        largest = listing.rules.position_max
        if largest is None or new.side is Side.SELL:
            return
        balance = self.accounts[account_id].balances.get(listing.rules.base)
        held = balance.free + balance.locked if balance is not None else ZERO
        buys = (order for order in self._open.get((account_id, new.symbol), {}).values() if order.side is Side.BUY)
        if held + sum((order.leaves_quantity for order in buys), new.quantity or ZERO) > largest:
            raise errors.filter_failure("MAX_POSITION")

    def _draft(self, account_id: str, new: NewOrder, now_ms: int) -> Order:
        quantity = new.quantity
        if quantity is None:
            quantity = self._quantity_for_quote(self.listings[new.symbol], new.side, new.quote_quantity or ZERO)
        order = Order(
            venue_order_id=self.next_order_id,
            account_id=account_id,
            client_order_id=new.client_order_id,
            symbol=new.symbol,
            side=new.side,
            order_type=new.order_type,
            time_in_force=new.time_in_force,
            quantity=quantity,
            quote_quantity=new.quote_quantity or ZERO,
            limit_price=new.limit_price or ZERO,
            stop_price=new.stop_price or ZERO,
            trailing_delta=new.trailing_delta,
            iceberg_quantity=new.iceberg_quantity or ZERO,
            strategy_id=new.strategy_id,
            strategy_type=new.strategy_type,
            stp_mode=new.stp_mode,
            created_ms=now_ms,
            updated_ms=now_ms,
        )
        order.hold_price = funding_price(order, self.listings[new.symbol].last_price)
        return order

    def _quantity_for_quote(self, listing: Listing, side: Side, quote: Decimal) -> Decimal:
        """How much base a market order for an amount of quote is: what the book gives for it, in whole lots."""
        step = listing.rules.lot_step
        quantity, left, price = ZERO, quote, listing.last_price
        for match in listing.book.plan(side, listing.rules.quantity_max, None):
            price = match.price
            part = min(match.quantity, left / price)
            quantity += part
            left -= part * price
            if part < match.quantity:
                break
        else:
            quantity += left / price if price else ZERO
        quantity = floor_to(quantity, step)
        if quantity < step:
            raise errors.filter_failure("LOT_SIZE")
        return quantity

    def check_market(self, order: Order) -> None:
        """Refuse a maker that would take, and a stop order that would trigger at once."""
        listing = self.listings[order.symbol]
        if order.order_type is OrderType.LIMIT_MAKER:
            best = listing.book.best(order.side.opposite)
            if best is not None and self._matcher.crosses(order, best[0]):
                raise errors.order_rejected(errors.WOULD_MATCH)
        if order.order_type in STOP_KINDS and triggers_at_once(order, listing.last_price):
            raise errors.order_rejected(errors.WOULD_TRIGGER)

    def accept(self, order: Order, effects: Effects) -> None:
        """Take a checked order in: hold its funds, then wait for its trigger or its list, or go to work."""
        self._enter(order, effects)
        self._place_released(effects)

    def _enter(self, order: Order, effects: Effects) -> None:
        self.next_order_id = max(self.next_order_id, order.venue_order_id + 1)
        listing = self.listings[order.symbol]
        account = self.accounts[order.account_id]
        account.change(listing.held_asset(order.side), free=-order.locked, locked=order.locked)
        self.register(order)
        if order.order_type in STOP_KINDS or order.status is OrderStatus.PENDING_NEW:
            if order.status is OrderStatus.NEW:
                listing.stops.append(order)
            effects.report(order, ExecType.NEW)
            return
        order.working_ms = effects.now_ms
        effects.report(order, ExecType.NEW)
        self._matcher.work(listing, order, effects)

    def _place_released(self, effects: Effects) -> None:
        """Place the pending orders of the lists whose working order is filled; the placing may fill more."""
        while effects.released:
            legs = [leg for leg in self.list_orders(effects.released.pop(0)) if leg.is_open]
            share_funds(legs)
            for leg in legs:
                if not leg.is_open:
                    continue
                leg.status, leg.updated_ms = OrderStatus.NEW, effects.now_ms
                try:
                    self.check_market(leg)
                    self.check_funds(leg)
                except errors.VenueError as refusal:
                    finish(self, leg, OrderStatus.REJECTED, effects, reason=REJECT_REASONS.get(refusal.msg, ""))
                    continue
                self._enter(leg, effects)

    # ----------------------------------------------------------------------------------------------------- changes
    def cancel(self, order: Order, *, cancel_id: str, now_ms: int) -> Effects:
        """Take an open order out of the book and give its funds back; a leg takes its whole list with it.

        Raises:
            VenueError: -2011 when it is not open any more.
        """
        if not order.is_open:
            raise errors.cancel_rejected()
        effects = Effects(self, now_ms)
        finish(self, order, OrderStatus.CANCELED, effects, cancel_id=cancel_id)
        return effects

    def amend(self, order: Order, quantity: Decimal, client_order_id: str, *, now_ms: int) -> Effects:
        """Lower an open order's quantity; it keeps its id and its place in the queue.

        Raises:
            VenueError: -2038 when that is no decrease, or the order was amended too often; -1013 for a filter.
        """
        if not order.is_working:
            raise errors.amend_rejected("Order amend is not supported for an order that is not on the book.")
        if len(order.amendments) >= AMENDS_MAX:
            raise errors.amend_rejected("The maximum number of amendments of this order is reached.")
        if quantity >= order.quantity:
            raise errors.amend_rejected("Order amend (quantity increase) is not supported.")
        if quantity <= order.cum_quantity + order.prevented_quantity:
            raise errors.amend_rejected("The requested action would leave nothing of the order.")
        check_amended(self.listings[order.symbol].rules, order, quantity)
        effects = Effects(self, now_ms)
        self.release(order, held_by(order, order.quantity - quantity))
        old_id = order.client_order_id
        amendment = Amendment(self.next_exec_id, old_id, client_order_id, order.quantity, quantity, now_ms)
        order.amendments.append(amendment)
        order.quantity, order.client_order_id, order.updated_ms = quantity, client_order_id, now_ms
        self.register(order)
        effects.report(order, ExecType.REPLACED, orig_id=old_id)
        return effects

    # ------------------------------------------------------------------------------------------------------- market
    def market_quotes(self, symbol: str, bids: Ladder, asks: Ladder, effects: Effects) -> None:
        """The market moves its quotes; users' orders that they cross are filled as makers at their own price."""
        listing = self.listings[symbol]
        for match in listing.book.requote(bids, asks):
            self._matcher.fill_maker(listing, match, effects)
        listing.book.top_up()
        self._place_released(effects)

    def market_trade(
        self, symbol: str, *, taker_side: Side, price: Decimal, quantity: Decimal, effects: Effects
    ) -> None:
        """A trade of the market: it eats the queue at its price, users' orders in their turn, then triggers stops.

        The print keeps its recorded quantity whatever users had in the queue; what reaches a user's order is one more
        trade.
        """
        listing = self.listings[symbol]
        for match in listing.book.plan(taker_side, quantity, price):
            if match.maker is None:
                listing.book.take_market(taker_side.opposite, match.price, match.quantity)
            else:
                self._matcher.fill_maker(listing, match, effects)
        listing.book.top_up()
        listing.last_price = price
        self._matcher.show_trade(listing, price, effects)
        self._place_released(effects)

    def recorded_trade(
        self, symbol: str, *, taker_side: Side, price: Decimal, quantity: Decimal, traded_ms: int, effects: Effects
    ) -> None:
        """A trade of a captured or live market: it moves the queues of users' orders, then triggers stops.

        What it took from the market's own quotes is for the market's next update to say.
        """
        listing = self.listings[symbol]
        if isinstance(listing.book, RecordedBook):
            for match in listing.book.print_trade(taker_side.opposite, price, quantity, traded_ms):
                self._matcher.fill_maker(listing, match, effects)
        listing.last_price = price
        self._matcher.show_trade(listing, price, effects)
        self._place_released(effects)

    def recorded_quotes(self, symbol: str, effects: Effects) -> None:
        """A captured or live market moved its quotes: users' orders that they cross are filled at their own price."""
        listing = self.listings[symbol]
        if isinstance(listing.book, RecordedBook):
            for match in listing.book.cross():
                self._matcher.fill_maker(listing, match, effects)
        self._place_released(effects)


def share_funds(legs: list[Order]) -> None:
    """Of two orders of which at most one trades, the one that takes the profit holds the funds of both."""
    for leg in legs:
        leg.funded = True
    if len(legs) == 2:
        profit, loss = sorted(legs, key=lambda leg: leg.order_type in LOSS_TYPES)
        profit.hold_price = max(profit.hold_price, loss.hold_price)
        loss.funded = False
