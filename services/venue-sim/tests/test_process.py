"""The venue as a process: what it prints, how it serves, how it stops, what a kill -9 leaves."""

from __future__ import annotations

import asyncio
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pitwire.venue_sim.adapters.control import Control
from pitwire.venue_sim.adapters.server import Server
from pitwire.venue_sim.ports import RestAnswer

Start = Callable[..., Any]
ClientOf = Callable[..., Any]


async def test_prints_one_line_serves_both_ports_and_stops_at_once(client_of: ClientOf, start_venue: Start) -> None:
    venue = start_venue("--paused", "--history", "30")
    assert set(venue.info) == {"name", "http", "ws", "ws_api", "control", "api_key", "api_secret"}
    async with aiohttp.ClientSession() as http:
        client = client_of(http, venue.info)
        assert await client.rest("GET", "ping", signed=False) == {}
        assert (await client.control("status"))["bars"] == 0
        for path in ("healthz", "readyz"):
            assert await client.control(path) == {"status": "ok"}
        async with http.get(f"{venue.info['control']}/metrics") as answer:
            assert "venue_market_bars 0.0" in await answer.text()
        assert "error" in await client.control("hold", {"until_ms": "soon"})
        for path in ("/ws", "/ws/btcusdt@trade", "/stream?streams=btcusdt@trade", "/stream/ws", "/ws-api/v3"):
            async with http.ws_connect(venue.info["ws"] + path) as socket:
                await socket.send_str(json.dumps({"id": path, "method": "LIST_SUBSCRIPTIONS"}))
                assert (await socket.receive_json(timeout=5))["id"] == path
        socket = await http.ws_connect(venue.info["ws"] + "/ws")
        began = time.monotonic()
        assert await asyncio.to_thread(venue.stop) == 0
        assert time.monotonic() - began < 5
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE
    lines = [json.loads(line) for line in venue.errors.read_text().splitlines()]
    assert [line["message"] for line in lines] == ["stopped"]


async def test_a_kill_loses_nothing_and_the_market_continues(client_of: ClientOf, start_venue: Start) -> None:
    venue = start_venue("--speed", "600", "--history", "30", "--balance", "USDT=50000", "--balance", "BTC=2")
    async with aiohttp.ClientSession() as http:
        client = client_of(http, venue.info)
        await client.control("hold", {"until_ms": 1_735_689_600_000 + 5 * 60_000})
        book = await client.rest("GET", "ticker/bookTicker", "symbol=BTCUSDT", signed=False)
        for number in range(20):
            price = f"{float(book['bidPrice']) - number * 10:.2f}"
            order = f"symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.01&price={price}"
            await client.rest("POST", "order", order)
        await client.rest("POST", "order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.5")
        await client.rest("DELETE", "order", "symbol=BTCUSDT&orderId=20")
        while (await client.control("status"))["market_ms"] < 1_735_689_600_000 + 5 * 60_000:
            await asyncio.sleep(0.01)
        await client.rest("POST", "order", "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.1")
        before = await client.everything()
        assert before["trades"]
        assert before["open"]
        venue.kill()
        again = start_venue("--speed", "600", "--history", "30", "--paused")
        assert again.info["api_key"] == venue.info["api_key"]
        client = client_of(http, again.info)
        after = await client.everything()
        for name in ("account", "open", "orders", "trades", "klines"):
            assert after[name] == before[name], name
        assert after["status"]["bars"] == before["status"]["bars"] == 5
        assert after["depth"]["lastUpdateId"] >= before["depth"]["lastUpdateId"]
        assert after["depth"]["bids"][0] == before["depth"]["bids"][0]
        placed = await client.rest("POST", "order", "symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.01")
        assert placed["orderId"] == before["orders"][-1]["orderId"] + 1
        await client.control("hold", {"until_ms": 1_735_689_600_000 + 7 * 60_000})
        while (await client.control("status"))["bars"] < 7:
            await asyncio.sleep(0.01)


async def test_an_order_resting_where_the_market_was_swept_stays_there_over_a_kill(
    client_of: ClientOf, start_venue: Start
) -> None:
    """It stands above the next bid; the quotes of the restored market must not come back below or through it."""
    venue = start_venue("--speed", "600", "--history", "30", "--paused", "--balance", "BTC=50")
    async with aiohttp.ClientSession() as http:
        client = client_of(http, venue.info)
        book = await client.rest("GET", "ticker/bookTicker", "symbol=BTCUSDT", signed=False)
        swept = f"symbol=BTCUSDT&side=SELL&type=LIMIT&timeInForce=GTC&price={book['bidPrice']}"
        await client.rest("POST", "order", f"{swept}&quantity={float(book['bidQty']) + 0.01:.5f}")
        before = await client.everything()
        assert before["open"]
        venue.kill()
        client = client_of(http, start_venue("--speed", "600", "--history", "30", "--paused").info)
        after = await client.everything()
        for name in ("account", "open", "orders", "trades"):
            assert after[name] == before[name], name
        assert after["depth"]["bids"][0] == before["depth"]["bids"][0]
        assert after["depth"]["asks"][0] == before["depth"]["asks"][0]


def write_recording(folder: Path, bars: int) -> Path:
    lines = ["open_time_ms,open,high,low,close,volume"]
    lines += [f"{1_700_000_040_000 + n * 60_000},100,{101 + n % 3},99,100.5,{5 + n}" for n in range(bars)]
    path = folder / "BTCUSDT_1m_test.csv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


async def test_a_recording_is_replayed_whole_and_the_venue_stays(
    client_of: ClientOf, start_venue: Start, tmp_path: Path
) -> None:
    path = write_recording(tmp_path, 30)
    venue = start_venue("--market", str(path), "--history", "10", "--speed", "36000", "--paused")
    async with aiohttp.ClientSession() as http:
        client = client_of(http, venue.info)
        closed: list[dict[str, Any]] = []
        volume: dict[int, float] = {}
        async with http.ws_connect(venue.info["ws"] + "/stream?streams=btcusdt@kline_1m/btcusdt@trade") as socket:
            await client.control("hold", {})
            while len(closed) < 20:
                data = (await socket.receive_json(timeout=5))["data"]
                if data["e"] == "trade":
                    minute = data["T"] // 60_000
                    volume[minute] = volume.get(minute, 0) + float(data["q"])
                elif data["k"]["x"]:
                    closed.append(data["k"])
        assert [float(bar["v"]) for bar in closed] == [float(5 + n) for n in range(10, 30)]
        assert list(volume.values()) == pytest.approx([float(bar["v"]) for bar in closed])
        assert [bar["t"] for bar in closed] == [1_700_000_040_000 + n * 60_000 for n in range(10, 30)]
        status = await client.control("status")
        assert (status["ended"], status["bars"]) == (True, 20)
        assert await client.rest("GET", "openOrders") == []
        rows = await client.rest("GET", "klines", "symbol=BTCUSDT&interval=1m&limit=100", signed=False)
        assert len(rows) == 30


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--market", "nowhere"], "nowhere: no such file or folder"),
        (["--keys", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--speed", "fast"], "'fast' is not a speed"),
    ],
)
def test_bad_input_ends_with_2_and_says_why(tmp_path: Path, options: list[str], problem: str) -> None:
    command = [sys.executable, "-m", "pitwire.venue_sim", "--port", "0", "--data-dir", str(tmp_path / "d"), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr


def test_a_port_in_use_is_named(start_venue: Start, tmp_path: Path) -> None:
    port = start_venue("--paused", "--history", "5").info["http"].rsplit(":", 1)[1]
    command = [sys.executable, "-m", "pitwire.venue_sim", "--port", port, "--data-dir", str(tmp_path / "other")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"cannot listen on port {port}" in done.stderr


# ------------------------------------------------------------------------------------------------ servers in this loop
class BrokenRest:
    """A venue whose books do not add up."""

    def answer(self, request: Any) -> RestAnswer:
        raise ArithmeticError("the books do not add up")


class BrokenSession:
    """The same over a WebSocket."""

    def on_text(self, message: str) -> None:
        raise ArithmeticError(message)

    def on_close(self) -> None: ...


async def test_a_broken_venue_is_reported_instead_of_going_on() -> None:
    failures: list[Exception] = []
    server = Server(
        BrokenRest(),
        lambda outbox, streams, combined: BrokenSession(),
        lambda outbox, address: BrokenSession(),
        admit=lambda _address: 0,
        settle=lambda: None,
        on_failure=failures.append,
    )
    port = await server.start(0)
    async with aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{port}/api/v3/ping") as answer:
            assert answer.status == 500
        async with http.ws_connect(f"ws://127.0.0.1:{port}/ws") as socket:
            await socket.send_str("x")
            await socket.receive(timeout=5)
    assert [type(failure) for failure in failures] == [ArithmeticError, ArithmeticError]
    await server.stop()


async def test_the_control_port_passes_wishes_on() -> None:
    holds: list[int | None] = []
    faults: list[dict[str, object]] = []

    def fault(wish: dict[str, object]) -> str | None:
        faults.append(wish)
        return "never heard of it" if wish.get("kind") == "odd" else None

    control = Control(status=lambda: {"market_ms": 1}, hold=holds.append, metrics=lambda: b"x 1", fault=fault)
    port = await control.start(0)
    async with aiohttp.ClientSession() as http:
        for body in (b'{"until_ms": 5}', b"{}", b""):
            async with http.post(f"http://127.0.0.1:{port}/hold", data=body) as answer:
                assert await answer.json() == {"market_ms": 1}
        for body in (b"[1]", b"no", b'{"until_ms": true}', b'{"until_ms": 1.5}'):
            async with http.post(f"http://127.0.0.1:{port}/hold", data=body) as answer:
                assert answer.status == 400
        for kind, status in (("wipe", 200), ("odd", 400)):
            async with http.post(f"http://127.0.0.1:{port}/fault", json={"kind": kind}) as answer:
                assert answer.status == status
        async with http.post(f"http://127.0.0.1:{port}/fault", data=b"[]") as answer:
            assert answer.status == 400
    assert holds == [5, None, None]
    assert faults == [{"kind": "wipe"}, {"kind": "odd"}]
    await control.stop()
