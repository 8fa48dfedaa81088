"""What brings a live market's frames, against a small server that misbehaves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from tests.integration.venue_frames import Tape, snapshot

from pitwire.venue_sim.adapters.live_feed import LiveError, LiveFeed, open_live
from pitwire.venue_sim.adapters.live_pace import LivePace
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.frames import DepthUpdate, Frame, Lost, Snapshot
from pitwire.venue_sim.core.live import LiveDriver, LiveMarket, LiveUrls
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.tape import Candle
from pitwire.venue_sim.core.units import SCALE, ZERO

RULES = SymbolRules(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=ZERO + 1, lot_step=ZERO + 1)
PATIENCE_S = 20


class Server:
    """Answers `depth` as told, and sends each connection what stands in its turn."""

    def __init__(self) -> None:
        self.depth = [web.json_response(snapshot(10, "100*1", "101*1"))]
        self.turns: list[list[str]] = []
        self.urls = LiveUrls("", "")

    async def on_depth(self, _request: web.Request) -> web.Response:
        return self.depth.pop(0) if len(self.depth) > 1 else web.json_response(snapshot(10, "100*1", "101*1"))

    async def on_stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        for text in self.turns.pop(0) if self.turns else []:
            await socket.send_str(text)
        async for _ in socket:
            pass
        return socket


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made, app = Server(), web.Application()
    app.router.add_get("/api/v3/depth", made.on_depth)
    app.router.add_get("/stream", made.on_stream)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    made.urls = LiveUrls(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}")
    yield made
    await runner.cleanup()


async def follow(server: Server, wanted: int) -> list[Frame]:
    """The first frames that a feed hands over."""
    heard: list[Frame] = []
    enough = asyncio.Event()

    def hear(frame: Frame) -> None:
        heard.append(frame)
        if len(heard) >= wanted:
            enough.set()

    def unknown() -> list[str]:
        return [] if any(isinstance(frame, Snapshot) for frame in heard) else ["BTCUSDT"]

    feed = LiveFeed(server.urls, ["BTCUSDT"], hear=hear, unknown=unknown, fraction=lambda: 0.1)
    running = asyncio.create_task(feed.run())
    try:
        async with asyncio.timeout(PATIENCE_S):
            await enough.wait()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return heard


async def test_a_frame_that_cannot_be_read_is_a_lost_connection_and_the_next_one_goes_on(server: Server) -> None:
    good = json.dumps(Tape().depth("100*2"))
    server.turns = [["{"], [good]]
    server.depth = [web.Response(status=500), *server.depth]
    heard = await follow(server, 3)
    assert isinstance(heard[0], Lost)
    assert {type(frame) for frame in heard[1:]} <= {Snapshot, DepthUpdate, Lost}
    assert any(isinstance(frame, DepthUpdate) for frame in heard)


async def test_a_refusal_is_waited_for_as_long_as_it_says(server: Server) -> None:
    server.depth = [web.Response(status=429, headers={"Retry-After": "1"}), *server.depth]
    began = asyncio.get_running_loop().time()
    heard = await follow(server, 2)
    assert [type(frame) for frame in heard] == [Lost, Snapshot]
    assert asyncio.get_running_loop().time() - began >= 1
    assert heard[1].symbol == "BTCUSDT"  # type: ignore[union-attr]  # the line above says what it is


async def test_an_answer_that_is_an_error_says_which_url_and_why(server: Server) -> None:
    with pytest.raises(LiveError, match="/api/v3/exchangeInfo: status 404"):
        await open_live(server.urls, ["BTCUSDT"], instruments={}, history=5)


async def test_market_time_goes_on_between_frames_and_cannot_be_held(server: Server) -> None:
    exchange, tape = Exchange([RULES], Fees()), Tape()
    bar = Candle(0, SCALE, SCALE, SCALE, SCALE, 0, 0, 0, 0, 0, -1, -1)
    driver = LiveDriver(LiveMarket(rules=[RULES], identity="live", history={"BTCUSDT": [bar]}), exchange)
    wall: list[int] = [5_000]
    feed: Any = None
    pace = LivePace(driver, feed, lambda: wall[0])
    assert pace.market_ms() == 60_000, "before any frame it stands where the history ends"
    driver.hear(4_000_000_000, DepthUpdate("BTCUSDT", 1, 2, tape.ms, [], []))
    assert pace.market_ms() == tape.ms + 1_000
    wall[0] -= 500
    assert pace.market_ms() == tape.ms + 1_000
    pace.hold(None)
    with pytest.raises(ValueError, match="cannot be held"):
        pace.hold(1)
