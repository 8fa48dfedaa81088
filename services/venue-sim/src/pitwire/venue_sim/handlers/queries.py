"""What an account may know about itself."""

from pitwire.venue_sim.core.errors import VenueError, no_such_order
from pitwire.venue_sim.core.intervals import LENGTHS_MS
from pitwire.venue_sim.core.rules import account_filters
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.units import ZERO, text
from pitwire.venue_sim.handlers import shapes
from pitwire.venue_sim.handlers.params import Params
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.handlers.trading import find_order
from pitwire.venue_sim.handlers.venue import Venue

ROWS_DEFAULT = 500
ROWS_MAX = 1000


def read_day(params: Params) -> tuple[int | None, int | None]:
    """StartTime and endTime, which may not be more than a day apart (-1127)."""
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime")
    if start_ms is not None and end_ms is not None and end_ms - start_ms > LENGTHS_MS["1d"]:
        raise VenueError(-1127, "More than 24 hours between startTime and endTime.")
    return start_ms, end_ms


def order_status(venue: Venue, params: Params, account_id: str) -> Json:
    """GET order."""
    order = find_order(venue, params, account_id)
    params.finish()
    if order is None:
        raise no_such_order()
    return shapes.order_status(order)


def open_orders(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET openOrders, of one symbol or of all."""
    symbol = params.text("symbol")
    params.finish()
    if symbol is not None:
        venue.exchange.listing(symbol)
    symbols = [symbol] if symbol is not None else list(venue.exchange.listings)
    return [shapes.order_status(order) for name in symbols for order in venue.exchange.open_orders(account_id, name)]


def all_orders(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET allOrders: from an id upwards, or the newest; orderId, startTime and endTime narrow it."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    from_id, limit = params.integer("orderId"), params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    start_ms, end_ms = read_day(params)
    params.finish()
    rows = [
        order
        for order in venue.exchange.orders.values()
        if order.account_id == account_id
        and order.symbol == symbol
        and (from_id is None or order.venue_order_id >= from_id)
        and (start_ms is None or order.created_ms >= start_ms)
        and (end_ms is None or order.created_ms <= end_ms)
    ]
    forward = from_id is not None or start_ms is not None
    return [shapes.order_status(order) for order in (rows[:limit] if forward else rows[-limit:])]


def my_trades(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET myTrades: from an id or time upwards, or the newest."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    order_id, from_id = params.integer("orderId"), params.integer("fromId")
    start_ms, end_ms = read_day(params)
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    rows = [
        trade
        for trade in venue.exchange.trades.get((account_id, symbol), [])
        if (order_id is None or trade.venue_order_id == order_id)
        and (from_id is None or trade.trade_id >= from_id)
        and (start_ms is None or trade.ts_ms >= start_ms)
        and (end_ms is None or trade.ts_ms <= end_ms)
    ]
    forward = from_id is not None or start_ms is not None
    return [shapes.my_trade(trade) for trade in (rows[:limit] if forward else rows[-limit:])]


def account(venue: Venue, params: Params, account_id: str) -> Json:
    """GET account."""
    omit_zero = params.flag("omitZeroBalances", default=False)
    params.finish()
    fees, holder = venue.exchange.fees, venue.exchange.accounts[account_id]
    return {
        "makerCommission": int(fees.maker * 10_000),
        "takerCommission": int(fees.taker * 10_000),
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": shapes.commission_rates(fees),
        "canTrade": True,
        "canWithdraw": False,
        "canDeposit": False,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": holder.updated_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": text(balance.free), "locked": text(balance.locked)}
            for asset, balance in holder.balances.items()
            if not omit_zero or balance.free or balance.locked
        ],
        "permissions": ["SPOT"],
        "uid": 1 + list(venue.exchange.accounts).index(account_id),
    }


def order_rate_limits(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET rateLimit/order: unfilled orders in the running windows."""
    params.finish()
    counts = venue.limiter.order_counts(account_id, now_ms=venue.wall_ms())
    rules = [rule for rule in venue.limiter.limits.describe() if rule["rateLimitType"] == "ORDERS"]
    return [rule | {"count": count} for rule, count in zip(rules, counts, strict=True)]


def commission(venue: Venue, params: Params, _account_id: str) -> Json:
    """GET account/commission of one symbol."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    params.finish()
    nothing = shapes.commission_rates(Fees(maker=ZERO, taker=ZERO))
    return {
        "symbol": symbol,
        "standardCommission": shapes.commission_rates(venue.exchange.listings[symbol].fees),
        "specialCommission": nothing,
        "taxCommission": nothing,
        "discount": shapes.discount(),
    }


def amendments(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET order/amendments of one order, oldest first."""
    order = find_order(venue, params, account_id)
    from_id = params.integer("fromExecutionId")
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    if order is None:
        raise no_such_order()
    rows = [one for one in order.amendments if from_id is None or one.exec_id >= from_id]
    return [shapes.amendment(order, one) for one in rows[:limit]]


def allocations(venue: Venue, params: Params, _account_id: str) -> list[Json]:
    """GET myAllocations: always none, for there is no smart order routing here."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    params.ignore("startTime", "endTime", "fromAllocationId", "limit", "orderId")
    params.finish()
    return []


def relevant_filters(venue: Venue, params: Params, _account_id: str) -> Json:
    """GET myFilters: those of the symbol that exchangeInfo does not show."""
    symbol = params.required("symbol")
    rules = venue.exchange.listing(symbol).rules
    params.finish()
    return {"exchangeFilters": [], "symbolFilters": account_filters(rules), "assetFilters": []}


def nothing(_venue: Venue, _params: Params) -> list[Json]:
    """Wallet and margin queries that clients make at their start: this venue has neither."""
    return []


def trade_fee(venue: Venue, params: Params) -> list[Json]:
    """GET /sapi/v1/asset/tradeFee, of one symbol or of all."""
    symbol = params.text("symbol")
    if symbol is not None:
        venue.exchange.listing(symbol)
    return [
        {"symbol": name, "makerCommission": str(listing.fees.maker), "takerCommission": str(listing.fees.taker)}
        for name, listing in venue.exchange.listings.items()
        if symbol in {None, name}
    ]


def prevented_matches(venue: Venue, params: Params, account_id: str) -> list[Json]:
    """GET myPreventedMatches."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    match_id, order_id = params.integer("preventedMatchId"), params.integer("orderId")
    from_id, limit = params.integer("fromPreventedMatchId"), params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    rows = [
        prevented
        for prevented in venue.exchange.prevented
        if (prevented.account_id, prevented.symbol) == (account_id, symbol)
        and (match_id is None or prevented.match_id == match_id)
        and (order_id is None or order_id in {prevented.taker_order_id, prevented.maker_order_id})
        and (from_id is None or prevented.match_id >= from_id)
    ]
    return [shapes.prevented_match(prevented) for prevented in rows[:limit]]
