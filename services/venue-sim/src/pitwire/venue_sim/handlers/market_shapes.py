"""What the market's values look like as Binance's JSON."""

from decimal import Decimal

from pitwire.venue_sim.core.intervals import end_of
from pitwire.venue_sim.core.path import BAR_MS
from pitwire.venue_sim.core.tape import Candle
from pitwire.venue_sim.core.types import MarketTrade
from pitwire.venue_sim.core.units import SCALE, scaled_text, text
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


def statistics(candles: list[Candle]) -> Json:
    """What candles in a row sum up to; there has to be one."""
    opened, last = candles[0], candles[-1]
    change = last.close - opened.open
    volume = sum(candle.volume for candle in candles)
    value = sum(candle.quote_volume for candle in candles)
    return {
        "priceChange": _signed(change),
        "priceChangePercent": f"{100 * change / opened.open:.3f}",
        "weightedAvgPrice": scaled_text(value * SCALE // volume if volume else last.close),
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
