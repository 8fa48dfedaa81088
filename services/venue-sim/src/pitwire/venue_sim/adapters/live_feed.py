"""The public data of a real venue: snapshots over REST, frames over a stream that is opened anew when it ends."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson

from pitwire.venue_sim.core.frames import Frame, FrameError, Lost, Snapshot, read_frame
from pitwire.venue_sim.core.instruments import Instruments, recorded_rules
from pitwire.venue_sim.core.live import LiveMarket, LiveUrls, read_klines, read_rules
from pitwire.venue_sim.core.tape import Candle

ASK_PERIOD_S = 1.0
"""Between two looks for books that need a snapshot: one snapshot of 1,000 levels costs 50 of 6,000 a minute."""
SNAPSHOT_LEVELS = 1000
KLINES_MAX = 1000
REQUEST_TIMEOUT_S = 10.0
SILENCE_S_MAX = 10.0
"""A symbol has up to ten depth updates a second; after so long without any frame the connection is taken for dead."""
HEARTBEAT_S = 5.0
RETRY_S_FIRST = 0.5
RETRY_S_MAX = 30.0
MESSAGE_BYTES_MAX = 8 * 1024 * 1024
STREAMS = ("depth@100ms", "trade", "bookTicker")
log = logging.getLogger("venue.live")


class LiveError(Exception):
    """The venue cannot be reached or answers with an error; `wait_s` is how long it wants to be left alone."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


async def _get(http: aiohttp.ClientSession, url: str, **query: str | int) -> Any:
    try:
        async with http.get(url, params=query) as answer:
            body = await answer.read()
            if answer.status != 200:
                wait = answer.headers.get("Retry-After", "0")
                reason = f"{url}: status {answer.status}: {body[:200].decode('utf-8', 'replace')}"
                raise LiveError(reason, float(wait) if wait.isdigit() else 0.0)
            return orjson.loads(body)
    except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as problem:
        raise LiveError(f"{url}: {type(problem).__name__} {problem}") from None


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S))


async def open_live(urls: LiveUrls, symbols: list[str], *, instruments: Instruments, history: int) -> LiveMarket:
    """The rules and the last minutes of a live market.

    Raises:
        LiveError: the venue cannot be reached, or does not list a symbol.
        InstrumentError: what is configured of an instrument does not fit.
    """
    async with _session() as http:
        names = orjson.dumps(symbols).decode()
        try:
            info = await _get(http, f"{urls.rest}/api/v3/exchangeInfo", symbols=names)
            rules = recorded_rules(read_rules(info, symbols), instruments)
            now_ms = int((await _get(http, f"{urls.rest}/api/v3/time"))["serverTime"])
            limit = min(history + 1, KLINES_MAX)
            candles: dict[str, list[Candle]] = {}
            for symbol in symbols:
                rows = await _get(http, f"{urls.rest}/api/v3/klines", symbol=symbol, interval="1m", limit=limit)
                candles[symbol] = read_klines(rows, now_ms=now_ms)
        except (FrameError, KeyError, TypeError, ValueError) as problem:
            raise LiveError(f"{urls.rest}: {problem}") from None
    return LiveMarket(rules=rules, identity=f"live binance {','.join(symbols)}", history=candles)


class LiveFeed:
    """Hands over every frame, `Lost` where some may be missing, and snapshots of the books that need one."""

    def __init__(
        self,
        urls: LiveUrls,
        symbols: list[str],
        *,
        hear: Callable[[Frame], None],
        unknown: Callable[[], list[str]],
        fraction: Callable[[], float],
    ) -> None:
        """`unknown` names the symbols whose book is not known; `fraction` is a random number in [0, 1)."""
        self._urls = urls
        streams = "/".join(f"{symbol.lower()}@{kind}" for symbol in symbols for kind in STREAMS)
        self._stream_url = f"{urls.ws}/stream?streams={streams}"
        self._hear = hear
        self._unknown = unknown
        self._fraction = fraction
        self._fails = 0

    async def run(self) -> None:
        """Follow the venue for ever; what `hear` raises ends it."""
        async with _session() as http:
            while True:
                try:
                    await self._follow(http)
                except LiveError as problem:
                    self._hear(Lost())
                    # Full jitter, so that many who lost the same venue do not come back at once.
                    most_s = min(RETRY_S_MAX, RETRY_S_FIRST * 2 ** min(self._fails, 10))
                    wait_s = max(problem.wait_s, most_s * self._fraction())
                    self._fails += 1
                    log.warning("the live market is lost: %s", problem, extra={"retry_s": round(wait_s, 3)})
                    await asyncio.sleep(wait_s)

    async def _follow(self, http: aiohttp.ClientSession) -> None:
        """One connection, until it ends (raises)."""
        try:
            socket = await http.ws_connect(
                self._stream_url, heartbeat=HEARTBEAT_S, max_msg_size=MESSAGE_BYTES_MAX, compress=0
            )
        except (aiohttp.ClientError, TimeoutError) as problem:
            raise LiveError(f"{self._urls.ws}: {type(problem).__name__} {problem}") from None
        async with socket:
            reading, asking = asyncio.create_task(self._read(socket)), asyncio.create_task(self._ask(http))
            try:
                done, _ = await asyncio.wait([reading, asking], return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in (reading, asking):
                    task.cancel()
                    with contextlib.suppress(asyncio.CancelledError, Exception):
                        await task

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            try:
                message = await socket.receive(timeout=SILENCE_S_MAX)
            except TimeoutError:
                raise LiveError(f"{self._urls.ws}: no frame for {SILENCE_S_MAX:g} s") from None
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise LiveError(f"{self._urls.ws}: the connection ended: {message.type.name}")
            try:
                frame = read_frame(orjson.loads(message.data))
            except (FrameError, orjson.JSONDecodeError) as problem:
                raise LiveError(f"{self._urls.ws}: {problem}") from None
            if frame is not None:
                self._hear(frame)

    async def _ask(self, http: aiohttp.ClientSession) -> None:
        """Fetch a snapshot of each book that is not known, now and whenever one is lost."""
        while True:
            for symbol in self._unknown():
                url = f"{self._urls.rest}/api/v3/depth"
                body = await _get(http, url, symbol=symbol, limit=SNAPSHOT_LEVELS)
                try:
                    frame = read_frame(body)
                except FrameError as problem:
                    raise LiveError(f"{url}: {problem}") from None
                if isinstance(frame, Snapshot):
                    self._hear(frame._replace(symbol=symbol))
                    self._fails = 0
            await asyncio.sleep(ASK_PERIOD_S)
