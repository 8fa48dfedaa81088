"""The Binance adapter against a stand-in on loopback: definitions, history, reconnects, silence, bad frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest
from aiohttp import WSMsgType, web

from pitwire.common.clock import SystemClock
from pitwire.common.config import VenueConfig
from pitwire.common.errors import TransientError, UsageError
from pitwire.market_data.adapters import binance, binance_rest
from pitwire.market_data.adapters.backoff import FIRST_WAIT_S, WAIT_MAX_S, Backoff
from pitwire.market_data.adapters.binance import BinanceFeed
from pitwire.market_data.adapters.binance_rest import RETRY_AFTER_DEFAULT_S, RETRY_AFTER_MAX_S, retry_after
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.ticks import Tick, TradeTick

BTC, FDUSD = "BTC-USDT.sim", "BTC-FDUSD.sim"
NS_PER_MS = 1_000_000

START_MS = 1_740_000_000_000 // 60_000 * 60_000
MINUTE_MS = 60_000


def symbol(name: str, base: str, quote: str) -> dict[str, Any]:
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "100", "stepSize": "0.001"},
    ]
    return {"symbol": name, "status": "TRADING", "baseAsset": base, "quoteAsset": quote, "filters": filters}


def row(minute: int) -> list[Any]:
    opens = START_MS + minute * MINUTE_MS
    return [opens, "10", "12", "9", "11", "5", opens + MINUTE_MS - 1, "55", 3, "2", "22", "0"]


def trade_frame(trade_id: int) -> dict[str, Any]:
    body = {"e": "trade", "E": START_MS, "s": "BTCUSDT", "t": trade_id, "p": "10", "q": "1", "T": START_MS, "m": False}
    return {"stream": "btcusdt@trade", "data": body}


class StandIn:
    """`failures` holds the next HTTP statuses; `greet` is sent to each new socket."""

    def __init__(self) -> None:
        self.symbols: list[Any] = [symbol("BTCUSDT", "BTC", "USDT"), symbol("BTCFDUSD", "BTC", "FDUSD")]
        self.rows: list[Any] = []
        self.failures: list[tuple[int, dict[str, str]]] = []
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.streams: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.greet: Callable[[int], list[bytes]] = lambda _: []
        self.refuse_sockets = 0
        self.url = ""

    async def rest(self, request: web.Request) -> web.Response:
        name, query = request.path.rsplit("/", 1)[1], dict(request.query)
        self.asked.append((name, query))
        if self.failures:
            status, headers = self.failures.pop(0)
            return web.Response(status=status, headers=headers, text='{"code":-1003,"msg":"no"}')
        if name == "exchangeInfo":
            return web.Response(body=orjson.dumps({"symbols": self.symbols, "new": 1}))
        first, last = int(query.get("startTime", 0)), int(query.get("endTime", 10**15))
        found = [each for each in self.rows if not isinstance(each, list) or first <= each[0] <= last]
        limit = int(query["limit"])
        return web.Response(body=orjson.dumps(found[:limit] if "startTime" in query else found[-limit:]))

    async def stream(self, request: web.Request) -> web.StreamResponse:
        if self.refuse_sockets:
            self.refuse_sockets -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        self.streams.append(request.query["streams"])
        self.sockets.append(socket)
        for frame in self.greet(len(self.sockets)):
            await socket.send_bytes(frame) if frame[:1] == b"\xff" else await socket.send_str(frame.decode())
        async for message in socket:
            if message.type is WSMsgType.CLOSE:
                break
        return socket


@pytest.fixture
async def venue() -> AsyncIterator[StandIn]:
    venue = StandIn()
    app = web.Application()
    app.router.add_get("/api/v3/{name}", venue.rest)
    app.router.add_get("/stream", venue.stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    venue.url = f"127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield venue
    finally:
        for socket in venue.sockets:
            await asyncio.wait_for(socket.close(), 1)
        await runner.cleanup()


class Listener:
    """A sink that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.ticks: list[Tick] = []
        self.malformed: list[tuple[str, bytes, str]] = []
        self._changed = asyncio.Event()

    async def on_tick(self, tick: Tick, recv_ns: int) -> None:
        assert recv_ns > 0
        self.ticks.append(tick)
        self._changed.set()

    async def on_malformed(self, place: str, data: bytes, reason: str) -> None:
        self.malformed.append((place, data, reason))
        self._changed.set()

    async def on_connected(self) -> None:
        self.heard.append("connected")
        self._changed.set()

    async def on_disconnected(self, reason: str) -> None:
        self.heard.append(reason)
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def trade_ids(self) -> list[int]:
        return [tick.trade_id for tick in self.ticks if isinstance(tick, TradeTick)]


def feed_of(venue: StandIn, *symbols: str, silence_max_ms: int = 10_000, history: int = 5) -> BinanceFeed:
    config = VenueConfig(
        rest=f"http://{venue.url}",
        ws=f"ws://{venue.url}",
        ws_api=f"ws://{venue.url}/ws-api/v3",
        instruments=symbols or ("BTC-USDT",),
        silence_max_ms=silence_max_ms,
        history_candles=history,
    )
    return BinanceFeed("sim", config, SystemClock(), lambda: 0.0)


@pytest.fixture
async def run() -> AsyncIterator[Callable[[Awaitable[None]], None]]:
    tasks: list[asyncio.Future[None]] = []
    yield lambda work: tasks.append(asyncio.ensure_future(work))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


Run = Callable[[Awaitable[None]], None]


async def test_definitions_come_by_base_and_quote(venue: StandIn) -> None:
    feed = feed_of(venue, "BTC-USDT", "BTC-FDUSD")
    found = await feed.instruments(Listener())
    assert {name: definition.venue_symbol for name, (definition, _) in found.items()} == {
        BTC: "BTCUSDT",
        FDUSD: "BTCFDUSD",
    }
    await feed.close()


async def test_an_instrument_the_venue_does_not_list_is_named_with_its_place(venue: StandIn) -> None:
    feed = feed_of(venue, "BTC-USDT", "DOGE-USDT")
    with pytest.raises(UsageError, match=r"venues\.sim\.instruments: DOGE-USDT cannot be had"):
        await feed.instruments(Listener())
    await feed.close()


async def test_a_malformed_row_of_another_symbol_does_not_matter_and_of_ours_is_set_aside(venue: StandIn) -> None:
    venue.symbols += [{"symbol": "BAD"}, 5]
    feed, sink = feed_of(venue), Listener()
    assert list(await feed.instruments(sink)) == [BTC]
    venue.symbols[0]["filters"] = []
    with pytest.raises(UsageError, match="BTC-USDT cannot be had"):
        await feed.instruments(sink)
    assert [place for place, _, _ in sink.malformed] == ["exchangeInfo BTCUSDT"]
    await feed.close()


async def history(venue: StandIn, sink: Listener, from_minute: int | None, until: int | None) -> list[int]:
    feed = feed_of(venue)
    await feed.instruments(sink)
    start, minute = START_MS * NS_PER_MS, MINUTE_MS * NS_PER_MS
    request = HistoryRequest(
        BTC,
        "1m",
        None if from_minute is None else start + from_minute * minute,
        None if until is None else start + until * minute,
    )
    bars = await feed.history(request, sink)
    await feed.close()
    return [(bar.open_time_ns - start) // minute for bar in bars]


async def test_the_newest_candles_and_one_more_are_asked_for_at_first(venue: StandIn) -> None:
    venue.rows = [row(minute) for minute in range(20)]
    assert await history(venue, Listener(), None, None) == [14, 15, 16, 17, 18, 19]


async def test_a_hole_is_asked_for_exactly(venue: StandIn) -> None:
    venue.rows = [row(minute) for minute in range(20)]
    assert await history(venue, Listener(), 5, 8) == [5, 6, 7]


async def test_a_long_hole_comes_page_by_page(venue: StandIn) -> None:
    venue.rows = [row(minute) for minute in range(2_300)]
    assert await history(venue, Listener(), 100, None) == list(range(100, 2_300))
    assert [name for name, _ in venue.asked].count("klines") == 3


async def test_a_malformed_row_of_history_is_set_aside_and_the_others_come(venue: StandIn) -> None:
    sink = Listener()
    venue.rows = [row(0), row(1), [*row(2)[:2], "-5", *row(2)[3:]], row(3)]
    assert await history(venue, sink, None, None) == [0, 1, 3]
    assert [place for place, _, _ in sink.malformed] == [f"klines {BTC} 1m"]


async def test_reads_are_repeated_after_failures_and_the_venues_limit_is_obeyed(
    venue: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    venue.failures = [(500, {}), (429, {"Retry-After": "7"}), (418, {"Retry-After": "9999"}), (503, {})]
    feed = feed_of(venue)
    assert await feed.instruments(Listener())
    assert waits == [0.0, 7.0, RETRY_AFTER_MAX_S, 0.0]
    await feed.close()


async def test_a_call_the_venue_refuses_is_not_repeated(venue: StandIn) -> None:
    venue.failures = [(400, {})]
    feed = feed_of(venue)
    with pytest.raises(TransientError, match="HTTP 400"):
        await feed.instruments(Listener())
    assert len(venue.asked) == 1
    await feed.close()


async def test_reads_end_after_a_bounded_number_of_tries(venue: StandIn) -> None:
    venue.failures = [(500, {})] * 20
    feed = feed_of(venue)
    with pytest.raises(TransientError, match="HTTP 500"):
        await feed.instruments(Listener())
    assert len(venue.asked) == binance_rest.TRIES_MAX
    await feed.close()


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), (None, RETRY_AFTER_DEFAULT_S), ("soon", RETRY_AFTER_DEFAULT_S), ("86400", RETRY_AFTER_MAX_S)],
)
def test_how_long_to_stay_silent(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


def test_backoff_is_full_jitter_under_a_bound_that_doubles_to_a_limit() -> None:
    most = Backoff(lambda: 1.0)
    waits = [most.next_wait_s() for _ in range(40)]
    assert waits[:4] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S, 8 * FIRST_WAIT_S]
    assert waits[-1] == WAIT_MAX_S
    most.reset()
    assert most.next_wait_s() == FIRST_WAIT_S
    assert Backoff(lambda: 0.0).next_wait_s() == 0.0


async def test_one_connection_carries_trades_tops_and_candles_of_every_instrument(venue: StandIn, run: Run) -> None:
    venue.greet = lambda _: [orjson.dumps(trade_frame(1))]
    feed, sink = feed_of(venue, "BTC-USDT", "BTC-FDUSD"), Listener()
    await feed.instruments(sink)
    run(feed.run(sink))
    await sink.until(lambda: bool(sink.ticks))
    assert venue.streams == [
        "btcusdt@trade/btcusdt@bookTicker/btcusdt@kline_1m/btcfdusd@trade/btcfdusd@bookTicker/btcfdusd@kline_1m"
    ]
    assert sink.heard == ["connected"]
    await feed.close()


async def test_bad_frames_are_set_aside_and_the_next_good_one_comes(venue: StandIn, run: Run) -> None:
    bad = [b"{", b'{"stream":"btcusdt@trade","data":{"s":"BTCUSDT","p":"-1"}}', b"\xff\x00", b'{"result":null,"id":1}']
    venue.greet = lambda _: [*bad, orjson.dumps(trade_frame(9))]
    feed, sink = feed_of(venue), Listener()
    await feed.instruments(sink)
    run(feed.run(sink))
    await sink.until(lambda: bool(sink.ticks))
    assert [data for _, data, _ in sink.malformed] == bad
    assert sink.trade_ids == [9]
    await feed.close()


async def test_a_closed_socket_is_told_and_connected_again(venue: StandIn, run: Run) -> None:
    venue.greet = lambda count: [orjson.dumps(trade_frame(count))]
    feed, sink = feed_of(venue), Listener()
    await feed.instruments(sink)
    run(feed.run(sink))
    await sink.until(lambda: bool(sink.ticks))
    venue.refuse_sockets = 2
    await venue.sockets[0].close(code=1001)
    await sink.until(lambda: sink.trade_ids == [1, 2])
    assert sink.heard[0] == "connected"
    assert sink.heard[1] == "closed by the venue with code 1001"
    assert [reason[:14] for reason in sink.heard[2:-1]] == ["cannot connect", "cannot connect"]
    assert sink.heard[-1] == "connected"
    await feed.close()


async def test_silence_ends_a_connection_that_looks_alive(venue: StandIn, run: Run) -> None:
    venue.greet = lambda count: [orjson.dumps(trade_frame(count))]
    feed, sink = feed_of(venue, silence_max_ms=500), Listener()
    await feed.instruments(sink)
    run(feed.run(sink))
    await sink.until(lambda: len(venue.sockets) >= 2)
    assert sink.heard[1].startswith("silent for ")
    await feed.close()


async def test_an_announced_shutdown_changes_over_without_a_gap(venue: StandIn, run: Run) -> None:
    def greet(count: int) -> list[bytes]:
        return [orjson.dumps(trade_frame(count)), *([b'{"e":"serverShutdown"}'] if count == 1 else [])]

    venue.greet = greet
    feed, sink = feed_of(venue), Listener()
    await feed.instruments(sink)
    run(feed.run(sink))
    await sink.until(lambda: sink.trade_ids == [1, 2])
    assert sink.heard == ["connected"]
    await feed.close()


async def test_a_connection_is_renewed_before_the_venue_ends_it(
    venue: StandIn, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binance, "PLANNED_RECONNECT_NS", 1)
    venue.greet = lambda count: [orjson.dumps(trade_frame(count))]
    feed, sink = feed_of(venue), Listener()
    await feed.instruments(sink)
    run(feed.run(sink))
    await sink.until(lambda: len(sink.ticks) >= 2)
    assert set(sink.heard) == {"connected"}
    await feed.close()
