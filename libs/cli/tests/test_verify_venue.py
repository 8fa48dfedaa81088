"""Reading a venue: signed requests, pages to the end, books that belong together, and clear words when it fails."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pitwire.cli.verify import venue_rest
from pitwire.cli.verify.venue_rest import VenueUnavailable, read_key, read_venue_account
from pitwire.common.clock import ManualClock
from pitwire.common.config import VenueAccountConfig, VenueConfig
from pitwire.common.errors import ConfigError

KEY, SECRET = "key", "secret"
PATHS = ("/api/v3/exchangeInfo", "/api/v3/allOrders", "/api/v3/myTrades", "/api/v3/account")


@dataclass
class StandIn:
    """A venue with so many trades; `late` of them appear while its books are read."""

    trades: int = 1
    late: int = 0
    answer: dict[str, Any] = field(default_factory=dict[str, Any])
    asked: list[str] = field(default_factory=list[str])

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path in self.answer:
            return web.json_response(self.answer[request.path])
        if request.path.endswith("exchangeInfo"):
            symbols = [{"symbol": "BTCUSDT", "baseAsset": "BTC", "quoteAsset": "USDT"}]
            return web.json_response({"symbols": [*symbols, {"symbol": "X", "baseAsset": "X", "quoteAsset": "Y"}]})
        text, _, signature = request.query_string.rpartition("&signature=")
        if signature != hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest():
            return web.json_response({"code": -1022, "msg": "Signature for this request is not valid."}, status=400)
        return web.json_response(self.signed(request))

    def signed(self, request: web.Request) -> Any:
        if request.path.endswith("account"):
            self.trades, self.late = self.trades + bool(self.late), max(self.late - 1, 0)
            return {"balances": [{"asset": "USDT", "free": "90", "locked": "10"}]}
        start = int(request.query.get("fromId") or request.query.get("orderId") or 0)
        limit = int(request.query["limit"])
        if request.path.endswith("allOrders"):
            return [order(number) for number in range(1, 3) if number >= start][:limit]
        return [trade(number) for number in range(1, self.trades + 1) if number >= start][:limit]


def order(number: int) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT", "orderId": number, "clientOrderId": f"c{number}", "price": "100.0", "origQty": "2.0",
        "executedQty": "0.5", "status": "PARTIALLY_FILLED" if number == 1 else "CANCELED", "timeInForce": "GTC",
        "type": "LIMIT", "side": "BUY", "stopPrice": "0.0",
    }  # fmt: skip


def trade(number: int) -> dict[str, Any]:
    return {
        "id": number, "orderId": 1, "price": "100.0", "qty": "0.5", "commission": "0.05", "commissionAsset": "USDT",
        "isBuyer": number % 2 == 1,
    }  # fmt: skip


@dataclass
class World:
    venue: StandIn
    config: VenueConfig
    account: VenueAccountConfig

    async def read(self, journal_before: int = 7) -> Any:
        return await read_venue_account(
            "sim-main", self.account, self.config, ManualClock(), journal_before=journal_before
        )


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    venue, app = StandIn(), web.Application()
    for path in PATHS:
        app.router.add_get(path, venue.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    key_file = tmp_path / "key.json"
    key_file.write_text(json.dumps({"api_key": KEY, "api_secret": SECRET}))
    base = f"127.0.0.1:{port}"
    config = VenueConfig(
        rest=f"http://{base}", ws=f"ws://{base}", ws_api=f"ws://{base}/ws-api/v3", instruments=("BTC-USDT",)
    )
    yield World(venue, config, VenueAccountConfig(venue="sim", account="main", key_file=key_file))
    await runner.cleanup()


async def test_orders_trades_and_balances_are_told_in_our_words(world: World) -> None:
    found = await world.read()
    assert [(o.client_order_id, o.instrument_id, o.is_working, o.leaves_quantity) for o in found.orders] == [
        ("c1", "BTC-USDT.sim", True, Decimal("1.5")),
        ("c2", "BTC-USDT.sim", False, Decimal(0)),
    ]
    assert [(t.trade_id, t.side, t.fee, t.fee_currency) for t in found.trades] == [
        ("1", "BUY", Decimal("0.05"), "USDT")
    ]
    assert found.balances == {"USDT": Decimal(100)}
    assert (found.venue, found.venue_account, found.account, found.journal_before) == ("sim", "sim-main", "main", 7)


async def test_every_page_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue_rest, "PAGE_MAX", 2)
    world.venue.trades = 5
    assert [t.trade_id for t in (await world.read()).trades] == ["1", "2", "3", "4", "5"]


async def test_balances_belong_to_the_trades_that_are_listed(world: World) -> None:
    world.venue.late = 2
    assert len((await world.read()).trades) == 3


async def test_a_refusal_is_told_in_the_words_of_the_venue(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"api_key": KEY, "api_secret": "wrong"}))
    world.account = world.account.model_copy(update={"key_file": other})
    with pytest.raises(VenueUnavailable, match="400.*Signature"):
        await world.read()


async def test_an_answer_of_another_shape_is_an_error_not_a_crash(world: World) -> None:
    world.venue.answer["/api/v3/account"] = {"nothing": 1}
    with pytest.raises(VenueUnavailable, match="unexpected answer"):
        await world.read()


async def test_a_venue_that_is_not_there_is_named(world: World) -> None:
    world.config = world.config.model_copy(update={"rest": "http://127.0.0.1:9"})
    with pytest.raises(VenueUnavailable, match="sim /api/v3/exchangeInfo"):
        await world.read()


def test_a_key_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_key(tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("[]")
    with pytest.raises(ConfigError, match="api_key and api_secret"):
        read_key(tmp_path / "odd.json")
