"""The venue's state that clients can change: accounts, listings, orders, trades, lists, and how each is found."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pitwire.venue_sim.core import errors
from pitwire.venue_sim.core.book import Book
from pitwire.venue_sim.core.ledger import Account
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.types import Order, OrderList, OrderStatus, Prevented, Side, Trade
from pitwire.venue_sim.core.units import ZERO

USER_TRADE_ID_BASE = 10**12
"""Users' trades are numbered from here per symbol, apart from the market's own, so that either sequence has no gap."""


@dataclass(frozen=True, slots=True)
class Fees:
    """Commission as a fraction of the received quantity."""

    maker: Decimal = Decimal("0.001")
    taker: Decimal = Decimal("0.001")


@dataclass(slots=True)
class Listing:
    """One symbol: its rules, its book and what waits for a trigger."""

    rules: SymbolRules
    fees: Fees = field(default_factory=Fees)
    book: Book = field(default_factory=Book)
    stops: list[Order] = field(default_factory=list[Order])
    last_price: Decimal = ZERO
    next_trade_id: int = USER_TRADE_ID_BASE
    is_halted: bool = False
    is_stale: bool = False
    """What the market quotes is not known; nobody may trade on it."""

    def held_asset(self, side: Side) -> str:
        """What an order of a side holds of its account: quote for a buy, base for a sell."""
        return self.rules.quote if side is Side.BUY else self.rules.base


class State:
    """Everything that an operation can change; the decisions on it are those of `Exchange`."""

    def __init__(self, rules: list[SymbolRules], fees: Fees, fees_of: Mapping[str, Fees] | None = None) -> None:
        """`fees` are the venue's, `fees_of` those of symbols with own ones."""
        own = fees_of or {}
        self.listings = {rule.symbol: Listing(rule, own.get(rule.symbol, fees)) for rule in rules}
        self.fees = fees
        self.accounts: dict[str, Account] = {}
        self.orders: dict[int, Order] = {}
        self.trades: dict[tuple[str, str], list[Trade]] = {}
        self.lists: dict[int, OrderList] = {}
        self.open_lists: dict[int, OrderList] = {}
        self.prevented: list[Prevented] = []
        self.next_order_id = 1
        self.next_exec_id = 1
        self.next_list_id = 0
        self.reference_price: Callable[[str], Decimal] = lambda symbol: self.listings[symbol].last_price
        self.revision = 0
        """Grows with every change of any book: the source of depth update ids."""
        self._by_client_id: dict[tuple[str, str, str], Order] = {}
        self._open: dict[tuple[str, str], dict[int, Order]] = {}

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

    def add_list(self, order_list: OrderList) -> None:
        """Make a new list findable; also how restored lists enter."""
        self.lists[order_list.list_id] = self.open_lists[order_list.list_id] = order_list
        self.next_list_id = order_list.list_id + 1

    def end_list(self, order_list: OrderList, now_ms: int) -> None:
        """No order of the list is open any more."""
        order_list.is_done, order_list.ts_ms = True, now_ms
        del self.open_lists[order_list.list_id]

    def list_orders(self, order_list: OrderList) -> list[Order]:
        """The orders of a list."""
        return [self.orders[number] for number in order_list.order_ids]

    # ------------------------------------------------------------------------------------------------------ changes
    def register(self, order: Order) -> None:
        """Make an order findable; also how restored orders enter."""
        self.orders[order.venue_order_id] = order
        self._by_client_id[(order.account_id, order.symbol, order.client_order_id)] = order
        if order.is_open:
            self._open.setdefault((order.account_id, order.symbol), {})[order.venue_order_id] = order

    def release(self, order: Order, amount: Decimal) -> None:
        """Give back some of what an order holds."""
        asset = self.listings[order.symbol].held_asset(order.side)
        self.accounts[order.account_id].change(asset, free=amount, locked=-amount)
        order.locked -= amount

    def close(self, order: Order, status: OrderStatus, now_ms: int) -> None:
        """Set a final state and release what the order still holds."""
        order.status = status
        order.updated_ms = now_ms
        if order.locked:
            self.release(order, order.locked)
        self.forget_open(order)

    def forget_open(self, order: Order) -> None:
        """The order is not open any more."""
        self._open.get((order.account_id, order.symbol), {}).pop(order.venue_order_id, None)

    def wipe(self) -> None:
        """Forget every order and trade; each account has again what it began with. Ids go on."""
        for listing in self.listings.values():
            listing.book.remove_all()
            listing.stops.clear()
        for state in (self.orders, self.trades, self.lists, self.open_lists, self._by_client_id, self._open):
            state.clear()
        self.prevented.clear()
        self.accounts = {name: Account(name, account.opening) for name, account in self.accounts.items()}
