"""Binance's market data in its own words, checked: unknown fields are tolerated, wrong ones refused with their place.

Single letters are Binance's; what each means stands in its documentation of web socket streams.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Annotated, Any, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pitwire.common.books import ZERO_MOST
from pitwire.common.enums import Side
from pitwire.common.errors import DecodeError
from pitwire.common.ids import instrument_id
from pitwire.common.schemas.base import Asset, NonNegative, Positive, Token
from pitwire.common.schemas.market import Instrument
from pitwire.common.units import NS_PER_MS
from pitwire.market_data.adapters.fields import Fields, Forms, are_plain, plain_texts
from pitwire.market_data.core.depth import Diff, Snapshot
from pitwire.market_data.core.ticks import Bar, QuoteTick, Tick, TimeTick, TradeTick

ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
"""exchangeInfo of a whole venue takes some megabytes."""

TRADING: Final = "TRADING"

MS_MAX: Final = 10**14
ID_MAX: Final = 2**63 - 1
STREAMS_CACHED_MAX: Final = 4_096
Id = Annotated[int, Field(ge=0, strict=True)]
Ms = Annotated[int, Field(gt=0, lt=MS_MAX, strict=True)]


class Frame(BaseModel):
    """A row of the venue; members we do not read may come and go."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)


class Filter(Frame):
    """One rule of a symbol; only the members of the rules we read."""

    filterType: str  # noqa: N815 - Binance's spelling
    tickSize: NonNegative | None = None  # noqa: N815 - Binance's spelling
    stepSize: NonNegative | None = None  # noqa: N815 - Binance's spelling
    minQty: NonNegative | None = None  # noqa: N815 - Binance's spelling
    maxQty: NonNegative | None = None  # noqa: N815 - Binance's spelling
    minNotional: NonNegative | None = None  # noqa: N815 - Binance's spelling
    maxNotional: NonNegative | None = None  # noqa: N815 - Binance's spelling


class SymbolRow(Frame):
    """One row of exchangeInfo."""

    symbol: Token
    status: str
    baseAsset: Asset  # noqa: N815 - Binance's spelling
    quoteAsset: Asset  # noqa: N815 - Binance's spelling
    filters: list[Filter]


KlineRow: Final = TypeAdapter(
    tuple[Id, Positive, Positive, Positive, Positive, NonNegative, Ms, NonNegative, Id, NonNegative, NonNegative, Any]
)


_FORMS: Final = Forms()
"""A memory of what was checked, as a cache is: it changes no answer."""

_TWO_PLAIN: Final = plain_texts(2)
_FOUR_PLAIN: Final = plain_texts(4)


def decode_json(place: str, data: bytes | str) -> Any:
    """The parsed frame or answer; `DecodeError` names the place."""
    if len(data) > ANSWER_BYTES_MAX:
        raise DecodeError(subject=place, reason=f"{len(data)} bytes, at most {ANSWER_BYTES_MAX}")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(subject=place, reason=f"not JSON: {error}") from None


class Notice(Enum):
    """What a venue says about the connection itself."""

    SHUTDOWN = "serverShutdown"


def tick_of(data: bytes, known: Mapping[str, str]) -> Tick | Notice | None:
    """What a combined-stream frame says; None for a stream or symbol that was not asked for.

    `known` gives our `instrument_id` of the venue's symbol.
    """
    frame: Any = decode_json("stream", data)
    body: Any = frame.get("data", frame) if type(frame) is dict else None
    if type(body) is not dict:
        raise DecodeError(subject="stream", reason="not an object")
    stream: Any = frame.get("stream")
    if type(stream) is str and (read := reader_of(stream)) is not None:
        return read(stream, body, known, data)
    if body.get("e") == Notice.SHUTDOWN.value:
        return Notice.SHUTDOWN
    if type(stream) is not str:
        raise DecodeError(subject="stream", reason="no stream is named")
    return None


def _trade(stream: str, body: Any, known: Mapping[str, str], _: bytes) -> TradeTick | None:
    """`m` = the buyer was the maker, so the taker sold."""
    fields = Fields(stream, body)
    instrument = known.get(fields.text("s"))
    if instrument is None:
        return None
    get = body.get
    price, quantity = get("p"), get("q")
    if not (are_plain(_TWO_PLAIN, (price, quantity)) and price > ZERO_MOST and quantity > ZERO_MOST):
        price, quantity = fields.positive_text("p"), fields.positive_text("q")
    return TradeTick(
        instrument,
        fields.count("t"),
        price,
        quantity,
        Side.SELL if fields.flag("m") else Side.BUY,
        fields.count("T", least=1, most=MS_MAX) * NS_PER_MS,
    )


def _quote(stream: str, body: Any, known: Mapping[str, str], _: bytes) -> QuoteTick | None:
    fields = Fields(stream, body)
    instrument = known.get(fields.text("s"))
    if instrument is None:
        return None
    get = body.get
    bid, bid_quantity, ask, ask_quantity = figures = get("b"), get("B"), get("a"), get("A")
    if not (are_plain(_FOUR_PLAIN, figures) and bid > ZERO_MOST and ask > ZERO_MOST):
        bid, bid_quantity = fields.positive_text("b"), fields.number_text("B")
        ask, ask_quantity = fields.positive_text("a"), fields.number_text("A")
    return QuoteTick(instrument, fields.count("u"), bid, bid_quantity, ask, ask_quantity)


def _diff(stream: str, body: Any, known: Mapping[str, str], raw: bytes) -> Diff | None:
    """`U` to `u`: the updates in it; `pu`: the last one of the diff before, which only futures tell."""
    get = body.get
    symbol, first, last, event_ms, previous = get("s"), get("U"), get("u"), get("E"), get("pu")
    instrument = known.get(symbol) if type(symbol) is str else None
    bids, asks = get("b"), get("a")
    lists = type(bids) is list and type(asks) is list
    whole = type(first) is type(last) is type(event_ms) is int and (previous is None or type(previous) is int)
    if not (instrument and lists and whole and 0 <= first <= last <= ID_MAX and 0 < event_ms <= MS_MAX):
        return _checked_diff(stream, body, known)
    if not _FORMS.are_sound(stream, raw, len(bids), len(asks)):
        diff = _checked_diff(stream, body, known)
        _FORMS.learn(stream, raw)
        return diff
    return Diff(instrument, first, last, bids, asks, event_ms * NS_PER_MS, previous)


def _checked_diff(stream: str, body: dict[str, Any], known: Mapping[str, str]) -> Diff | None:
    """Member by member and level by level: says what is wrong."""
    fields = Fields(stream, body)
    instrument = known.get(fields.text("s"))
    if instrument is None:
        return None
    return Diff(
        instrument,
        fields.count("U"),
        fields.count("u"),
        fields.levels("b"),
        fields.levels("a"),
        fields.count("E", least=1, most=MS_MAX) * NS_PER_MS,
        fields.count("pu") if "pu" in body else None,
    )


def snapshot_of(instrument: str, body: Any) -> Snapshot:
    """An answer to GET depth."""
    place = f"depth {instrument}"
    if not isinstance(body, dict):
        raise DecodeError(subject=place, reason="not an object")
    fields = Fields(place, body)
    event_ms = fields.count("E", most=MS_MAX) if fields.has("E") else 0
    return Snapshot(
        instrument, fields.count("lastUpdateId"), fields.levels("bids"), fields.levels("asks"), event_ms * NS_PER_MS
    )


def _candle(stream: str, members: dict[str, Any], known: Mapping[str, str], _: bytes) -> Bar | TimeTick | None:
    """`x` = this candle is closed; of one that is still open only the time is read."""
    fields = Fields(stream, members)
    body = fields.part("k")
    instrument = known.get(body.text("s"))
    if instrument is None:
        return None
    ts_event_ns = fields.count("E", least=1, most=MS_MAX) * NS_PER_MS
    if not body.flag("x"):
        return TimeTick(instrument, ts_event_ns)
    bar = Bar(
        instrument_id=instrument,
        interval=body.text("i"),
        open_time_ns=body.count("t", most=MS_MAX) * NS_PER_MS,
        open=body.positive("o"),
        high=body.positive("h"),
        low=body.positive("l"),
        close=body.positive("c"),
        volume=body.number("v"),
        quote_volume=body.number("q"),
        trade_count=body.count("n"),
        ts_event_ns=ts_event_ns,
    )
    return _sound(bar, f"kline {instrument} {bar.interval}")


Reader = Callable[[str, Any, Mapping[str, str], bytes], Tick | None]


@lru_cache(maxsize=STREAMS_CACHED_MAX)
def reader_of(stream: str) -> Reader | None:
    """What reads the frames of a stream; None for one that was not asked for."""
    kind = stream.partition("@")[2]
    if kind.startswith("depth@") or kind == "depth":
        return _diff
    if kind.startswith("kline_"):
        return _candle
    return {"trade": _trade, "bookTicker": _quote}.get(kind)


def reason_of(error: ValidationError) -> str:
    """Field and reason of each mistake, never the input."""
    return "; ".join(f"{'.'.join(map(str, e['loc'])) or 'frame'}: {e['msg']}" for e in error.errors())[:400]


def bar_of_row(instrument: str, interval: str, row: Any) -> Bar:
    """One row of GET klines; whether it is closed is for the reader to tell."""
    place = f"klines {instrument} {interval}"
    try:
        opens, open_, high, low, close, volume, closes, quote_volume, trades, _, _, _ = KlineRow.validate_python(row)
    except ValidationError as error:
        raise DecodeError(subject=place, reason=reason_of(error)) from None
    bar = Bar(
        instrument_id=instrument,
        interval=interval,
        open_time_ns=opens * NS_PER_MS,
        open=open_,
        high=high,
        low=low,
        close=close,
        volume=volume,
        quote_volume=quote_volume,
        trade_count=trades,
        ts_event_ns=closes * NS_PER_MS,
    )
    return _sound(bar, place)


def _sound(bar: Bar, place: str) -> Bar:
    fault = bar.fault()
    if fault:
        raise DecodeError(subject=place, reason=fault)
    return bar


def definition_of(venue: str, row: Any) -> tuple[Instrument, bool]:
    """Our definition of one row of exchangeInfo, and whether it trades now.

    Base and quote are the venue's own fields: a symbol such as BTCFDUSD cannot be sliced. Fees stay at the default of
    the schema, since Binance tells them per account only.
    """
    place = f"exchangeInfo {row.get('symbol') if isinstance(row, dict) else type(row).__name__}"
    try:
        symbol = SymbolRow.model_validate(row)
        filters = {each.filterType: each for each in symbol.filters}
        price, lot = filters.get("PRICE_FILTER"), filters.get("LOT_SIZE")
        notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
        ours = f"{symbol.baseAsset}-{symbol.quoteAsset}"
        instrument = Instrument(
            instrument_id=instrument_id(ours, venue),
            symbol=ours,
            venue=venue,
            venue_symbol=symbol.symbol,
            base=symbol.baseAsset,
            quote=symbol.quoteAsset,
            tick_size=_step(price.tickSize if price else None),
            lot_size=_step(lot.stepSize if lot else None),
            min_quantity=_plain(lot.minQty if lot else None) or Decimal(0),
            max_quantity=_plain(lot.maxQty if lot else None),
            min_notional=_plain(notional.minNotional if notional else None) or Decimal(0),
            max_notional=_plain(notional.maxNotional if notional else None),
        )
    except ValidationError as error:
        raise DecodeError(subject=place, reason=reason_of(error)) from None
    return instrument, symbol.status == TRADING


def _step(value: Decimal | None) -> Decimal:
    """The step without trailing zeros; 0 (which the schema refuses) when the venue names none."""
    return _plain(value) or Decimal(0)


def _plain(value: Decimal | None) -> Decimal | None:
    """0.01000000 as 0.01; nothing when it is 0, which at Binance means that the rule is off."""
    return Decimal(format(value.normalize(), "f")) if value else None
