"""What the tests of the venue share: a venue in memory, and one as a real process."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from pitwire.venue_sim.core.effects import Effects
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.generated import GeneratedMarket
from pitwire.venue_sim.core.ledger import Account
from pitwire.venue_sim.core.limits import Limits, RateLimiter
from pitwire.venue_sim.core.market import MarketDriver, Move
from pitwire.venue_sim.core.order_lists import submit_oco, submit_oto
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.types import NewOrder, OrderType, Side, TimeInForce
from pitwire.venue_sim.handlers.security import Key, Keyring
from pitwire.venue_sim.handlers.venue import Venue

RULES = SymbolRules(symbol="BTCUSDT", base="BTC", quote="USDT", tick_size=Decimal("0.01"), lot_step=Decimal("0.00001"))
WALL_MS = 1_700_000_000_000


class FakeLog:
    """Keeps batches in memory."""

    def __init__(self) -> None:
        self.batches: list[list[dict[str, Any]]] = []
        self.position_ms = 0

    def append(self, records: list[dict[str, Any]]) -> None:
        self.batches.append(records)

    def save_position(self, market_ms: int) -> None:
        self.position_ms = market_ms

    def lines(self) -> list[dict[str, Any]]:
        """What a file would give back."""
        return [
            {"op": number, **record}
            for number, batch in enumerate(self.batches, start=1)
            for record in json.loads(json.dumps(batch))
        ]


class FakePublisher:
    """Keeps user events in memory and counts the rest."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.moves: list[Move] = []
        self.books: list[str] = []

    def market_moved(self, moves: list[Move]) -> None:
        self.moves += moves

    def book_changed(self, symbol: str) -> None:
        self.books.append(symbol)

    def hears(self, account_id: str) -> bool:
        return bool(account_id)

    def account_changed(self, account_id: str, events: list[dict[str, object]]) -> None:
        self.events += [(account_id, event) for event in events]


class FakeTime:
    """A market clock that stands where it is put."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def market_ms(self) -> int:
        return self.now_ms


class FakeOutbox:
    """Keeps what a client would receive."""

    def __init__(self) -> None:
        self.frames: list[Any] = []
        self.later: list[tuple[int, Any]] = []
        self.cuts: list[str] = []

    def send(self, frame: bytes) -> None:
        self.frames.append(json.loads(frame))

    def send_later(self, frame: bytes, delay_ms: int) -> None:
        self.later.append((delay_ms, json.loads(frame)))

    def cut(self, reason: str) -> None:
        self.cuts.append(reason)

    def take(self) -> list[Any]:
        frames, self.frames = self.frames, []
        return frames


def d(text: str) -> Decimal:
    return Decimal(text)


def new_order(text: str, **more: Any) -> NewOrder:
    """An order from words: BUY LIMIT 0.5 @ 100 GTC id=a."""
    words = text.split()
    options = dict(word.split("=") for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    price = Decimal(plain[plain.index("@") + 1]) if "@" in plain else None
    force = next((word for word in plain if word in set(TimeInForce)), "GTC")
    values: dict[str, Any] = {
        "symbol": options.get("symbol", "BTCUSDT"),
        "side": Side(plain[0]),
        "order_type": OrderType(plain[1]),
        "quantity": Decimal(plain[2]) if "quote" not in options else None,
        "quote_quantity": Decimal(options["quote"]) if "quote" in options else None,
        "limit_price": price,
        "stop_price": Decimal(options["stop"]) if "stop" in options else None,
        "trailing_delta": int(options["trail"]) if "trail" in options else None,
        "iceberg_quantity": Decimal(options["iceberg"]) if "iceberg" in options else None,
        "time_in_force": TimeInForce(force),
        "client_order_id": options.get("id", "id"),
        "stp_mode": options.get("stp", "NONE"),
    }
    return NewOrder(**(values | more))


class Bench:
    """An exchange with two accounts and a market quote, driven by words."""

    def __init__(self) -> None:
        self.exchange = Exchange([RULES], Fees())
        for account_id in ("main", "other"):
            self.exchange.accounts[account_id] = Account(account_id, {"USDT": d("10000"), "BTC": d("10")})
        self.now_ms = 1000
        self.tracked: list[Any] = []
        self.count = 0
        self.quote()

    def quote(self, bids: str = "99.90*2 99.80*3", asks: str = "100.10*2 100.20*3", last: str = "100") -> None:
        def ladder(text: str) -> list[tuple[Decimal, Decimal]]:
            pairs = (level.split("*") for level in text.split())
            return [(Decimal(price), Decimal(quantity)) for price, quantity in pairs]

        self.exchange.listings["BTCUSDT"].last_price = d(last)
        self.effects = Effects(self.exchange, self.now_ms)
        self.exchange.market_quotes("BTCUSDT", ladder(bids), ladder(asks), self.effects)

    def trade(self, side: str, price: str, quantity: str) -> Any:
        effects = Effects(self.exchange, self.now_ms)
        self.exchange.market_trade(
            "BTCUSDT", taker_side=Side(side), price=d(price), quantity=d(quantity), effects=effects
        )
        return effects

    def place(self, text: str, account: str = "main") -> tuple[Any, Any]:
        self.count += 1
        if "id=" not in text:
            text += f" id=o{self.count}"
        return self.exchange.submit(account, new_order(text), now_ms=self.now_ms)

    def last(self, *prices: str) -> list[Any]:
        """Trades of the market at these prices, around which it quotes; the reports of what they did."""
        reports: list[Any] = []
        for price in prices:
            self.now_ms += 1
            middle = Decimal(price)
            self.quote(f"{middle - 1}*100", f"{middle}*100", last=str(self.exchange.listings["BTCUSDT"].last_price))
            effects = self.trade("BUY", price, "0.001")
            reports += self.effects.reports + effects.reports
            self.tracked += effects.tracked
        return reports

    def oco(self, above: str, below: str, account: str = "main") -> tuple[Any, Any]:
        self.count += 1
        above, below = f"{above} id=a{self.count}", f"{below} id=b{self.count}"
        return submit_oco(
            self.exchange,
            account,
            new_order(above),
            new_order(below),
            client_list_id=f"l{self.count}",
            now_ms=self.now_ms,
        )

    def oto(self, working: str, *pending: str) -> tuple[Any, Any]:
        self.count += 1
        orders = [
            new_order(f"{text} id={name}{self.count}") for name, text in zip("wab", (working, *pending), strict=False)
        ]
        return submit_oto(
            self.exchange, "main", orders[0], orders[1:], client_list_id=f"l{self.count}", now_ms=self.now_ms
        )

    def balances(self, account: str = "main") -> dict[str, tuple[Decimal, Decimal]]:
        return {
            asset: (balance.free, balance.locked) for asset, balance in self.exchange.accounts[account].balances.items()
        }


@pytest.fixture
def bench() -> Bench:
    return Bench()


class Desk:
    """A whole venue without sockets: the generated market, one account, everything else in memory."""

    def __init__(self, *, limits: Limits | None = None) -> None:
        self.log = FakeLog()
        self.publisher = FakePublisher()
        source = GeneratedMarket(seed=1, history=20)
        exchange = Exchange(source.rules, Fees())
        exchange.accounts["main"] = Account("main", {"USDT": d("100000"), "BTC": d("1"), "ETH": d("0")})
        driver = MarketDriver(source, exchange)
        driver.quote_all()
        self.time = FakeTime(driver.market_ms)
        self.wall = WALL_MS
        self.key = Key("key", "secret", "main")
        self.venue = Venue(
            exchange=exchange,
            driver=driver,
            keyring=Keyring([self.key]),
            limiter=RateLimiter(limits or Limits(orders_per_10s=100_000, orders_per_day=1_000_000)),
            log=self.log,
            publisher=self.publisher,
            time=self.time,
            wall_ms=lambda: self.wall,
        )

    def wall_ms(self) -> int:
        return self.wall

    def advance(self, instants: int = 1) -> None:
        for _ in range(instants):
            self.venue.advance_market()
            self.time.now_ms = self.venue.driver.market_ms


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def outbox() -> FakeOutbox:
    return FakeOutbox()


@pytest.fixture
def make_outbox() -> Callable[[], FakeOutbox]:
    return FakeOutbox


@pytest.fixture
def order() -> Callable[..., NewOrder]:
    return new_order


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of the recordings, whether it is there or not."""
    return Path(os.environ.get("PITWIRE_DATA", Path(__file__).parents[4] / "shared" / "data"))


@pytest.fixture(scope="session")
def recorded_folder(data_folder: Path) -> Path:
    found = data_folder / "candles" / "binance_spot_2024"
    if not found.is_dir():
        pytest.skip(f"no recorded data at {found}; set PITWIRE_DATA to its folder")
    return found


@pytest.fixture(scope="session")
def payload_folder(data_folder: Path) -> Path:
    found = data_folder / "payloads" / "binance_docs"
    if not found.is_dir():
        pytest.skip(f"no documentation payloads at {found}; set PITWIRE_DATA to their folder")
    return found


class Client:
    """A client of one venue over real sockets: signs and sends; every answer comes back as it is."""

    def __init__(self, http: aiohttp.ClientSession, info: dict[str, str]) -> None:
        self.http = http
        self.info = info

    def sign(self, payload: str) -> str:
        return hmac.new(self.info["api_secret"].encode(), payload.encode(), hashlib.sha256).hexdigest()

    async def rest(self, method: str, path: str, query: str = "", *, signed: bool = True) -> Any:
        if signed:
            query = f"{query}&timestamp={time.time_ns() // 1_000_000}".lstrip("&")
            query += f"&signature={self.sign(query)}"
        url = f"{self.info['http']}/api/v3/{path}?{query}"
        async with self.http.request(method, url, headers={"X-MBX-APIKEY": self.info["api_key"]}) as answer:
            return await answer.json()

    async def control(self, path: str, body: Any = None) -> Any:
        url = f"{self.info['control']}/{path}"
        async with self.http.request("GET" if body is None else "POST", url, json=body) as answer:
            return await answer.json()

    def ws_message(self, method: str, query: str = "", request_id: object = 1) -> str:
        """A signed request of the WebSocket API."""
        params: dict[str, Any] = dict(pair.split("=") for pair in query.split("&") if pair)
        params |= {"apiKey": self.info["api_key"], "timestamp": str(time.time_ns() // 1_000_000)}
        params["signature"] = self.sign("&".join(f"{name}={params[name]}" for name in sorted(params)))
        return json.dumps({"id": request_id, "method": method, "params": params})

    async def everything(self) -> dict[str, Any]:
        """What a reconciling client would ask."""
        return {
            "account": await self.rest("GET", "account"),
            "open": await self.rest("GET", "openOrders"),
            "orders": await self.rest("GET", "allOrders", "symbol=BTCUSDT"),
            "trades": await self.rest("GET", "myTrades", "symbol=BTCUSDT"),
            "depth": (await self.rest("GET", "depth", "symbol=BTCUSDT&limit=5", signed=False)),
            "klines": await self.rest("GET", "klines", "symbol=BTCUSDT&interval=1m&limit=1000", signed=False),
            "status": await self.control("status"),
        }


@pytest.fixture
def client_of() -> type[Client]:
    return Client


class Process:
    """The venue as a real process; `info` is the line it prints."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [sys.executable, "-m", "pitwire.venue_sim", "--port", "0", "--data-dir", str(folder), *options]
        self.errors = folder.parent / f"{folder.name}.err"
        with self.errors.open("ab") as errors:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.errors.read_text()
        self.info: dict[str, str] = json.loads(line)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def start_venue(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start(*options: str, folder: str = "venue") -> Process:
        process = Process(tmp_path / folder, *options)
        started.append(process)
        return process

    yield start
    for process in started:
        process.close()
