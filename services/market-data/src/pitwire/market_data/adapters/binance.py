"""Binance Spot as a feed: definitions and history over REST; trades, top of book and candles over one stream."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import aiohttp

from pitwire.common.clock import NS_PER_MS, NS_PER_S, Clock
from pitwire.common.config import VenueConfig
from pitwire.common.errors import DecodeError, SymbolNotFound, UsageError
from pitwire.common.ids import instrument_id
from pitwire.common.schemas.market import Instrument
from pitwire.market_data.adapters.backoff import Backoff
from pitwire.market_data.adapters.binance_rest import BinanceRest, VenueRefusal
from pitwire.market_data.adapters.fields import Fields
from pitwire.market_data.adapters.frames import MS_MAX, Notice, bar_of_row, definition_of, snapshot_of, tick_of
from pitwire.market_data.core.bars import BarBuilder, EmptyBars
from pitwire.market_data.core.candle_lines import BASE_INTERVAL
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Snapshot
from pitwire.market_data.core.ticks import Bar, interval_ns
from pitwire.market_data.ports import Sink

FRAME_BYTES_MAX: Final = 1_048_576
STREAMS_MAX: Final = 1_024
"""Of one connection, by the venue's rule."""

KLINES_MAX: Final = 1_000
"""Rows of one answer, by the venue's rule."""

DEPTH_LIMIT: Final = 1_000
"""Levels of each side in a snapshot of a book."""

NATIVE: Final = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w")
"""Intervals the venue keeps candles of; others are made from the longest of these that fills them."""

INVALID_INTERVAL: Final = -1120

HISTORY_PAGES_MAX: Final = 100
CONNECT_TIMEOUT_S: Final = 10.0
PING_PERIOD_S: Final = 15.0
WATCH_PERIOD_S: Final = 0.25
PLANNED_RECONNECT_NS: Final = 23 * 3_600 * NS_PER_S
"""The venue ends each connection after 24 hours; we change over before, with both open for a moment."""

OVERLAP_MAX_S: Final = 10.0
FRAMES_PER_TURN: Final = 32
"""A full socket never makes its reader wait: without a pause now and then, heartbeats and candles would."""

CLOSE_TIMEOUT_S: Final = 1.0


class _Connection:
    """One open socket and the task that reads it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, opened_ns: int) -> None:
        self.socket = socket
        self.opened_ns = opened_ns
        self.heard_ns = opened_ns
        self.first_frame = asyncio.Event()
        self.shutdown_announced = False
        self.reader: asyncio.Task[str]


class BinanceFeed:
    """`Feed` on one Binance venue, or on anything that speaks like it.

    `fraction`: a random number in [0, 1). `tap` sees every frame as it came, with its receive time, before it is read.
    """

    def __init__(
        self,
        venue: str,
        config: VenueConfig,
        clock: Clock,
        fraction: Callable[[], float],
        tap: Callable[[int, bytes], None] | None = None,
    ) -> None:
        self._venue = venue
        self._tap = tap
        self._config = config
        self._books = frozenset(instrument_id(symbol, venue) for symbol in config.books)
        self._clock = clock
        self._rest = BinanceRest(config.rest, fraction)
        self._backoff = Backoff(fraction)
        self._symbols: dict[str, str] = {}
        self._session: aiohttp.ClientSession | None = None

    async def instruments(self, sink: Sink) -> Mapping[str, tuple[Instrument, bool]]:
        """See `Feed`; also learns the venue's spelling of each symbol, which history and streams need."""
        wanted = {instrument_id(symbol, self._venue): symbol for symbol in self._config.instruments}
        answer = await self._rest.get("exchangeInfo", {})
        rows: Any = answer.get("symbols") if isinstance(answer, dict) else None
        if not isinstance(rows, list):
            raise DecodeError(subject="exchangeInfo", reason="symbols is not a list")
        found: dict[str, tuple[Instrument, bool]] = {}
        for row in rows:
            if not isinstance(row, dict) or f"{row.get('baseAsset')}-{row.get('quoteAsset')}" not in wanted.values():
                continue
            try:
                definition, trading = definition_of(self._venue, row)
            except DecodeError as error:
                await sink.on_malformed(error.subject, str(row).encode(), str(error))
                continue
            found[definition.instrument_id] = definition, trading
        if missing := tuple(symbol for name, symbol in wanted.items() if name not in found):
            raise SymbolNotFound(venue=self._venue, symbols=missing, listed=len(rows), place=self._config.rest)
        self._symbols = {name: definition.venue_symbol for name, (definition, _) in found.items()}
        return found

    async def history(self, request: HistoryRequest, sink: Sink) -> list[Bar]:
        """See `Feed`; nothing where the venue keeps no candles so short."""
        kept = native_of(request.interval)
        try:
            if kept == request.interval:
                return await self._klines(request, self._config.history_candles + 1, sink)
            wanted = (self._config.history_candles + 1) * (interval_ns(request.interval) // interval_ns(kept)) + 1
            parts = await self._klines(replace(request, interval=kept), wanted, sink)
        except VenueRefusal as error:
            if error.venue_code == INVALID_INTERVAL:
                return []
            raise
        builder = BarBuilder(request.instrument_id, request.interval, EmptyBars.CARRY)
        return [bar for part in parts for bar in builder.on_bar(part)]

    async def book(self, instrument_id: str) -> Snapshot:
        """See `Feed`."""
        params = {"symbol": self._symbols[instrument_id], "limit": str(DEPTH_LIMIT)}
        return snapshot_of(instrument_id, await self._rest.get("depth", params))

    async def server_time_ns(self) -> int:
        """See `Feed`."""
        answer = await self._rest.get("time", {})
        if not isinstance(answer, dict):
            raise DecodeError(subject="time", reason="not an object")
        return Fields("time", answer).count("serverTime", least=1, most=MS_MAX) * NS_PER_MS

    async def _klines(self, request: HistoryRequest, wanted: int, sink: Sink) -> list[Bar]:
        """Page by page, at most `HISTORY_PAGES_MAX` of them; the newest ones in one page."""
        from_ns = request.from_ns
        params = {"symbol": self._symbols[request.instrument_id], "interval": request.interval}
        if request.until_ns is not None:
            params["endTime"] = str(request.until_ns // NS_PER_MS - 1)
        bars: list[Bar] = []
        for _ in range(HISTORY_PAGES_MAX):
            if from_ns is not None:
                params["startTime"] = str(from_ns // NS_PER_MS)
            params["limit"] = str(KLINES_MAX if from_ns is not None else min(wanted, KLINES_MAX))
            rows = await self._rest.get("klines", params)
            if not isinstance(rows, list):
                raise DecodeError(subject="klines", reason="not a list")
            for row in rows:
                try:
                    bars.append(bar_of_row(request.instrument_id, request.interval, row))
                except DecodeError as error:
                    await sink.on_malformed(error.subject, str(row).encode(), str(error))
            if from_ns is None or len(rows) < KLINES_MAX or not bars:
                break
            from_ns = bars[-1].open_time_ns + interval_ns(request.interval)
        return bars

    async def run(self, sink: Sink) -> None:
        """See `Feed`."""
        current = await self._connect_for_sure(sink)
        await sink.on_connected()
        try:
            while True:
                await asyncio.wait({current.reader}, timeout=WATCH_PERIOD_S)
                reason = self._trouble(current)
                if reason:
                    await sink.on_disconnected(reason)
                    await self._end(current)
                    current = await self._connect_for_sure(sink)
                    await sink.on_connected()
                elif self._is_due(current):
                    current = await self._change_over(current, sink)
        finally:
            await self._end(current)

    def _trouble(self, connection: _Connection) -> str:
        """Why the connection is of no use any more; empty while it is."""
        if connection.reader.done():
            return connection.reader.result()
        silent_ns = self._clock.monotonic_ns() - connection.heard_ns
        return f"silent for {silent_ns // NS_PER_MS} ms" if silent_ns > self._config.silence_max_ms * NS_PER_MS else ""

    def _is_due(self, connection: _Connection) -> bool:
        age_ns = self._clock.monotonic_ns() - connection.opened_ns
        return connection.shutdown_announced or age_ns > PLANNED_RECONNECT_NS

    async def close(self) -> None:
        await self._rest.close()
        if self._session is not None:
            await self._session.close()

    async def _change_over(self, old: _Connection, sink: Sink) -> _Connection:
        """A second connection delivers before the first is closed; what both bring, the core takes once."""
        fresh = await self._connect_for_sure(sink)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OVERLAP_MAX_S):
                await fresh.first_frame.wait()
        await self._end(old)
        return fresh

    async def _connect_for_sure(self, sink: Sink) -> _Connection:
        """Tries until it works: full jitter between tries, at most 30 s, so that many clients do not come at once."""
        while True:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    connection = await self._connect()
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                await sink.on_disconnected(f"cannot connect: {type(error).__name__}: {error}")
                await asyncio.sleep(self._backoff.next_wait_s())
                continue
            connection.reader = asyncio.create_task(self._read(connection, sink), name=f"{self._venue} stream")
            return connection

    async def _connect(self) -> _Connection:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        url = f"{self._config.ws.rstrip('/')}/stream?streams={'/'.join(self._streams())}"
        socket = await self._session.ws_connect(url, heartbeat=PING_PERIOD_S, max_msg_size=FRAME_BYTES_MAX)
        return _Connection(socket, self._clock.monotonic_ns())

    def _streams(self) -> Sequence[str]:
        """Trades, top of book and base candles of every instrument, and the books that are followed."""
        streams = [
            f"{symbol.lower()}@{kind}"
            for name, symbol in self._symbols.items()
            for kind in (
                "trade",
                "bookTicker",
                f"kline_{BASE_INTERVAL}",
                *(("depth@100ms",) if name in self._books else ()),
            )
        ]
        if len(streams) > STREAMS_MAX:
            raise UsageError(
                f"venues.{self._venue}: {len(streams)} streams, the venue takes {STREAMS_MAX} a connection"
            )
        return streams

    async def _read(self, connection: _Connection, sink: Sink) -> str:
        """Hands on every frame until the connection ends; returns why it did."""
        known = {symbol: name for name, symbol in self._symbols.items()}
        frames = 0
        try:
            async for message in connection.socket:
                frames += 1
                if not frames % FRAMES_PER_TURN:
                    await asyncio.sleep(0)
                if message.type is aiohttp.WSMsgType.ERROR:
                    break
                recv_ns = self._clock.wall_ns()
                connection.heard_ns = self._clock.monotonic_ns()
                if not connection.first_frame.is_set():
                    connection.first_frame.set()
                    self._backoff.reset()
                await self._on_frame(connection, message.data, recv_ns, known, sink)
        except (aiohttp.ClientError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return f"closed by the venue with code {connection.socket.close_code}"

    async def _on_frame(
        self, connection: _Connection, data: Any, recv_ns: int, known: Mapping[str, str], sink: Sink
    ) -> None:
        raw = data if isinstance(data, bytes) else str(data).encode()
        if self._tap is not None:
            self._tap(recv_ns, raw)
        try:
            tick = tick_of(raw, known)
        except DecodeError as error:
            await sink.on_malformed(error.subject, raw, str(error))
            return
        if tick is Notice.SHUTDOWN:
            connection.shutdown_announced = True
        elif tick is not None:
            await sink.on_tick(tick, recv_ns)

    async def _end(self, connection: _Connection) -> None:
        connection.reader.cancel()
        await asyncio.wait({connection.reader}, timeout=CLOSE_TIMEOUT_S)
        with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await connection.socket.close()


def native_of(interval: str) -> str:
    """The interval itself where the venue keeps it, else the longest one that fills it."""
    if interval in NATIVE:
        return interval
    length = interval_ns(interval)
    return next(kept for kept in reversed(NATIVE) if length % interval_ns(kept) == 0)
