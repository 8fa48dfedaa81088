"""What happens in the market as the streams tell it."""

from pitwire.venue_sim.core.book import Book
from pitwire.venue_sim.core.intervals import end_of
from pitwire.venue_sim.core.market import Move
from pitwire.venue_sim.core.path import BAR_MS
from pitwire.venue_sim.core.rules import AVERAGE_PRICE_MINUTES
from pitwire.venue_sim.core.tape import Candle, Tape
from pitwire.venue_sim.core.types import MarketTrade, Side
from pitwire.venue_sim.core.units import scaled_text, text
from pitwire.venue_sim.handlers import market_shapes, shapes
from pitwire.venue_sim.handlers.shapes import Json

DAY_MINUTES = 1440


def trade(symbol: str, printed: MarketTrade) -> Json:
    """A trade of the market."""
    return {
        "e": "trade",
        "E": printed.ts_ms,
        "s": symbol,
        "t": printed.trade_id,
        "p": scaled_text(printed.price),
        "q": scaled_text(printed.quantity),
        "T": printed.ts_ms,
        "m": printed.buyer_is_maker,
        "M": True,
    }


def aggregate_trade(symbol: str, printed: MarketTrade) -> Json:
    """A trade of the market, as an aggregate of one."""
    return {"e": "aggTrade", "E": printed.ts_ms, "s": symbol} | market_shapes.aggregate_trade(printed)


def minute(move: Move, candle: Candle) -> Json:
    """The one-minute candle that a move belongs to."""
    return market_shapes.kline_event(move.symbol, candle, interval="1m", closed=move.candle_closed, ts_ms=move.ts_ms)


def longer(move: Move, candle: Candle, tape: Tape, interval: str) -> Json:
    """The longer candle that a move belongs to, closed with its last minute."""
    running = tape.up_to(interval, candle.open_ms) or candle
    closed = move.candle_closed and candle.open_ms + BAR_MS - 1 == end_of(interval, running.open_ms)
    return market_shapes.kline_event(move.symbol, running, interval=interval, closed=closed, ts_ms=move.ts_ms)


def mini_ticker(symbol: str, tape: Tape, ts_ms: int) -> Json:
    """The last day of one symbol, in short."""
    day = market_shapes.statistics(tape.window(DAY_MINUTES))
    return {
        "e": "24hrMiniTicker",
        "E": ts_ms,
        "s": symbol,
        "c": scaled_text(tape.last_close()),
        "o": day["openPrice"],
        "h": day["highPrice"],
        "l": day["lowPrice"],
        "v": day["volume"],
        "q": day["quoteVolume"],
    }


def ticker(symbol: str, tape: Tape, book: Book, ts_ms: int) -> Json:
    """The last day of one symbol, with its best quotes."""
    day = market_shapes.statistics(tape.window(DAY_MINUTES))
    bid, ask = book.best(Side.BUY), book.best(Side.SELL)
    newest = tape.trades[-1] if tape.trades else None
    return mini_ticker(symbol, tape, ts_ms) | {
        "e": "24hrTicker",
        "p": day["priceChange"],
        "P": day["priceChangePercent"],
        "w": day["weightedAvgPrice"],
        "x": day["openPrice"],
        "Q": scaled_text(newest.quantity if newest else 0),
        "b": text(bid[0]) if bid else shapes.NO_AMOUNT,
        "B": text(bid[1]) if bid else shapes.NO_AMOUNT,
        "a": text(ask[0]) if ask else shapes.NO_AMOUNT,
        "A": text(ask[1]) if ask else shapes.NO_AMOUNT,
        "O": day["openTime"],
        "C": day["closeTime"],
        "F": day["firstId"],
        "L": day["lastId"],
        "n": day["count"],
    }


def average_price(symbol: str, tape: Tape, ts_ms: int) -> Json:
    """The average price of the last minutes."""
    return {
        "e": "avgPrice",
        "E": ts_ms,
        "s": symbol,
        "i": f"{AVERAGE_PRICE_MINUTES}m",
        "w": scaled_text(tape.average_price(AVERAGE_PRICE_MINUTES)),
        "T": tape.trades[-1].ts_ms if tape.trades else 0,
    }
