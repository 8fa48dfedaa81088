"""The words of the venue: orders, trades and reports of what happened to them."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from pitwire.venue_sim.core.units import ZERO


class Side(StrEnum):
    """Side of an order, FIX 54."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """Order types of Binance Spot."""

    LIMIT = "LIMIT"
    MARKET = "MARKET"
    LIMIT_MAKER = "LIMIT_MAKER"
    STOP_LOSS = "STOP_LOSS"
    STOP_LOSS_LIMIT = "STOP_LOSS_LIMIT"
    TAKE_PROFIT = "TAKE_PROFIT"
    TAKE_PROFIT_LIMIT = "TAKE_PROFIT_LIMIT"


STOP_KINDS = frozenset(
    {OrderType.STOP_LOSS, OrderType.STOP_LOSS_LIMIT, OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT}
)
MARKET_KINDS = frozenset({OrderType.MARKET, OrderType.STOP_LOSS, OrderType.TAKE_PROFIT})
"""Kinds that take whatever price the book offers once they work."""


class TimeInForce(StrEnum):
    """How long an order works, FIX 59."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"


class OrderStatus(StrEnum):
    """State of an order, FIX 39, with Binance's names."""

    NEW = "NEW"
    PENDING_NEW = "PENDING_NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    EXPIRED_IN_MATCH = "EXPIRED_IN_MATCH"
    REJECTED = "REJECTED"


class ExecType(StrEnum):
    """What a report is about, FIX 150, with Binance's names."""

    NEW = "NEW"
    TRADE = "TRADE"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REPLACED = "REPLACED"
    TRADE_PREVENTION = "TRADE_PREVENTION"
    REJECTED = "REJECTED"


class Contingency(StrEnum):
    """What joins the orders of a list: one cancels the other, or one triggers the others."""

    OCO = "OCO"
    OTO = "OTO"


OPEN_STATES = frozenset({OrderStatus.NEW, OrderStatus.PENDING_NEW, OrderStatus.PARTIALLY_FILLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """A well-formed request for an order; filters and funds are not checked yet."""

    symbol: str
    side: Side
    order_type: OrderType
    client_order_id: str
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Decimal | None = None
    quote_quantity: Decimal | None = None
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    trailing_delta: int | None = None
    iceberg_quantity: Decimal | None = None
    strategy_id: int | None = None
    strategy_type: int | None = None
    stp_mode: str = "NONE"


class Amendment(NamedTuple):
    """One decrease of an order's quantity by its owner."""

    exec_id: int
    old_id: str
    new_id: str
    old_quantity: Decimal
    new_quantity: Decimal
    ts_ms: int


@dataclass(slots=True, kw_only=True)
class Order:
    """One order of an account through its whole life.

    `locked` is what the order still holds of its account's balance: quote at `hold_price` for a buy, base for a sell,
    nothing while it is not `funded` (the waiting leg of an OCO). `ahead` is the market quantity that stands in front of
    it at its price, `shown` what the book shows of an iceberg.
    """

    venue_order_id: int
    account_id: str
    client_order_id: str
    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Decimal
    limit_price: Decimal
    created_ms: int
    quote_quantity: Decimal = ZERO
    stop_price: Decimal = ZERO
    trailing_delta: int | None = None
    iceberg_quantity: Decimal = ZERO
    strategy_id: int | None = None
    strategy_type: int | None = None
    stp_mode: str = "NONE"
    list_id: int = -1
    status: OrderStatus = OrderStatus.NEW
    cum_quantity: Decimal = ZERO
    cum_quote: Decimal = ZERO
    prevented_quantity: Decimal = ZERO
    locked: Decimal = ZERO
    hold_price: Decimal = ZERO
    funded: bool = True
    amendments: list[Amendment] = field(default_factory=list[Amendment])
    updated_ms: int = 0
    working_ms: int = -1
    trailing_ms: int = -1
    extreme_price: Decimal = ZERO
    ahead: Decimal = ZERO
    shown: Decimal = ZERO
    priority: int = 0

    @property
    def leaves_quantity(self) -> Decimal:
        return self.quantity - self.cum_quantity - self.prevented_quantity

    @property
    def is_open(self) -> bool:
        return self.status in OPEN_STATES

    @property
    def is_working(self) -> bool:
        """Has been in the book (a stop order only after its trigger)."""
        return self.working_ms >= 0


class Trade(NamedTuple):
    """One execution of a user's order; the counterparty is the market or another order."""

    symbol: str
    trade_id: int
    venue_order_id: int
    account_id: str
    side: Side
    last_price: Decimal
    last_quantity: Decimal
    quote: Decimal
    fee: Decimal
    fee_currency: str
    is_maker: bool
    ts_ms: int
    list_id: int


class Prevented(NamedTuple):
    """A match that did not happen because both orders are of one account."""

    match_id: int
    account_id: str
    symbol: str
    taker_order_id: int
    maker_order_id: int
    price: Decimal
    quantity: Decimal
    stp_mode: str
    ts_ms: int


@dataclass(slots=True, kw_only=True)
class OrderList:
    """Two orders of which at most one trades (OCO), or a working order and what is placed once it is filled (OTO).

    The first order of an OTO is the working one; two pending ones are an OCO with each other.
    """

    list_id: int
    account_id: str
    symbol: str
    client_list_id: str
    order_ids: list[int]
    ts_ms: int
    contingency: Contingency = Contingency.OCO
    is_done: bool = False


class Report(NamedTuple):
    """One change of one order, with the values right after it: an executionReport before it is text."""

    order: Order
    exec_type: ExecType
    exec_id: int
    status: OrderStatus
    ts_ms: int
    client_order_id: str
    orig_client_order_id: str
    quantity: Decimal
    cum_quantity: Decimal
    cum_quote: Decimal
    working_ms: int
    trade: Trade | None
    reason: str
    prevented: Prevented | None = None


class MarketTrade(NamedTuple):
    """A trade of the market itself, printed to everyone; price and quantity are integers of 10^-8."""

    trade_id: int
    price: int
    quantity: int
    ts_ms: int
    buyer_is_maker: bool
