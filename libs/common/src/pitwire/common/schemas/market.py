"""Market data: `md.>`. Loss is tolerated; each publisher counts its messages, so that a reader sees a gap."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from pitwire.common.enums import DataQuality, Side, VenueState
from pitwire.common.money import HUNDRED, difference, product, ratio, total
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
THREE: Final = Decimal(3)


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

    @property
    def notional(self) -> Decimal:
        """Price x quantity, in quote currency."""
        return product(self.last_price, self.last_quantity)


class Quote(MarketMessage):
    """Top of book (`bbo`)."""

    bid_price: Positive
    bid_quantity: NonNegative
    ask_price: Positive
    ask_quantity: NonNegative

    @property
    def mid_price(self) -> Decimal:
        return (self.bid_price + self.ask_price) / TWO

    @property
    def spread(self) -> Decimal:
        """Ask less bid; negative where the book is crossed."""
        return difference(self.ask_price, self.bid_price)

    @property
    def spread_percent(self) -> Decimal:
        """Of the mid price, at 34 digits."""
        return ratio(product(self.spread, HUNDRED), self.mid_price)

    @property
    def is_crossed(self) -> bool:
        return self.bid_price >= self.ask_price


class BookLevel(Value):
    """One price of a book; quantity 0 in a diff removes the level."""

    price: Positive
    quantity: NonNegative

    @property
    def notional(self) -> Decimal:
        return product(self.price, self.quantity)


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

    @model_validator(mode="after")
    def _prices_and_times_agree(self) -> Self:
        if not (self.low <= min(self.open, self.close) and self.high >= max(self.open, self.close)):
            msg = f"open {self.open} or close {self.close} lies outside low {self.low} to high {self.high}"
            raise ValueError(msg)
        if self.close_time_ns <= self.open_time_ns:
            msg = f"close_time_ns {self.close_time_ns} is not after open_time_ns {self.open_time_ns}"
            raise ValueError(msg)
        return self

    @property
    def close_float(self) -> float:
        """The close as indicators take it; what is ordered and booked is `close`."""
        return float(self.close)

    @property
    def typical_price(self) -> Decimal:
        """(high + low + close) / 3, at 34 digits."""
        return ratio(total(total(self.high, self.low), self.close), THREE)

    @property
    def range(self) -> Decimal:
        """High less low."""
        return difference(self.high, self.low)

    @property
    def is_bullish(self) -> bool:
        """It closed above its open; one that closed where it opened is neither bullish nor bearish."""
        return self.close > self.open

    @property
    def is_bearish(self) -> bool:
        return self.close < self.open


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

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if (self.symbol, self.instrument_id) != (f"{self.base}-{self.quote}", f"{self.symbol}.{self.venue}"):
            msg = f"{self.instrument_id} must be BASE-QUOTE.VENUE of {self.base}, {self.quote} and {self.venue}"
            raise ValueError(msg)
        return self


class MarketDoubt(Value):
    """Why market data of this instrument is not to be trusted just now: it lets only reductions pass."""

    instrument_id: InstrumentRef
    reason: Text


class VenueStatus(Message):
    """State of one venue's feed as market-data sees it; `stale_instruments` are flagged, not hidden."""

    venue: Token
    state: VenueState
    epoch: Token
    sequence: Count
    ts_event_ns: TimeNs
    ts_recv_ns: TimeNs
    stale_instruments: tuple[InstrumentRef, ...] = ()
    unsynced_books: tuple[InstrumentRef, ...] = Field(default=(), description="followed, but not in sequence just now")
    flagged: dict[Token, Count] = Field(default={}, description="messages not OK so far, by reason")
    rejected: dict[Token, Count] = Field(default={}, description="messages not published so far, by reason")
    delay_ms: int | None = Field(
        default=None, description="least receive less event time since the status before; below 0: our clock is behind"
    )
    clock_offset_ms: int | None = Field(
        default=None, description="the venue's clock less ours, asked every few seconds"
    )
    doubted: dict[InstrumentRef, Token] = Field(
        default={}, description="flagged without a break for `doubt_after_ms`, with the reason: only reductions pass"
    )
    detail: Text = ""
