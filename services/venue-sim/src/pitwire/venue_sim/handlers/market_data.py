"""Public market data: instruments, books, trades, candles."""

import json

from pitwire.venue_sim.core.errors import VenueError, bad_symbol
from pitwire.venue_sim.core.intervals import LENGTHS_MS, end_of, open_of
from pitwire.venue_sim.core.path import quote_value
from pitwire.venue_sim.core.rules import AVERAGE_PRICE_MINUTES, describe
from pitwire.venue_sim.core.tape import Candle, Tape, combine
from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import scaled_text
from pitwire.venue_sim.handlers import market_shapes
from pitwire.venue_sim.handlers.params import INTEGER, Params
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.handlers.venue import Venue

DEPTH_DEFAULT = 100
DEPTH_MAX = 5000
ROWS_DEFAULT = 500
ROWS_MAX = 1000


def ping(_venue: Venue, params: Params) -> Json:
    """GET ping."""
    params.finish()
    return {}


def time(venue: Venue, params: Params) -> Json:
    """GET time: wall time, which signatures are measured with."""
    params.finish()
    return {"serverTime": venue.wall_ms()}


def exchange_info(venue: Venue, params: Params) -> Json:
    """GET exchangeInfo, of all symbols or of some."""
    chosen = chosen_symbols(venue, params)
    params.ignore("permissions", "showPermissionSets", "symbolStatus")
    params.finish()
    listings = [venue.exchange.listings[symbol] for symbol in chosen]
    return {
        "timezone": "UTC",
        "serverTime": venue.wall_ms(),
        "rateLimits": venue.limiter.limits.describe(),
        "exchangeFilters": [],
        "symbols": [describe(listing.rules, is_halted=listing.is_halted) for listing in listings],
    }


def chosen_symbols(venue: Venue, params: Params) -> list[str]:
    """The symbols that a request names with `symbol` or `symbols`, or all."""
    one, several = params.text("symbol"), params.text("symbols")
    if one is not None and several is not None:
        raise VenueError(-1128, "Combination of optional parameters invalid.")
    if one is not None:
        venue.exchange.listing(one)
        return [one]
    if several is None:
        return list(venue.exchange.listings)
    try:
        names = json.loads(several)
    except ValueError:
        raise VenueError(-1130, "Data sent for parameter 'symbols' is not valid.") from None
    if not isinstance(names, list) or not names or not all(name in venue.exchange.listings for name in names):
        raise bad_symbol()
    if len(set(names)) != len(names):
        raise VenueError(-1151, "Symbol is present multiple times in the list.")
    return [str(name) for name in names]


def required_symbol(venue: Venue, params: Params) -> str:
    """The one symbol that a request has to name."""
    symbol = params.required("symbol")
    venue.exchange.listing(symbol)
    return symbol


def depth_weight(params: Params) -> int:
    """What a depth request costs: more levels, more weight."""
    limit = params.values.get("limit", "")
    levels = int(limit) if INTEGER.fullmatch(limit) else DEPTH_DEFAULT
    return next((weight for most, weight in ((100, 5), (500, 25), (1000, 50)) if levels <= most), 250)


def depth(venue: Venue, params: Params) -> Json:
    """GET depth."""
    symbol = required_symbol(venue, params)
    limit = params.limit(default=DEPTH_DEFAULT, largest=DEPTH_MAX)
    params.ignore("symbolStatus")
    params.finish()
    return book_snapshot(venue, symbol, limit)


def book_snapshot(venue: Venue, symbol: str, limit: int) -> Json:
    """The best levels of both sides with the id of the last update they contain."""
    book = venue.exchange.listings[symbol].book
    return {
        "lastUpdateId": venue.exchange.revision,
        "bids": market_shapes.levels(book.depth(Side.BUY, limit)),
        "asks": market_shapes.levels(book.depth(Side.SELL, limit)),
    }


def trades(venue: Venue, params: Params) -> list[Json]:
    """GET trades: the newest of the market."""
    symbol = required_symbol(venue, params)
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    recent = list(venue.driver.tapes[symbol].trades)[-limit:]
    return [market_shapes.market_trade(trade, quote_value(trade.price, trade.quantity)) for trade in recent]


def historical_trades(venue: Venue, params: Params) -> list[Json]:
    """GET historicalTrades: from an id upwards, of those the venue still remembers."""
    symbol = required_symbol(venue, params)
    from_id = params.integer("fromId")
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    rows = [trade for trade in venue.driver.tapes[symbol].trades if from_id is None or trade.trade_id >= from_id]
    chosen = rows[-limit:] if from_id is None else rows[:limit]
    return [market_shapes.market_trade(trade, quote_value(trade.price, trade.quantity)) for trade in chosen]


def aggregate_trades(venue: Venue, params: Params) -> list[Json]:
    """GET aggTrades, of those the venue still remembers."""
    symbol = required_symbol(venue, params)
    from_id, start_ms, end_ms = params.integer("fromId"), params.integer("startTime"), params.integer("endTime")
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    rows = [
        trade
        for trade in venue.driver.tapes[symbol].trades
        if (from_id is None or trade.trade_id >= from_id)
        and (start_ms is None or trade.ts_ms >= start_ms)
        and (end_ms is None or trade.ts_ms <= end_ms)
    ]
    forward = from_id is not None or start_ms is not None
    return [market_shapes.aggregate_trade(trade) for trade in (rows[:limit] if forward else rows[-limit:])]


def klines(venue: Venue, params: Params) -> list[list[object]]:
    """GET klines: any interval that whole minutes make, from the one-minute candles."""
    symbol = required_symbol(venue, params)
    interval = params.required("interval")
    if interval not in LENGTHS_MS:
        raise VenueError(-1120, "Invalid interval.")
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime")
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.ignore("timeZone")
    params.finish()
    return [
        market_shapes.kline_row(candle, interval)
        for candle in _candles(venue.driver.tapes[symbol], interval, start_ms, end_ms, limit)
    ]


def _candles(tape: Tape, interval: str, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
    """The first `limit` candles that open in start..end, or the last ones up to its end when there is no start."""
    span = limit * LENGTHS_MS[interval]
    last = tape.last_ms() if end_ms is None else min(tape.last_ms(), end_ms)
    newest = open_of(interval, last)
    if start_ms is None:
        first = open_of(interval, max(0, newest - span + LENGTHS_MS[interval]))
        return combine(tape.candles(first, end_of(interval, newest)), interval)[-limit:]
    first = open_of(interval, max(start_ms, tape.first_ms()))
    if first < start_ms:
        first = end_of(interval, first) + 1
    until = min(end_of(interval, newest), first + span - 1)
    return combine(tape.candles(first, until), interval)[:limit]


def average_price(venue: Venue, params: Params) -> Json:
    """GET avgPrice: volume-weighted over the last minutes."""
    symbol = required_symbol(venue, params)
    params.finish()
    tape = venue.driver.tapes[symbol]
    return {
        "mins": AVERAGE_PRICE_MINUTES,
        "price": scaled_text(tape.average_price(AVERAGE_PRICE_MINUTES)),
        "closeTime": tape.trades[-1].ts_ms if tape.trades else 0,
    }


def execution_rules(venue: Venue, params: Params) -> Json:
    """GET executionRules: no symbol has any."""
    chosen_symbols(venue, params)
    params.ignore("symbolStatus")
    params.finish()
    return {"symbolRules": []}


def reference_price(venue: Venue, params: Params) -> Json:
    """GET referencePrice and its calculation.

    Raises:
        VenueError: -2043, for no symbol has one.
    """
    required_symbol(venue, params)
    params.ignore("symbolStatus")
    params.finish()
    raise VenueError(-2043, "This symbol doesn't have a reference price.")
