"""A market that happens at another venue, here a second simulated one: followed, lost, and found again."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pitwire.venue_sim.config import parse
from pitwire.venue_sim.core.frames import FrameError
from pitwire.venue_sim.core.live import read_klines, read_rules

START_MS = 1_735_689_600_000
BAR_MS = 60_000
PATIENCE_S = 30
Start = Callable[..., Any]


async def until(wanted: Callable[[], Any], what: str) -> None:
    """Wait for a condition on a machine that may be busy."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await wanted():
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"not within {PATIENCE_S} s: {what}")


class Pair:
    """The venue that is followed, and the one that follows it."""

    def __init__(self, http: aiohttp.ClientSession, client_of: Any, start_venue: Start, folder: Path) -> None:
        self._http, self._client_of, self._start, self._folder = http, client_of, start_venue, folder
        self.market_ms = START_MS
        self.real = self.start_real(port="0")
        file = folder / "live.toml"
        file.write_text(
            f'market = "live:binance"\nname = "paper"\n[live]\nrest = "{self.real.info["http"]}"\n'
            f'ws = "{self.real.info["ws"]}"\n[instruments.BTCUSDT]\ntaker_bps = "5"\n'
        )
        self.paper = client_of(http, start_venue("--config", str(file), "--history", "20", folder="paper").info)

    def start_real(self, *, port: str) -> Any:
        self.process = self._start("--speed", "600", "--history", "30", "--paused", "--port", port, folder="real")
        return self._client_of(self._http, self.process.info)

    async def run_on(self, bars: int) -> None:
        """Let the real market run, and wait until the other has seen all of it."""
        self.market_ms += bars * BAR_MS
        await self.real.control("hold", {"until_ms": self.market_ms})
        await until(lambda: self._has_come(self.real), "the real market runs")
        await until(self.is_equal, "the book that is followed equals the real one")

    async def _has_come(self, client: Any) -> bool:
        return bool((await client.control("status"))["market_ms"] >= self.market_ms)

    async def is_equal(self) -> bool:
        """Do both show the same book?"""
        real, paper = [
            await client.rest("GET", "depth", "symbol=BTCUSDT&limit=1000", signed=False)
            for client in (self.real, self.paper)
        ]
        return bool(real["bids"]) and (real["bids"], real["asks"]) == (paper["bids"], paper["asks"])

    async def stale(self) -> list[str]:
        return list((await self.paper.control("status"))["stale"])

    async def is_fresh(self) -> bool:
        return not await self.stale()

    async def is_stale(self) -> bool:
        return bool(await self.stale())

    async def order(self, text: str) -> Any:
        return await self.paper.rest("POST", "order", f"symbol=BTCUSDT&{text}")


@pytest.fixture
def pair_of(client_of: Any, start_venue: Start, tmp_path: Path) -> Callable[[aiohttp.ClientSession], Pair]:
    return lambda http: Pair(http, client_of, start_venue, tmp_path)


async def test_it_has_the_real_rules_candles_and_book_and_trades_on_paper(pair_of: Any) -> None:
    async with aiohttp.ClientSession() as http:
        pair = pair_of(http)
        await until(pair.is_equal, "the first book")
        rules = [
            (await client.rest("GET", "exchangeInfo", "symbol=BTCUSDT", signed=False))["symbols"][0]["filters"][:2]
            for client in (pair.real, pair.paper)
        ]
        assert rules[0] == rules[1]
        await pair.run_on(3)
        asked = f"symbol=BTCUSDT&interval=1m&startTime={START_MS - 5 * BAR_MS}&endTime={START_MS + BAR_MS}"
        candles = [
            [row[:6] for row in await client.rest("GET", "klines", asked, signed=False)]
            for client in (pair.real, pair.paper)
        ]
        assert candles[0] == candles[1]
        assert len(candles[0]) == 7
        best = await pair.paper.rest("GET", "ticker/bookTicker", "symbol=BTCUSDT", signed=False)
        filled = await pair.order("side=BUY&type=MARKET&quantity=0.01")
        assert filled["fills"][0]["price"] == best["askPrice"]
        assert filled["fills"][0]["commission"] == "0.00000500"
        resting = await pair.order(f"side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={best['bidPrice']}")
        assert resting["status"] == "NEW"
        assert await pair.real.rest("GET", "allOrders", "symbol=BTCUSDT") == []
        assert "cannot be held" in (await pair.paper.control("hold", {"until_ms": 1}))["error"]


async def test_a_gap_in_the_updates_leads_to_a_new_snapshot(pair_of: Any) -> None:
    async with aiohttp.ClientSession() as http:
        pair = pair_of(http)
        await until(pair.is_equal, "the first book")
        await pair.real.control("fault", {"kind": "depth_gap"})
        await pair.run_on(1)
        assert await pair.is_fresh()


@pytest.mark.parametrize("mode", ["graceful", "hard"])
async def test_a_connection_that_ends_is_made_anew(pair_of: Any, mode: str) -> None:
    async with aiohttp.ClientSession() as http:
        pair = pair_of(http)
        await until(pair.is_equal, "the first book")
        await pair.real.control("fault", {"kind": "drop", "mode": mode, "who": "streams"})
        await pair.run_on(1)


async def test_while_the_real_venue_is_away_nothing_new_is_taken_but_orders_can_be_cancelled(pair_of: Any) -> None:
    async with aiohttp.ClientSession() as http:
        pair = pair_of(http)
        await until(pair.is_equal, "the first book")
        resting = await pair.order("side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price=50000")
        port = pair.real.info["http"].rpartition(":")[2]
        pair.process.kill()
        await until(pair.is_stale, "the loss is seen")
        refused = await pair.order("side=BUY&type=MARKET&quantity=0.01")
        assert refused["code"] == -1016
        shown = await pair.paper.rest("GET", "depth", "symbol=BTCUSDT", signed=False)
        assert [row[0] for row in shown["bids"]] == ["50000.00000000"]
        assert shown["asks"] == []
        cancelled = await pair.paper.rest("DELETE", "order", f"symbol=BTCUSDT&orderId={resting['orderId']}")
        assert cancelled["status"] == "CANCELED"
        pair.real = pair.start_real(port=port)
        await until(pair.is_equal, "the book is back")
        assert (await pair.order("side=BUY&type=MARKET&quantity=0.01"))["status"] == "FILLED"


def test_a_venue_that_cannot_be_reached_ends_the_start_with_its_reason(tmp_path: Path) -> None:
    file = tmp_path / "live.toml"
    file.write_text('market = "live:binance"\n[live]\nrest = "http://127.0.0.1:9"\nws = "ws://127.0.0.1:9"\n')
    command = [sys.executable, "-m", "pitwire.venue_sim", "--port", "0", "--config", str(file)]
    ended = subprocess.run([*command, "--data-dir", str(tmp_path / "v")], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "http://127.0.0.1:9/api/v3/exchangeInfo: ClientConnectorError" in ended.stderr


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--market", "live:kraken"], "'live:kraken' is not known; the live market is live:binance"),
        (["--market", "live:binance", "--paused"], "a live market has its own pace"),
        (["--market", "live:binance", "--speed", "2"], "a live market has its own pace"),
        (["--market", "live:binance", "--offset-bps", "2"], "a live market has its own pace"),
    ],
)
def test_a_live_market_has_its_own_pace_and_prices(
    options: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parse(["--port", "0", *options])
    assert problem in capsys.readouterr().err


def test_without_other_urls_it_is_the_public_data_of_binance() -> None:
    live = parse(["--port", "0", "--market", "live:binance"]).live
    assert live is not None
    assert live.rest == "https://data-api.binance.vision"
    assert live.ws == "wss://data-stream.binance.vision"


def test_answers_that_cannot_be_true_are_refused() -> None:
    with pytest.raises(FrameError, match="does not list BTCUSDT"):
        read_rules({"symbols": []}, ["BTCUSDT"])
    with pytest.raises(FrameError, match="lacks or misspells a filter"):
        read_rules({"symbols": [{"symbol": "BTCUSDT", "filters": []}]}, ["BTCUSDT"])
    row = [0, "1", "1", "1", "1", "1", 59_999, "1", 1, "1", "1", "0"]
    running = [BAR_MS, *row[1:6], 2 * BAR_MS - 1, *row[7:]]
    assert [candle.open_ms for candle in read_klines([row, running], now_ms=BAR_MS)] == [0]
    for rows in ([running], [row[:8]], [row, [2 * BAR_MS, *row[1:]]]):
        with pytest.raises(FrameError):
            read_klines(rows, now_ms=BAR_MS)
