"""Market data for tests: plausible candles, quotes, trades and definitions with what a test changes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from pitwire.common.enums import Side, VenueState
from pitwire.common.ids import symbol_of, venue_of
from pitwire.common.schemas.market import Candle, Instrument, Quote, Trade, VenueStatus
from pitwire.common.units import NS_PER_S

MINUTE_NS: Final = 60 * NS_PER_S
MARKET_START_NS: Final = 28_400_000 * MINUTE_NS
BTC: Final = "BTC-USDT.sim"


def definition(instrument_id: str = BTC, **changed: Any) -> Instrument:
    """Tick 0.01, lot 0.0001, smallest order 0.0001 and worth 5."""
    base, _, quote = symbol_of(instrument_id).partition("-")
    values: dict[str, Any] = {
        "instrument_id": instrument_id,
        "symbol": symbol_of(instrument_id),
        "venue": venue_of(instrument_id),
        "venue_symbol": base + quote,
        "base": base,
        "quote": quote,
        "tick_size": Decimal("0.01"),
        "lot_size": Decimal("0.0001"),
        "min_quantity": Decimal("0.0001"),
        "min_notional": Decimal(5),
    }
    return Instrument(**(values | _decimals(changed)))


def candle(minute: int, close: str | float = "100", instrument_id: str = BTC, **changed: Any) -> Candle:
    """The closed one-minute candle that opens `minute` minutes after `MARKET_START_NS`; all prices are `close`."""
    opens, price = MARKET_START_NS + minute * MINUTE_NS, Decimal(str(close))
    values: dict[str, Any] = {
        "instrument_id": instrument_id,
        "epoch": "e1",
        "sequence": minute + 1,
        "ts_event_ns": opens + MINUTE_NS - 1_000_000,
        "ts_recv_ns": 0,
        "interval": "1m",
        "open_time_ns": opens,
        "close_time_ns": opens + MINUTE_NS,
        "open": price,
        "high": price,
        "low": price,
        "close": price,
        "volume": Decimal(1),
    }
    return Candle(**(values | _decimals(changed)))


def quote(bid: str, ask: str, instrument_id: str = BTC, **changed: Any) -> Quote:
    """A top of book of one unit on each side."""
    values: dict[str, Any] = {
        "instrument_id": instrument_id,
        "epoch": "e1",
        "sequence": 1,
        "ts_event_ns": MARKET_START_NS,
        "ts_recv_ns": 0,
        "bid_price": Decimal(bid),
        "bid_quantity": Decimal(1),
        "ask_price": Decimal(ask),
        "ask_quantity": Decimal(1),
    }
    return Quote(**(values | _decimals(changed)))


def trade(trade_id: int, price: str, instrument_id: str = BTC, **changed: Any) -> Trade:
    """A trade of one unit, bought by the taker."""
    values: dict[str, Any] = {
        "instrument_id": instrument_id,
        "epoch": "e1",
        "sequence": trade_id,
        "ts_event_ns": MARKET_START_NS,
        "ts_recv_ns": 0,
        "trade_id": str(trade_id),
        "last_price": Decimal(price),
        "last_quantity": Decimal(1),
        "aggressor_side": Side.BUY,
    }
    return Trade(**(values | _decimals(changed)))


def feed_status(venue: str = "sim", **changed: Any) -> VenueStatus:
    """A feed that is connected and in order."""
    values: dict[str, Any] = {
        "venue": venue,
        "state": VenueState.CONNECTED,
        "epoch": "e1",
        "sequence": 1,
        "ts_event_ns": 0,
        "ts_recv_ns": 0,
    }
    return VenueStatus(**(values | changed))


def _decimals(changed: dict[str, Any]) -> dict[str, Any]:
    """Figures may be given as text."""
    return {
        name: Decimal(value) if isinstance(value, str) and _is_number(value) else value
        for name, value in changed.items()
    }


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).replace("-", "", 1).isdecimal()
