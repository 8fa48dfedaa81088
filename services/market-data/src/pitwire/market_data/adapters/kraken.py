"""Kraken Spot as a feed: definitions and candles over REST; trades, top of book and books over one stream.

Its stream has no update ids and no candles. Books are held here to their checksum, and go on under a count of our own:
a book that fails it skips a number, so the core drops it as it does after any gap, and is subscribed again. Minutes are
made of trades; one without a trade carries the close on, as Kraken's own OHLC does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import aiohttp
import orjson

from pitwire.common.clock import NS_PER_MS, NS_PER_S, Clock
from pitwire.common.config import VenueConfig
from pitwire.common.errors import DecodeError, SymbolNotFound, TransientError
from pitwire.common.ids import instrument_id
from pitwire.common.schemas.market import Instrument
from pitwire.market_data.adapters.backoff import Backoff
from pitwire.market_data.adapters.binance_rest import BinanceRest
from pitwire.market_data.adapters.kraken_frames import BookMessage, TickerMessage, TradeMessage, message_of
from pitwire.market_data.core.bars import BarBuilder, EmptyBars
from pitwire.market_data.core.candle_lines import BASE_INTERVAL
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Diff, Outcome, Snapshot, StreamedBook
from pitwire.market_data.core.ticks import Bar, QuoteTick, TradeTick, interval_ns
from pitwire.market_data.ports import Sink

REST: Final = "https://api.kraken.com"
STREAM: Final = "wss://ws.kraken.com"
DEPTH: Final = 1_000
FRAME_BYTES_MAX: Final = 8 * 1024 * 1024
CONNECT_TIMEOUT_S: Final = 10.0
NATIVE_MINUTES: Final = (1, 5, 15, 30, 60, 240, 1_440, 10_080)
"""Kraken keeps candles of these; the newest 720 of each."""

OUR_NAMES: Final = {"XBT": "BTC", "XDG": "DOGE"}
GONE: Final = "0"


@dataclass(slots=True)
class _Pair:
    """One followed pair. `number` counts what its book said, `trades` and `quotes` what those channels did."""

    instrument_id: str
    rest_name: str
    book: StreamedBook | None
    bars: BarBuilder
    number: int = 0
    trades: int = 0
    quotes: int = 0
    ts_event_ns: int = 0
    answered: asyncio.Event = field(default_factory=asyncio.Event)


class KrakenFeed:
    """`Feed` on Kraken, or on anything that speaks like it; `fraction` and `tap` as in `BinanceFeed`."""

    def __init__(
        self,
        venue: str,
        config: VenueConfig,
        clock: Clock,
        fraction: Callable[[], float],
        tap: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self._venue = venue
        self._config = config
        self._clock = clock
        self._tap = tap
        self._books = frozenset(instrument_id(symbol, venue) for symbol in config.books)
        self._rest = BinanceRest(config.rest or REST, fraction, "/0/public/")
        self._backoff = Backoff(fraction)
        self._pairs: dict[str, _Pair] = {}
        self._session: aiohttp.ClientSession | None = None

    async def instruments(self, sink: Sink) -> Mapping[str, tuple[Instrument, bool]]:
        """See `Feed`; also learns the venue's spellings."""
        wanted = {instrument_id(symbol, self._venue): symbol for symbol in self._config.instruments}
        rows = await self._get("AssetPairs", {})
        found: dict[str, tuple[Instrument, bool]] = {}
        for row in rows.values():
            pair = str(row.get("wsname", "")) if isinstance(row, dict) else ""
            symbol = "-".join(OUR_NAMES.get(part, part) for part in pair.split("/"))
            name = f"{symbol}.{self._venue}"
            if name not in wanted:
                continue
            try:
                found[name] = definition_of(self._venue, symbol, row)
            except DecodeError as error:
                await sink.on_malformed(error.subject, str(row).encode(), str(error))
                continue
            if pair not in self._pairs:
                book = StreamedBook(DEPTH) if name in self._books else None
                bars = BarBuilder(name, BASE_INTERVAL, EmptyBars.CARRY)
                self._pairs[pair] = _Pair(name, found[name][0].venue_symbol, book, bars)
        if missing := tuple(symbol for name, symbol in wanted.items() if name not in found):
            raise SymbolNotFound(venue=self._venue, symbols=missing, listed=len(rows), place=self._config.rest or REST)
        return found

    async def history(self, request: HistoryRequest, sink: Sink) -> list[Bar]:  # noqa: ARG002 - the port's shape
        """See `Feed`; nothing where the venue keeps no candles of that length."""
        minutes = interval_ns(request.interval) // (60 * NS_PER_S)
        if minutes not in NATIVE_MINUTES or interval_ns(request.interval) % (60 * NS_PER_S):
            return []
        pair = next(each for each in self._pairs.values() if each.instrument_id == request.instrument_id)
        params = {"pair": pair.rest_name, "interval": str(minutes)}
        if request.from_ns is not None:
            params["since"] = str(request.from_ns // NS_PER_S - 1)
        answer = await self._get("OHLC", params)
        rows: list[Any] = next((rows for name, rows in answer.items() if name != "last"), [])
        bars = [bar_of_row(request.instrument_id, request.interval, row) for row in rows]
        return [bar for bar in bars if request.until_ns is None or bar.open_time_ns < request.until_ns]

    async def book(self, instrument_id: str) -> Snapshot:
        """See `Feed`: the book as the stream has made it, once its snapshot came."""
        pair = next(each for each in self._pairs.values() if each.instrument_id == instrument_id)
        if pair.book is None or not pair.book.is_synced:
            raise TransientError(f"{instrument_id}: its snapshot has not come yet")
        book = pair.book.book
        return Snapshot(instrument_id, pair.number, book.bids.top(DEPTH), book.asks.top(DEPTH), pair.ts_event_ns)

    async def server_time_ns(self) -> int:
        """Kraken tells whole seconds only, which says nothing of a skew of half of one."""
        raise TransientError("Kraken's clock is told in whole seconds")

    async def run(self, sink: Sink) -> None:
        """Streams for ever; silence and every end of the connection connect again."""
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    socket = await self._connect()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                reason = f"cannot connect: {type(error).__name__}: {error}"
            else:
                await sink.on_connected()
                reason = await self._read(socket, sink)
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                    await socket.close()
            await sink.on_disconnected(reason)
            await asyncio.sleep(self._backoff.next_wait_s())

    async def close(self) -> None:
        await self._rest.close()
        if self._session is not None:
            await self._session.close()

    async def _connect(self) -> aiohttp.ClientWebSocketResponse:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        socket = await self._session.ws_connect(self._config.ws or STREAM, max_msg_size=FRAME_BYTES_MAX)
        for pair in self._pairs.values():
            pair.bars.on_gap()
            if pair.book is not None:
                pair.book.on_gap()
        everything, books = list(self._pairs), [name for name, pair in self._pairs.items() if pair.book is not None]
        for channel, names in (("trade", everything), ("ticker", everything), ("book", books)):
            if names:
                await socket.send_str(_wish("subscribe", channel, names))
        return socket

    async def _read(self, socket: aiohttp.ClientWebSocketResponse, sink: Sink) -> str:
        """Hands on every frame until the connection ends or is silent; returns why."""
        silence_s = self._config.silence_max_ms / 1_000
        while True:
            try:
                message = await socket.receive(timeout=silence_s)
            except TimeoutError:
                return f"silent for {self._config.silence_max_ms} ms"
            if message.type not in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
                return f"closed by the venue with code {socket.close_code}"
            self._backoff.reset()
            raw: bytes = message.data if isinstance(message.data, bytes) else str(message.data).encode()
            recv_ns = self._clock.wall_ns()
            if self._tap is not None:
                self._tap(recv_ns, raw)
            try:
                said = message_of(raw)
            except DecodeError as error:
                await sink.on_malformed(error.subject, raw, str(error))
                continue
            pair = self._pairs.get(said.pair) if said is not None else None
            if said is None or pair is None:
                continue
            if isinstance(said, BookMessage):
                if await self._on_book(pair, said, recv_ns, sink):
                    await socket.send_str(_wish("unsubscribe", "book", [said.pair]))
                    await socket.send_str(_wish("subscribe", "book", [said.pair]))
            elif isinstance(said, TickerMessage):
                pair.quotes += 1
                await sink.on_tick(QuoteTick(pair.instrument_id, pair.quotes, *said.bid, *said.ask), recv_ns)
            else:
                await self._on_trades(pair, said, recv_ns, sink)

    async def _on_book(self, pair: _Pair, said: BookMessage, recv_ns: int, sink: Sink) -> bool:
        """True when the book is lost by it: then it is to be subscribed anew."""
        if pair.book is None or not (said.is_snapshot or pair.book.is_synced):
            return False
        act = pair.book.on_snapshot if said.is_snapshot else pair.book.on_diff
        lost = act(said.bids, said.asks, said.checksum) is Outcome.LOST
        pair.ts_event_ns = max(pair.ts_event_ns, said.ts_event_ns)
        pair.number += 2 if lost or said.is_snapshot else 1
        bids, asks = ([], []) if lost or said.is_snapshot else (list(said.bids), list(said.asks))
        if not (lost or said.is_snapshot):
            bids += [(price, GONE) for price in pair.book.forgotten[0]]
            asks += [(price, GONE) for price in pair.book.forgotten[1]]
        diff = Diff(pair.instrument_id, pair.number, pair.number, bids, asks, pair.ts_event_ns)
        await sink.on_tick(diff, recv_ns)
        for bar in pair.bars.on_time(pair.ts_event_ns):
            await sink.on_tick(bar, recv_ns)
        return lost

    async def _on_trades(self, pair: _Pair, said: TradeMessage, recv_ns: int, sink: Sink) -> None:
        for price, quantity, side, ts_event_ns in said.trades:
            pair.trades += 1
            tick = TradeTick(pair.instrument_id, pair.trades, price, quantity, side, ts_event_ns)
            await sink.on_tick(tick, recv_ns)
            for bar in (*pair.bars.on_trade(tick), *pair.bars.on_time(ts_event_ns)):
                await sink.on_tick(bar, recv_ns)

    async def _get(self, path: str, params: Mapping[str, str]) -> dict[str, Any]:
        answer = await self._rest.get(path, params)
        result = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(result, dict) or answer.get("error"):
            raise DecodeError(subject=path, reason="an error, or no result")
        return result


def definition_of(venue: str, symbol: str, row: dict[str, Any]) -> tuple[Instrument, bool]:
    """Our definition of one row of AssetPairs, and whether it trades now (rows without a status do)."""
    base, quote = symbol.split("-")
    try:
        instrument = Instrument(
            instrument_id=instrument_id(symbol, venue),
            symbol=symbol,
            venue=venue,
            venue_symbol=row["altname"],
            base=base,
            quote=quote,
            tick_size=Decimal(row.get("tick_size") or f"1e-{int(row['pair_decimals'])}"),
            lot_size=Decimal(f"1e-{int(row['lot_decimals'])}"),
            min_quantity=Decimal(row.get("ordermin") or 0),
            min_notional=Decimal(row.get("costmin") or 0),
        )
    except (KeyError, ValueError, TypeError, InvalidOperation) as error:
        raise DecodeError(subject=f"AssetPairs {symbol}", reason=f"{type(error).__name__}: {error}"[:400]) from None
    return instrument, row.get("status", "online") == "online"


def bar_of_row(name: str, interval: str, row: Any) -> Bar:
    """One row of OHLC: time, open, high, low, close, average price, volume, trades."""
    try:
        opens, open_, high, low, close, average, volume, trades = row
        figures = [Decimal(text) for text in (open_, high, low, close, volume)]
        opens_ns = int(opens) * NS_PER_S
        bar = Bar(
            instrument_id=name,
            interval=interval,
            open_time_ns=opens_ns,
            open=figures[0],
            high=figures[1],
            low=figures[2],
            close=figures[3],
            volume=figures[4],
            quote_volume=Decimal(average) * figures[4],
            trade_count=int(trades),
            ts_event_ns=opens_ns + interval_ns(interval) - NS_PER_MS,
        )
        fault = bar.fault()
    except (ValueError, TypeError, InvalidOperation) as error:
        raise DecodeError(subject=f"OHLC {name}", reason=f"{type(error).__name__}: {error}"[:400]) from None
    if fault:
        raise DecodeError(subject=f"OHLC {name}", reason=fault)
    return bar


def _wish(event: str, channel: str, pairs: list[str]) -> str:
    depth = {"depth": DEPTH} if channel == "book" else {}
    return orjson.dumps({"event": event, "pair": pairs, "subscription": {"name": channel} | depth}).decode()
