"""Public market data: instruments, books, trades, candles, tickers."""

import json

from pitwire.venue_sim.core.errors import VenueError, bad_symbol
from pitwire.venue_sim.core.path import BAR_MS, quote_value
from pitwire.venue_sim.core.rules import AVERAGE_PRICE_MINUTES, describe
from pitwire.venue_sim.core.tape import Candle, Tape, combine
from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import SCALE, scaled_text, text
from pitwire.venue_sim.handlers import market_shapes, shapes
from pitwire.venue_sim.handlers.params import INTEGER, Params
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.handlers.venue import Venue

HOUR_MS = 60 * BAR_MS
DAY_MS = 24 * HOUR_MS
INTERVALS_MS = {
    "1m": BAR_MS, "3m": 3 * BAR_MS, "5m": 5 * BAR_MS, "15m": 15 * BAR_MS, "30m": 30 * BAR_MS,
    "1h": HOUR_MS, "2h": 2 * HOUR_MS, "4h": 4 * HOUR_MS, "6h": 6 * HOUR_MS, "8h": 8 * HOUR_MS, "12h": 12 * HOUR_MS,
    "1d": DAY_MS, "3d": 3 * DAY_MS,
}  # fmt: skip
DEPTH_DEFAULT = 100
DEPTH_MAX = 5000
ROWS_DEFAULT = 500
ROWS_MAX = 1000
DAY_MINUTES = 1440


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
    chosen = _symbols(venue, params)
    params.ignore("permissions", "showPermissionSets", "symbolStatus")
    params.finish()
    return {
        "timezone": "UTC",
        "serverTime": venue.wall_ms(),
        "rateLimits": venue.limiter.limits.describe(),
        "exchangeFilters": [],
        "symbols": [describe(venue.exchange.listings[symbol].rules) for symbol in chosen],
    }


def _symbols(venue: Venue, params: Params) -> list[str]:
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


def _required_symbol(venue: Venue, params: Params) -> str:
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
    symbol = _required_symbol(venue, params)
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
    symbol = _required_symbol(venue, params)
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.finish()
    recent = list(venue.driver.tapes[symbol].trades)[-limit:]
    return [market_shapes.market_trade(trade, quote_value(trade.price, trade.quantity)) for trade in recent]


def aggregate_trades(venue: Venue, params: Params) -> list[Json]:
    """GET aggTrades, of those the venue still remembers."""
    symbol = _required_symbol(venue, params)
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
    """GET klines: any interval that is a whole number of minutes, made from the one-minute candles."""
    symbol = _required_symbol(venue, params)
    interval = params.required("interval")
    interval_ms = INTERVALS_MS.get(interval)
    if interval_ms is None:
        raise VenueError(-1120, "Invalid interval.")
    start_ms, end_ms = params.integer("startTime"), params.integer("endTime")
    limit = params.limit(default=ROWS_DEFAULT, largest=ROWS_MAX)
    params.ignore("timeZone")
    params.finish()
    return [
        market_shapes.kline_row(candle, interval_ms)
        for candle in _candles(venue.driver.tapes[symbol], interval_ms, start_ms, end_ms, limit)
    ]


def _candles(tape: Tape, interval_ms: int, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
    span = limit * interval_ms
    newest = tape.last_ms() - tape.last_ms() % interval_ms
    if start_ms is not None:
        first = max(-(-start_ms // interval_ms) * interval_ms, tape.first_ms() - tape.first_ms() % interval_ms)
        last = first + span - interval_ms
        if end_ms is not None:
            last = min(last, end_ms - end_ms % interval_ms)
    else:
        last = newest if end_ms is None else min(newest, end_ms - end_ms % interval_ms)
        first = last - span + interval_ms
    return combine(tape.candles(first, last + interval_ms - 1), interval_ms)


def average_price(venue: Venue, params: Params) -> Json:
    """GET avgPrice: volume-weighted over the last minutes."""
    symbol = _required_symbol(venue, params)
    params.finish()
    tape = venue.driver.tapes[symbol]
    return {
        "mins": AVERAGE_PRICE_MINUTES,
        "price": scaled_text(tape.average_price(AVERAGE_PRICE_MINUTES)),
        "closeTime": tape.trades[-1].ts_ms if tape.trades else 0,
    }


def _one_or_list(params: Params, rows: list[Json]) -> Json | list[Json]:
    return rows[0] if params.values.get("symbol") else rows


def ticker_price(venue: Venue, params: Params) -> Json | list[Json]:
    """GET ticker/price."""
    chosen = _symbols(venue, params)
    params.ignore("symbolStatus")
    params.finish()
    tapes = venue.driver.tapes
    rows: list[Json] = [{"symbol": name, "price": scaled_text(tapes[name].last_close())} for name in chosen]
    return _one_or_list(params, rows)


def ticker_book(venue: Venue, params: Params) -> Json | list[Json]:
    """GET ticker/bookTicker."""
    chosen = _symbols(venue, params)
    params.ignore("symbolStatus")
    params.finish()
    return _one_or_list(params, [top_of_book(venue, name) for name in chosen])


def top_of_book(venue: Venue, symbol: str) -> Json:
    """Best bid and ask with their quantities; zeros where a side is empty."""
    book = venue.exchange.listings[symbol].book
    bid, ask = book.best(Side.BUY), book.best(Side.SELL)
    return {
        "symbol": symbol,
        "bidPrice": text(bid[0]) if bid else shapes.NO_AMOUNT,
        "bidQty": text(bid[1]) if bid else shapes.NO_AMOUNT,
        "askPrice": text(ask[0]) if ask else shapes.NO_AMOUNT,
        "askQty": text(ask[1]) if ask else shapes.NO_AMOUNT,
    }


def ticker_24hr(venue: Venue, params: Params) -> Json | list[Json]:
    """GET ticker/24hr: the last 1,440 minutes."""
    chosen = _symbols(venue, params)
    kind = params.text("type") or "FULL"
    if kind not in {"FULL", "MINI"}:
        raise VenueError(-1139, "Invalid ticker type.")
    params.ignore("symbolStatus")
    params.finish()
    rows = [day_statistics(venue, name) for name in chosen]
    if kind == "MINI":
        rows = [{key: value for key, value in row.items() if key in MINI_FIELDS} for row in rows]
    return _one_or_list(params, rows)


MINI_FIELDS = frozenset(
    {
        "symbol", "openPrice", "highPrice", "lowPrice", "lastPrice", "volume", "quoteVolume", "openTime", "closeTime",
        "firstId", "lastId", "count",
    }
)  # fmt: skip


def day_statistics(venue: Venue, symbol: str) -> Json:
    """The statistics of the last day of one symbol, from its candles."""
    tape = venue.driver.tapes[symbol]
    candles = tape.window(DAY_MINUTES)
    opened, last = candles[0], candles[-1]
    change = last.close - opened.open
    volume = sum(candle.volume for candle in candles)
    value = sum(candle.quote_volume for candle in candles)
    newest = tape.trades[-1] if tape.trades else None
    top = top_of_book(venue, symbol)
    return {
        "symbol": symbol,
        "priceChange": _signed(change),
        "priceChangePercent": f"{100 * change / opened.open:.3f}",
        "weightedAvgPrice": scaled_text(value * SCALE // volume if volume else last.close),
        "prevClosePrice": scaled_text(opened.open),
        "lastPrice": scaled_text(last.close),
        "lastQty": scaled_text(newest.quantity if newest else 0),
        "bidPrice": top["bidPrice"],
        "bidQty": top["bidQty"],
        "askPrice": top["askPrice"],
        "askQty": top["askQty"],
        "openPrice": scaled_text(opened.open),
        "highPrice": scaled_text(max(candle.high for candle in candles)),
        "lowPrice": scaled_text(min(candle.low for candle in candles)),
        "volume": scaled_text(volume),
        "quoteVolume": scaled_text(value),
        "openTime": opened.open_ms,
        "closeTime": last.open_ms + BAR_MS - 1,
        "firstId": next((candle.first_id for candle in candles if candle.trades), -1),
        "lastId": next((candle.last_id for candle in reversed(candles) if candle.trades), -1),
        "count": sum(candle.trades for candle in candles),
    }


def _signed(scaled: int) -> str:
    return scaled_text(scaled) if scaled >= 0 else f"-{scaled_text(-scaled)}"
