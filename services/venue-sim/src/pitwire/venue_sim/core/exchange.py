"""The venue's state and the decisions on it: accounts, listings, orders, cancels and the market's own moves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from pitwire.venue_sim.core import errors, order_lists
from pitwire.venue_sim.core.book import Book, Ladder
from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.ledger import Account
from pitwire.venue_sim.core.matching import Matcher
from pitwire.venue_sim.core.rules import SymbolRules, check_amended, check_counts, check_filters
from pitwire.venue_sim.core.triggers import funding_price, triggers_at_once
from pitwire.venue_sim.core.types import (
    STOP_KINDS,
    ExecType,
    NewOrder,
    Order,
    OrderList,
    OrderStatus,
    OrderType,
    Prevented,
    Side,
    Trade,
)
from pitwire.venue_sim.core.units import ZERO, floor_to

USER_TRADE_ID_BASE = 10**12
"""Users' trades are numbered from here per symbol, apart from the market's own, so that either sequence has no gap."""
AMENDS_MAX = 10
REASON_OCO = "OCO_TRIGGER"


@dataclass(frozen=True, slots=True)
class Fees:
    """Commission as a fraction of the received quantity."""

    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")


@dataclass(slots=True)
class Listing:
    """One symbol: its rules, its book and what waits for a trigger."""

    rules: SymbolRules
    book: Book = field(default_factory=Book)
    stops: list[Order] = field(default_factory=list[Order])
    last_price: Decimal = ZERO
    next_trade_id: int = USER_TRADE_ID_BASE


class Exchange:
    """All state of the venue that clients can change, and what they can do to it."""

    def __init__(self, rules: list[SymbolRules], fees: Fees) -> None:
        self.listings = {rule.symbol: Listing(rule) for rule in rules}
        self.fees = fees
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.trades: dict[tuple[str, str], list[Trade]] = {}
        self.lists: dict[int, OrderList] = {}
        self.prevented: list[Prevented] = []
        self.next_order_id = 1
        self.next_exec_id = 1
        self.next_list_id = 0
        self.reference_price: Callable[[str], Decimal] = lambda symbol: self.listings[symbol].last_price
        self.revision = 0
        """Grows with every change of any book: the source of depth update ids."""
        self._by_client_id: dict[tuple[str, str, str], Order] = {}
        self._open: dict[tuple[str, str], dict[int, Order]] = {}
        self._matcher = Matcher(self)

    # ------------------------------------------------------------------------------------------------------ lookups
    def listing(self, symbol: str) -> Listing:
        """The symbol's listing.

        Raises:
            VenueError: -1121 when the venue does not list it.
        """
        listing = self.listings.get(symbol)
        if listing is None:
            raise errors.bad_symbol()
        return listing

    def open_orders(self, account_id: str, symbol: str) -> list[Order]:
        """Open orders of an account on a symbol, oldest first."""
        return list(self._open.get((account_id, symbol), {}).values())

    def find_order(
        self, account_id: str, symbol: str, venue_order_id: int | None, client_order_id: str | None
    ) -> Order | None:
        """The account's order by either id; with both, they must agree."""
        if venue_order_id is not None:
            order = self.orders.get(venue_order_id)
            if order is None or order.account_id != account_id or order.symbol != symbol:
                return None
            if client_order_id is not None and order.client_order_id != client_order_id:
                raise errors.VenueError(-2039, "Client order ID is not correct for this order ID.")
            return order
        return self._by_client_id.get((account_id, symbol, client_order_id or ""))

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
        listing = self.listing(new.symbol)
        check_filters(listing.rules, new, reference_price=self.reference_price(new.symbol))
        self._check_counts(account_id, new, listing)
        duplicate = self._by_client_id.get((account_id, new.symbol, new.client_order_id))
        if duplicate is not None and duplicate.is_open:
            raise errors.order_rejected(errors.DUPLICATE_ORDER)
        order = self._draft(account_id, new, now_ms)
        self._check_market_state(listing, order)
        self.check_funds(order)
        return order

    def check_funds(self, order: Order) -> None:
        """Set what a new order will hold, or refuse it when its account has less."""
        listing = self.listings[order.symbol]
        needed = self._matcher.funds_needed(listing, order)
        if needed > self.accounts[order.account_id].free(self._held_asset(order)):
            raise errors.order_rejected(errors.INSUFFICIENT_BALANCE)
        order.locked = needed

    def _held_asset(self, order: Order) -> str:
        rules = self.listings[order.symbol].rules
        return rules.quote if order.side is Side.BUY else rules.base

    def _check_counts(self, account_id: str, new: NewOrder, listing: Listing) -> None:
        open_orders = self._open.get((account_id, new.symbol), {})
        open_stops = open_icebergs = 0
        if new.order_type in STOP_KINDS:
            open_stops = sum(order.account_id == account_id for order in listing.stops)
        if new.iceberg_quantity:
            open_icebergs = sum(order.iceberg_quantity > 0 for order in open_orders.values())
        check_counts(
            listing.rules, new, open_orders=len(open_orders), open_stops=open_stops, open_icebergs=open_icebergs
        )

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

    def _check_market_state(self, listing: Listing, order: Order) -> None:
        if order.order_type is OrderType.LIMIT_MAKER:
            best = listing.book.best(order.side.opposite)
            if best is not None and self._matcher.crosses(order, best[0]):
                raise errors.order_rejected(errors.WOULD_MATCH)
        if order.order_type in STOP_KINDS and triggers_at_once(order, listing.last_price):
            raise errors.order_rejected(errors.WOULD_TRIGGER)

    def accept(self, order: Order, effects: Effects) -> None:
        """Take a checked order in: hold its funds, then wait for its trigger or go to work."""
        self.next_order_id = max(self.next_order_id, order.venue_order_id + 1)
        listing = self.listings[order.symbol]
        account = self.accounts[order.account_id]
        account.change(self._held_asset(order), free=-order.locked, locked=order.locked)
        self.register(order)
        if order.order_type in STOP_KINDS:
            listing.stops.append(order)
            effects.report(order, ExecType.NEW)
            return
        order.working_ms = effects.now_ms
        effects.report(order, ExecType.NEW)
        self._matcher.work(listing, order, effects)

    def register(self, order: Order) -> None:
        """Make an order findable; also how restored orders enter."""
        self.orders[order.venue_order_id] = order
        self._by_client_id[(order.account_id, order.symbol, order.client_order_id)] = order
        if order.is_open:
            self._open.setdefault((order.account_id, order.symbol), {})[order.venue_order_id] = order

    # ------------------------------------------------------------------------------------------- changes and endings
    def cancel(self, order: Order, *, cancel_id: str, now_ms: int) -> Effects:
        """Take an open order out of the book and give its funds back; a leg takes its whole list with it.

        Raises:
            VenueError: -2011 when it is not open any more.
        """
        if not order.is_open:
            raise errors.cancel_rejected()
        effects = Effects(self, now_ms)
        for leg in order_lists.open_legs(self, order):
            self.finish(leg, OrderStatus.CANCELED, effects, cancel_id=cancel_id)
        return effects

    def amend(self, order: Order, quantity: Decimal, client_order_id: str, *, now_ms: int) -> Effects:
        """Lower an open order's quantity; it keeps its id and its place in the queue.

        Raises:
            VenueError: -2038 when that is no decrease, or the order was amended too often; -1013 for a filter.
        """
        if order.amends >= AMENDS_MAX:
            raise errors.amend_rejected("The maximum number of amendments of this order is reached.")
        if quantity >= order.quantity:
            raise errors.amend_rejected("Order amend (quantity increase) is not supported.")
        if quantity <= order.cum_quantity + order.prevented_quantity:
            raise errors.amend_rejected("The requested action would leave nothing of the order.")
        check_amended(self.listings[order.symbol].rules, order, quantity)
        effects = Effects(self, now_ms)
        self._release(order, self._held_by(order, order.quantity - quantity))
        old_id = order.client_order_id
        order.quantity, order.client_order_id, order.updated_ms = quantity, client_order_id, now_ms
        order.amends += 1
        self.register(order)
        effects.report(order, ExecType.REPLACED, orig_id=old_id)
        return effects

    def prevent(self, order: Order, quantity: Decimal) -> None:
        """Take away a quantity that would have traded with the order's own account."""
        order.prevented_quantity += quantity
        if order.order_type is not OrderType.MARKET:
            self._release(order, self._held_by(order, quantity))

    def note_prevented(
        self, taker: Order, maker: Order, price: Decimal, quantity: Decimal, effects: Effects
    ) -> Prevented:
        """Remember a match that did not happen."""
        prevented = Prevented(
            match_id=len(self.prevented),
            account_id=taker.account_id,
            symbol=taker.symbol,
            taker_order_id=taker.venue_order_id,
            maker_order_id=maker.venue_order_id,
            price=price,
            quantity=quantity,
            stp_mode=taker.stp_mode,
            ts_ms=effects.now_ms,
        )
        self.prevented.append(prevented)
        effects.prevented.append(prevented)
        return prevented

    def end_other_legs(self, order: Order, effects: Effects) -> None:
        """An order of a list trades or begins to work: the other leg ends."""
        for leg in order_lists.open_legs(self, order):
            if leg is not order:
                self.finish(leg, OrderStatus.EXPIRED, effects, reason=REASON_OCO)
        order_lists.note_end(self, order, effects)

    def _held_by(self, order: Order, quantity: Decimal) -> Decimal:
        if not order.funded:
            return ZERO
        return quantity * order.hold_price if order.side is Side.BUY else quantity

    def _release(self, order: Order, amount: Decimal) -> None:
        self.accounts[order.account_id].change(self._held_asset(order), free=amount, locked=-amount)
        order.locked -= amount

    def finish(
        self,
        order: Order,
        status: OrderStatus,
        effects: Effects,
        *,
        cancel_id: str = "",
        reason: str = "",
        prevented: Prevented | None = None,
    ) -> None:
        """End an order that is not filled: out of the book, funds back, one report."""
        listing = self.listings[order.symbol]
        if order.is_working:
            listing.book.remove(order)
        elif order in listing.stops:
            listing.stops.remove(order)
        self.close(order, status, effects.now_ms)
        exec_type = ExecType.CANCELED if status is OrderStatus.CANCELED else ExecType.EXPIRED
        if status is OrderStatus.EXPIRED_IN_MATCH:
            exec_type = ExecType.TRADE_PREVENTION
        effects.report(order, exec_type, cancel_id=cancel_id, reason=reason, prevented=prevented)
        if order.list_id >= 0:
            order_lists.note_end(self, order, effects)

    def close(self, order: Order, status: OrderStatus, now_ms: int) -> None:
        """Set a final state and release what the order still holds."""
        order.status = status
        order.updated_ms = now_ms
        if order.locked:
            self._release(order, order.locked)
        self.forget_open(order)

    def forget_open(self, order: Order) -> None:
        """The order is not open any more."""
        self._open.get((order.account_id, order.symbol), {}).pop(order.venue_order_id, None)

    def wipe(self) -> None:
        """Forget every order and trade; each account has again what it began with. Ids go on."""
        for listing in self.listings.values():
            listing.book.remove_all()
            listing.stops.clear()
        for state in (self.orders, self.trades, self.lists, self._by_client_id, self._open):
            state.clear()
        self.prevented.clear()
        self.accounts = {name: Account(name, account.opening) for name, account in self.accounts.items()}

    # ------------------------------------------------------------------------------------------------------- market
    def market_quotes(self, symbol: str, bids: Ladder, asks: Ladder, effects: Effects) -> None:
        """The market moves its quotes; users' orders that they cross are filled as makers at their own price."""
        listing = self.listings[symbol]
        for match in listing.book.requote(bids, asks):
            self._matcher.fill_maker(listing, match, effects)
        listing.book.top_up()

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
