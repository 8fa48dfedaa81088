"""Market data: `md.>`. Loss is tolerated; each publisher counts its messages, so that a reader sees a gap."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field

from pitwire.common.enums import DataQuality, Side, VenueState
from pitwire.common.schemas.base import (
    Asset,
    Count,
    InstrumentRef,
    Message,
    NonNegative,
    Positive,
    Symbol,
    Text,
    TimeNs,
    Token,
    Value,
)

TWO: Final = Decimal(2)


class MarketMessage(Message):
    """What every market-data message carries; `epoch` names one life of the publisher, `sequence` counts in it."""

    instrument_id: InstrumentRef
    epoch: Token
    sequence: Count
    ts_event_ns: TimeNs = Field(description="the market's clock")
    ts_recv_ns: TimeNs = Field(description="our wall clock when the venue's frame arrived")
    quality: DataQuality = DataQuality.OK


class Trade(MarketMessage):
    """One trade printed by the venue; `aggressor_side` is the taker's."""

    trade_id: Text
    last_price: Positive
    last_quantity: Positive
    aggressor_side: Side


class Quote(MarketMessage):
    """Top of book (`bbo`)."""

    bid_price: Positive
    bid_quantity: NonNegative
    ask_price: Positive
    ask_quantity: NonNegative

    @property
    def mid_price(self) -> Decimal:
        return (self.bid_price + self.ask_price) / TWO


class BookLevel(Value):
    """One price of a book; quantity 0 in a diff removes the level."""

    price: Positive
    quantity: NonNegative


class BookUpdate(MarketMessage):
    """A snapshot (`snapshot`) or the levels changed since the update before; bids fall, asks rise."""

    snapshot: bool
    first_update_id: Count
    last_update_id: Count
    bids: Annotated[tuple[BookLevel, ...], Field(max_length=5000)] = ()
    asks: Annotated[tuple[BookLevel, ...], Field(max_length=5000)] = ()


class Candle(MarketMessage):
    """Open, high, low, close and volume of [open_time, close_time); strategies only ever see closed ones."""

    interval: Token = Field(description="1s 1m 5m 1h 1d ...")
    open_time_ns: TimeNs
    close_time_ns: TimeNs = Field(description="exclusive end = open time of the next candle")
    open: Positive
    high: Positive
    low: Positive
    close: Positive
    volume: NonNegative = Field(description="base currency")
    quote_volume: NonNegative = Decimal(0)
    trade_count: Count = 0
    closed: bool = True
    backfilled: bool = Field(default=False, description="from the venue's history: warms up, never trades")


class Instrument(Message):
    """What can be traded and in which steps; from the venue, never by slicing a symbol."""

    instrument_id: InstrumentRef
    symbol: Symbol
    venue: Token
    venue_symbol: Token = Field(description="the venue's own spelling, BTCUSDT")
    base: Asset
    quote: Asset
    tick_size: Positive
    lot_size: Positive
    min_quantity: NonNegative = Decimal(0)
    max_quantity: Positive | None = None
    min_notional: NonNegative = Decimal(0)
    max_notional: Positive | None = None
    maker_fee_bps: NonNegative = Decimal(10)
    taker_fee_bps: NonNegative = Decimal(10)
    ts_event_ns: TimeNs = 0


class VenueStatus(Message):
    """State of one venue's feed as market-data sees it; `stale_instruments` are flagged, not hidden."""

    venue: Token
    state: VenueState
    epoch: Token
    sequence: Count
    ts_event_ns: TimeNs
    ts_recv_ns: TimeNs
    stale_instruments: tuple[InstrumentRef, ...] = ()
    detail: Text = ""
