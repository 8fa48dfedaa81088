"""Tickers: last prices, best quotes, and statistics of a day, a trading day or a rolling window."""

import re
from collections.abc import Callable

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.intervals import open_of
from pitwire.venue_sim.core.tape import Candle, Tape
from pitwire.venue_sim.core.types import Side
from pitwire.venue_sim.core.units import scaled_text, text
from pitwire.venue_sim.handlers import market_shapes, shapes
from pitwire.venue_sim.handlers.market_data import chosen_symbols
from pitwire.venue_sim.handlers.market_events import DAY_MINUTES
from pitwire.venue_sim.handlers.params import Params
from pitwire.venue_sim.handlers.shapes import Json
from pitwire.venue_sim.handlers.venue import Venue

WINDOW = re.compile(r"([0-9]{1,2})([mhd])")
WINDOW_MAX = {"m": 59, "h": 23, "d": 7}
WINDOW_MINUTES = {"m": 1, "h": 60, "d": DAY_MINUTES}


def _one_or_list(params: Params, rows: list[Json]) -> Json | list[Json]:
    return rows[0] if params.values.get("symbol") else rows


def ticker_price(venue: Venue, params: Params) -> Json | list[Json]:
    """GET ticker/price."""
    chosen = chosen_symbols(venue, params)
    params.ignore("symbolStatus")
    params.finish()
    tapes = venue.driver.tapes
    rows: list[Json] = [{"symbol": name, "price": scaled_text(tapes[name].last_close())} for name in chosen]
    return _one_or_list(params, rows)


def ticker_book(venue: Venue, params: Params) -> Json | list[Json]:
    """GET ticker/bookTicker."""
    chosen = chosen_symbols(venue, params)
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
    chosen = chosen_symbols(venue, params)
    kind = _ticker_kind(params)
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


def ticker_trading_day(venue: Venue, params: Params) -> Json | list[Json]:
    """GET ticker/tradingDay: since midnight UTC."""

    def opened(tape: Tape) -> list[Candle]:
        return tape.candles(open_of("1d", tape.last_ms()), tape.last_ms())

    params.ignore("timeZone")
    return _windowed(venue, params, opened)


def ticker_window(venue: Venue, params: Params) -> Json | list[Json]:
    """GET ticker: a rolling window of 1 to 59 minutes, 1 to 23 hours or 1 to 7 days."""
    size = params.text("windowSize") or "1d"
    match = WINDOW.fullmatch(size)
    if match is None or not 1 <= int(match[1]) <= WINDOW_MAX[match[2]]:
        raise VenueError(-1130, "Data sent for parameter 'windowSize' is not valid.")
    minutes = int(match[1]) * WINDOW_MINUTES[match[2]]
    return _windowed(venue, params, lambda tape: tape.window(minutes))


def _windowed(venue: Venue, params: Params, choose: Callable[[Tape], list[Candle]]) -> Json | list[Json]:
    if "symbol" not in params.values and "symbols" not in params.values:
        raise VenueError(-1128, "Combination of optional parameters invalid. Either symbol or symbols must be sent.")
    chosen = chosen_symbols(venue, params)
    kind = _ticker_kind(params)
    rows = [
        {"symbol": name} | market_shapes.statistics(candles) | {"lastPrice": scaled_text(candles[-1].close)}
        for name in chosen
        if (candles := choose(venue.driver.tapes[name]))
    ]
    if kind == "MINI":
        rows = [{key: value for key, value in row.items() if key in MINI_FIELDS} for row in rows]
    return _one_or_list(params, rows)


def _ticker_kind(params: Params) -> str:
    kind = params.text("type") or "FULL"
    if kind not in {"FULL", "MINI"}:
        raise VenueError(-1139, "Invalid ticker type.")
    params.ignore("symbolStatus")
    params.finish()
    return kind


def day_statistics(venue: Venue, symbol: str) -> Json:
    """The statistics of the last day of one symbol, from its candles."""
    tape = venue.driver.tapes[symbol]
    candles = tape.window(DAY_MINUTES)
    newest = tape.trades[-1] if tape.trades else None
    return (
        {"symbol": symbol, "prevClosePrice": scaled_text(candles[0].open), "lastPrice": scaled_text(candles[-1].close)}
        | market_shapes.statistics(candles)
        | top_of_book(venue, symbol)
        | {"lastQty": scaled_text(newest.quantity if newest else 0)}
    )
