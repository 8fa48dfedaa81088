"""Kraken's feed on real sockets: a stand-in sends a recorded session byte for byte, breaks a checksum, hangs up."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from aiohttp import WSMsgType, web

from pitwire.common.clock import SystemClock
from pitwire.common.config import VenueConfig
from pitwire.common.enums import DataQuality
from pitwire.common.errors import DecodeError, SymbolNotFound, TransientError
from pitwire.common.schemas.market import Candle
from pitwire.common.testing.recorded import lines_of
from pitwire.market_data.adapters.kraken import KrakenFeed, bar_of_row
from pitwire.market_data.adapters.kraken_frames import BookMessage, TickerMessage, TradeMessage, message_of
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Diff, StreamedBook
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.messages import QuoteOut, TradeOut
from pitwire.market_data.core.ticks import Bar, QuoteTick, Tick, TradeTick

XMR, BTC = "XMR-USD.kraken", "BTC-CHF.kraken"
PAIRS = {"XMR/USD": XMR, "XBT/CHF": BTC}
TIMEOUT_S = 30.0


def session() -> list[bytes]:
    """Frames of the three recorded connections in the order of their times."""
    found: list[tuple[float, bytes]] = []
    for number in (48, 49, 50):
        for line in lines_of(f"captures/cryptofeed/KRAKEN.ws.{number}.0.txt.gz"):
            received, _, raw = line.partition(b": ")
            if re.fullmatch(rb"[0-9.]+", received) and raw.startswith((b"[", b"{")):
                found.append((float(received), raw.rstrip()))
    return [raw for _, raw in sorted(found, key=lambda each: each[0])]


class StandIn:
    """Answers as Kraken does. `spoilt`: the change of XMR/USD whose checksum is broken; `hang_up`: frames of a life."""

    def __init__(self) -> None:
        self.frames = session()
        self.lives = 0
        self.wishes: list[dict[str, Any]] = []
        self.spoilt = 0
        self.hang_up: list[int] = []
        self.book = StreamedBook(1_000)
        self.done = asyncio.Event()
        self.ohlc: list[list[Any]] = []

    async def start(self) -> str:
        app = web.Application()
        app.router.add_get("/0/public/AssetPairs", self._pairs)
        app.router.add_get("/0/public/OHLC", self._ohlc)
        app.router.add_get("/", self._stream)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def _pairs(self, _: web.Request) -> web.Response:
        line = next(iter(lines_of("captures/cryptofeed/KRAKEN.0.txt.gz")))
        return web.Response(body=line.partition(b": ")[2], content_type="application/json")

    async def _ohlc(self, request: web.Request) -> web.Response:
        return web.json_response({"error": [], "result": {request.query["pair"]: self.ohlc, "last": 0}})

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.lives += 1
        while len([wish for wish in self.wishes if wish["event"] == "subscribe"]) < 3 * self.lives:
            self.wishes.append(orjson.loads((await socket.receive()).data))
        life = self.hang_up.pop(0) if self.hang_up else len(self.frames)
        spoilt = 0
        for raw in self.frames[:life]:
            sent, said = raw, message_of(raw)
            if isinstance(said, BookMessage) and said.pair == "XMR/USD":
                act = self.book.on_snapshot if said.is_snapshot else self.book.on_diff
                act(said.bids, said.asks)
                spoilt += not said.is_snapshot
                if spoilt == self.spoilt and not said.is_snapshot:
                    sent = re.sub(rb'"c":"[0-9]+"', b'"c":"1"', raw)
            await socket.send_bytes(sent)
            if spoilt == self.spoilt and sent != raw:
                await self._again(socket)
        if life < len(self.frames):
            await socket.close()
            return socket
        self.done.set()
        while (await socket.receive()).type is not WSMsgType.CLOSE:
            continue
        return socket

    async def _again(self, socket: web.WebSocketResponse) -> None:
        """Waits until the book is subscribed anew and sends it whole."""
        while self.wishes[-1] | {"subscription": {}} != {"event": "subscribe", "pair": ["XMR/USD"], "subscription": {}}:
            self.wishes.append(orjson.loads((await socket.receive()).data))
        sides = {"as": self.book.book.asks.top(1_000), "bs": self.book.book.bids.top(1_000)}
        whole = {name: [[*level, "1618678140.000000"] for level in levels] for name, levels in sides.items()}
        await socket.send_bytes(orjson.dumps([992, whole, "book-1000", "XMR/USD"]))


class Listener:
    """A sink with a core behind it, which is given the feed's book whenever it waits for one."""

    def __init__(self, feed: KrakenFeed) -> None:
        self.core = FeedCore("kraken", "e", {XMR: ("1m",), BTC: ("1m",)}, silence_max_ns=10**18, books={XMR, BTC})
        for name in (XMR, BTC):
            self.core.resume_candles(name, "1m", last_open_ns=None)
            self.core.on_history(HistoryRequest(name, "1m", None, None), [], 0)
        self.feed = feed
        self.ticks: Counter[str] = Counter()
        self.qualities: Counter[str] = Counter()
        self.malformed: list[str] = []
        self.candles: list[Candle] = []
        self.ended: list[str] = []

    async def on_tick(self, tick: Tick, recv_ns: int) -> None:
        core = self.core
        self.ticks[type(tick).__name__] += 1
        out: Any = None
        if isinstance(tick, QuoteTick):
            out = core.on_quote(tick, recv_ns)
        elif isinstance(tick, TradeTick):
            out = core.on_trade(tick, recv_ns)
        elif isinstance(tick, Diff):
            out = core.on_diff(tick, recv_ns)
            for name in core.snapshot_requests():
                try:
                    core.on_snapshot(await self.feed.book(name), recv_ns)
                except TransientError:
                    continue
        elif isinstance(tick, Bar):
            self.candles += [each for each in core.on_bar(tick, recv_ns) if isinstance(each, Candle)]
        if isinstance(out, QuoteOut | TradeOut):
            self.qualities[out.quality] += 1

    async def on_malformed(self, place: str, data: bytes, reason: str) -> None:
        self.malformed.append(reason)

    async def on_connected(self) -> None:
        self.core.on_connected(0)

    async def on_disconnected(self, reason: str) -> None:
        self.ended.append(reason)
        self.core.lose_books(0)
        self.core.on_disconnected(0, reason)

    def top(self, name: str) -> tuple[str | None, str | None] | None:
        """Of the core's book; None while it is not in sequence."""
        line = self.core._lines[name].book
        if line is None or not line.is_synced:
            return None
        return line._venue_book.book.bids.best, line._venue_book.book.asks.best


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    made = StandIn()
    yield made
    await made.stop()


async def feed_on(stand_in: StandIn, *symbols: str) -> KrakenFeed:
    place = await stand_in.start()
    raw = {
        "kind": "ccxt",
        "exchange": "kraken",
        "rest": f"http://{place}",
        "ws": f"ws://{place}",
        "ws_api": f"ws://{place}",
        "instruments": symbols,
        "books": symbols,
    }
    return KrakenFeed("kraken", VenueConfig.model_validate(raw), SystemClock(), lambda: 0.0)


async def heard(stand_in: StandIn) -> tuple[KrakenFeed, Listener]:
    """Everything that the stand-in has to say, heard to its end."""
    feed = await feed_on(stand_in, "XMR-USD", "BTC-CHF")
    listener = Listener(feed)
    found = await feed.instruments(listener)
    assert {name: definition.venue_symbol for name, (definition, _) in found.items()} == {XMR: "XMRUSD", BTC: "XBTCHF"}
    assert found[BTC][0].tick_size == Decimal("0.1")
    run = asyncio.create_task(feed.run(listener))
    async with asyncio.timeout(TIMEOUT_S):
        await stand_in.done.wait()
        wanted = [truth(stand_in, pair) for pair in PAIRS]
        while [listener.top(name) for name in PAIRS.values()] != wanted:
            await asyncio.sleep(0.02)
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await feed.close()
    return feed, listener


def told(stand_in: StandIn, kind: type[BookMessage | TradeMessage | TickerMessage]) -> int:
    """How many frames of the session say this of the two pairs."""
    found = [message_of(raw) for raw in stand_in.frames]
    return sum(isinstance(said, kind) and said.pair in PAIRS for said in found)


def truth(stand_in: StandIn, pair: str) -> tuple[str | None, str | None]:
    """The top of the recorded session's book at its end."""
    book = StreamedBook(1_000)
    for raw in stand_in.frames:
        said = message_of(raw)
        if isinstance(said, BookMessage) and said.pair == pair:
            (book.on_snapshot if said.is_snapshot else book.on_diff)(said.bids, said.asks, said.checksum)
    return book.book.bids.best, book.book.asks.best


async def test_a_recorded_session_over_a_socket_gives_its_trades_quotes_and_books(stand_in: StandIn) -> None:
    _, listener = await heard(stand_in)
    assert (listener.malformed, listener.core.status(0).flagged) == ([], {})
    assert listener.ticks["Diff"] == told(stand_in, BookMessage)
    assert listener.ticks["QuoteTick"] == told(stand_in, TickerMessage) > 0
    assert listener.qualities[DataQuality.OK] == listener.ticks["TradeTick"] + listener.ticks["QuoteTick"] - untimed(
        listener
    )
    assert (listener.top(XMR), listener.top(BTC)) == (truth(stand_in, "XMR/USD"), truth(stand_in, "XBT/CHF"))


def untimed(listener: Listener) -> int:
    """Quotes before anything had a time."""
    return listener.core.rejected.untimed


async def test_a_broken_checksum_takes_the_book_out_of_use_until_it_is_subscribed_anew(stand_in: StandIn) -> None:
    stand_in.spoilt = 40
    _, listener = await heard(stand_in)
    assert listener.core.status(0).flagged == {"GAP": 1}
    again = [(wish["event"], wish["pair"], wish["subscription"]["name"]) for wish in stand_in.wishes[3:]]
    assert again == [("unsubscribe", ["XMR/USD"], "book"), ("subscribe", ["XMR/USD"], "book")]
    assert listener.top(XMR) == truth(stand_in, "XMR/USD")
    assert listener.ended == []


async def test_a_connection_that_ends_is_made_again_with_everything(stand_in: StandIn) -> None:
    stand_in.hang_up = [400]
    _, listener = await heard(stand_in)
    assert (stand_in.lives, len(listener.ended)) == (2, 1)
    assert listener.ended[0].startswith("closed by the venue")
    assert listener.top(XMR) == truth(stand_in, "XMR/USD")


async def test_candles_of_history_are_kraken_s_and_carry_empty_minutes(stand_in: StandIn) -> None:
    feed = await feed_on(stand_in, "XMR-USD")
    await feed.instruments(Listener(feed))
    stand_in.ohlc = [[60, "1.0", "2.0", "0.5", "1.5", "1.2", "10", 3], [120, "1.5", "1.5", "1.5", "1.5", "0", "0", 0]]
    bars = await feed.history(HistoryRequest(XMR, "1m", 60 * 10**9, None), Listener(feed))
    assert [(bar.open_time_ns, bar.close, bar.volume, bar.quote_volume) for bar in bars] == [
        (60 * 10**9, Decimal("1.5"), Decimal(10), Decimal(12)),
        (120 * 10**9, Decimal("1.5"), Decimal(0), Decimal(0)),
    ]
    assert await feed.history(HistoryRequest(XMR, "2m", None, None), Listener(feed)) == []
    with pytest.raises(TransientError):
        await feed.book(XMR)
    await feed.close()


async def test_a_pair_that_is_not_listed_is_named(stand_in: StandIn) -> None:
    feed = await feed_on(stand_in, "XMR-NIL")
    with pytest.raises(SymbolNotFound, match="XMR-NIL"):
        await feed.instruments(Listener(feed))
    await feed.close()


@pytest.mark.parametrize(
    "frame",
    [
        [1, {"a": [["1.0", "1.0", "1"]]}, "book-10", "XMR/USD"],
        [1, [["1.0", "-1.0", "1", "b", "l", ""]], "trade", "XMR/USD"],
        [1, [["1.0", "1.0", "x", "b", "l", ""]], "trade", "XMR/USD"],
        [1, [["1.0", "1.0", "1", "x", "l", ""]], "trade", "XMR/USD"],
        [1, {"b": ["1.0", 1, "1.0"]}, "ticker", "XMR/USD"],
        [1, {"b": ["0.0", 1, "1.0"], "a": ["1.0", 1, "1.0"]}, "ticker", "XMR/USD"],
        [1, 2],
    ],
)
def test_what_cannot_be_is_refused(frame: list[Any]) -> None:
    with pytest.raises(DecodeError):
        message_of(orjson.dumps(frame))


@pytest.mark.parametrize("row", [[60], [61, "1", "1", "1", "1", "1", "1", 1], [60, "1", "0.5", "1", "1", "1", "1", 1]])
def test_a_candle_that_cannot_be_is_refused(row: list[Any]) -> None:
    with pytest.raises(DecodeError):
        bar_of_row(XMR, "1m", row)
