"""The table of operations: what can be asked, by whom, at what cost. Transports only map their names onto it."""

from collections.abc import Callable
from dataclasses import dataclass

from pitwire.venue_sim.core.errors import VenueError, out_of_service
from pitwire.venue_sim.handlers import compound, lists, market_data, queries, tickers, trading, user_streams
from pitwire.venue_sim.handlers.faults import AnswerFault, PlannedAnswer
from pitwire.venue_sim.handlers.params import SECURITY_NAMES, Params
from pitwire.venue_sim.handlers.venue import Venue

Weight = int | Callable[[Params], int]


@dataclass(frozen=True, slots=True)
class Public:
    """Anyone may ask."""

    function: Callable[[Venue, Params], object]
    weight: Weight


@dataclass(frozen=True, slots=True)
class Signed:
    """Only an account's owner may ask. What trades costs its weight only when it fails, and failures are logged."""

    function: Callable[[Venue, Params, str], object]
    weight: Weight
    trading: bool = False


@dataclass(frozen=True, slots=True)
class Keyed:
    """Whoever names an account's API key may ask, without a signature."""

    function: Callable[[Venue, Params, str], object]
    weight: Weight


Operation = Public | Keyed | Signed

WINDOW_WEIGHT_MAX = 200


def _open_orders_weight(params: Params) -> int:
    return 6 if params.values.get("symbol") else 80


def _ticker_weight(params: Params) -> int:
    return 2 if params.values.get("symbol") else 80


def _window_weight(params: Params) -> int:
    symbols = params.values.get("symbols")
    return min(WINDOW_WEIGHT_MAX, 4 * (1 + symbols.count(","))) if symbols else 4


def _price_weight(params: Params) -> int:
    return 2 if params.values.get("symbol") else 4


OPERATIONS: dict[str, Operation] = {
    "ping": Public(market_data.ping, 1),
    "time": Public(market_data.time, 1),
    "exchangeInfo": Public(market_data.exchange_info, 20),
    "executionRules": Public(market_data.execution_rules, 4),
    "referencePrice": Public(market_data.reference_price, 2),
    "referencePrice.calculation": Public(market_data.reference_price, 2),
    "depth": Public(market_data.depth, market_data.depth_weight),
    "trades.recent": Public(market_data.trades, 25),
    "trades.aggregate": Public(market_data.aggregate_trades, 4),
    "trades.historical": Public(market_data.historical_trades, 25),
    "klines": Public(market_data.klines, 2),
    "uiKlines": Public(market_data.klines, 2),
    "avgPrice": Public(market_data.average_price, 2),
    "ticker.24hr": Public(tickers.ticker_24hr, _ticker_weight),
    "ticker.tradingDay": Public(tickers.ticker_trading_day, _window_weight),
    "ticker": Public(tickers.ticker_window, _window_weight),
    "ticker.price": Public(tickers.ticker_price, _price_weight),
    "ticker.book": Public(tickers.ticker_book, _price_weight),
    "order.place": Signed(trading.place_order, 1, trading=True),
    "order.test": Signed(trading.test_order, 1),
    "order.cancel": Signed(trading.cancel_order, 1, trading=True),
    "openOrders.cancelAll": Signed(trading.cancel_open_orders, 1, trading=True),
    "order.cancelReplace": Signed(compound.cancel_replace, 1, trading=True),
    "order.amend.keepPriority": Signed(compound.amend_order, 4, trading=True),
    "orderList.place.oco": Signed(lists.place_oco, 1, trading=True),
    "orderList.place.oto": Signed(lists.place_oto, 1, trading=True),
    "orderList.place.otoco": Signed(lists.place_otoco, 1, trading=True),
    "orderList.place": Signed(lists.place_old_oco, 1, trading=True),
    "orderList.cancel": Signed(lists.cancel_list, 1, trading=True),
    "orderList.status": Signed(lists.query_list, 4),
    "openOrderLists.status": Signed(lists.open_lists, 6),
    "allOrderLists": Signed(lists.all_lists, 20),
    "myPreventedMatches": Signed(queries.prevented_matches, 2),
    "order.status": Signed(queries.order_status, 4),
    "openOrders.status": Signed(queries.open_orders, _open_orders_weight),
    "allOrders": Signed(queries.all_orders, 20),
    "myTrades": Signed(queries.my_trades, 20),
    "account.status": Signed(queries.account, 20),
    "account.rateLimits.orders": Signed(queries.order_rate_limits, 40),
    "account.commission": Signed(queries.commission, 20),
    "order.amendments": Signed(queries.amendments, 4),
    "myAllocations": Signed(queries.allocations, 20),
    "myFilters": Signed(queries.relevant_filters, 40),
    "userDataStream.start": Keyed(user_streams.open_stream, 2),
    "userDataStream.ping": Keyed(user_streams.keep_stream, 2),
    "userDataStream.stop": Keyed(user_streams.close_stream, 2),
    "asset.tradeFee": Public(queries.trade_fee, 1),
    "wallet.nothing": Public(queries.nothing, 1),
}

COUNTED = frozenset(
    {
        "order.place",
        "order.cancelReplace",
        "orderList.place",
        "orderList.place.oco",
        "orderList.place.oto",
        "orderList.place.otoco",
    }
)
"""Their answers carry the counts of unfilled orders."""


def check_open(venue: Venue) -> None:
    """Refuse everything during maintenance (-1016, status 503)."""
    if venue.wall_ms() < venue.faults.closed_until_ms:
        raise out_of_service()


def run(venue: Venue, name: str, values: dict[str, str], *, account_id: str, address: str) -> object:
    """Carry out a request whose sender is known.

    Raises:
        VenueError: refused.
    """
    operation = OPERATIONS[name]
    params = Params(values)
    weight = operation.weight if isinstance(operation.weight, int) else operation.weight(params)
    now_ms = venue.wall_ms()
    if isinstance(operation, Public):
        venue.limiter.use(address, weight, now_ms=now_ms)
        return operation.function(venue, params)
    if isinstance(operation, Keyed) or not operation.trading:
        venue.limiter.use(address, weight, now_ms=now_ms)
        return operation.function(venue, params, account_id)
    venue.limiter.use(address, 0, now_ms=now_ms)
    try:
        return operation.function(venue, params, account_id)
    except VenueError as error:
        sent = {key: value for key, value in values.items() if key not in SECURITY_NAMES}
        venue.refuse(account_id, name, sent, error)
        venue.limiter.use(address, weight, now_ms=now_ms)
        raise


def planned_answer(venue: Venue, name: str) -> PlannedAnswer | None:
    """The fault that waits for this answer, if any; only trading requests have some."""
    operation = OPERATIONS[name]
    return venue.faults.next_answer() if isinstance(operation, Signed) and operation.trading else None


def before(planned: PlannedAnswer | None) -> None:
    """Refuse with an unknown outcome what is not to be carried out, when that is the fault planned."""
    if planned is not None and not planned.executed:
        raise planned.unknown()


def spoil(planned: PlannedAnswer | None) -> None:
    """Hide behind an unknown outcome what was done, when that is the fault planned."""
    if planned is not None and planned.fault is AnswerFault.UNKNOWN:
        raise planned.unknown()
