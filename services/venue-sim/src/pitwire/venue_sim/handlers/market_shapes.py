"""What the market's values look like as Binance's JSON."""

from decimal import Decimal

from pitwire.venue_sim.core.intervals import end_of
from pitwire.venue_sim.core.tape import Candle
from pitwire.venue_sim.core.types import MarketTrade
from pitwire.venue_sim.core.units import scaled_text, text
from pitwire.venue_sim.handlers.shapes import Json


def market_trade(trade: MarketTrade, quote: int) -> Json:
    """A trade of the market as `trades` shows it."""
    return {
        "id": trade.trade_id,
        "price": scaled_text(trade.price),
        "qty": scaled_text(trade.quantity),
        "quoteQty": scaled_text(quote),
        "time": trade.ts_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_trade(trade: MarketTrade) -> Json:
    """A trade of the market as `aggTrades` shows it; every trade of the path is an aggregate of its own."""
    return {
        "a": trade.trade_id,
        "p": scaled_text(trade.price),
        "q": scaled_text(trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.ts_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def kline_row(candle: Candle, interval: str) -> list[object]:
    """A candle as `klines` shows it."""
    return [
        candle.open_ms,
        scaled_text(candle.open),
        scaled_text(candle.high),
        scaled_text(candle.low),
        scaled_text(candle.close),
        scaled_text(candle.volume),
        end_of(interval, candle.open_ms),
        scaled_text(candle.quote_volume),
        candle.trades,
        scaled_text(candle.taker_volume),
        scaled_text(candle.taker_quote_volume),
        "0",
    ]


def kline_event(symbol: str, candle: Candle, *, interval: str, closed: bool, ts_ms: int) -> Json:
    """A candle as the kline stream shows it."""
    return {
        "e": "kline",
        "E": ts_ms,
        "s": symbol,
        "k": {
            "t": candle.open_ms,
            "T": end_of(interval, candle.open_ms),
            "s": symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": scaled_text(candle.open),
            "c": scaled_text(candle.close),
            "h": scaled_text(candle.high),
            "l": scaled_text(candle.low),
            "v": scaled_text(candle.volume),
            "n": candle.trades,
            "x": closed,
            "q": scaled_text(candle.quote_volume),
            "V": scaled_text(candle.taker_volume),
            "Q": scaled_text(candle.taker_quote_volume),
            "B": "0",
        },
    }


def levels(side: list[tuple[Decimal, Decimal]]) -> list[list[str]]:
    """One side of a book."""
    return [[text(price), text(quantity)] for price, quantity in side]
