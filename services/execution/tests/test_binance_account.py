"""Which world an adapter trades in, with which key, and for how long a connection is used."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from services.execution.tests.stand_in import BTC, KEY, SECRET, SYMBOL, Client, StandIn
from services.execution.tests.world import until

from pitwire.common.clock import SystemClock
from pitwire.common.enums import OrderType, Side, TimeInForce
from pitwire.common.errors import ConfigError
from pitwire.execution.adapters.binance.account import RESTRICTIONS, UnfitKey
from pitwire.execution.adapters.binance.probe import AccountProbe
from pitwire.execution.adapters.binance.signing import Signer
from pitwire.execution.adapters.ed25519 import signing_with
from pitwire.execution.adapters.fake import FakeVenue
from pitwire.execution.adapters.keys import ApiKey, Secret, load_key
from pitwire.execution.core.venue import NewOrder
from pitwire.execution.ports import Capabilities, Unsupported

GOOD_KEY = {"enableWithdrawals": False, "enableSpotAndMarginTrading": True, "ipRestrict": True}


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    made = StandIn()
    await made.start()
    yield made
    await made.stop()


# -- permissions of the key --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (GOOD_KEY | {"enableWithdrawals": True}, "may withdraw"),
        (GOOD_KEY | {"enableSpotAndMarginTrading": False}, "may not trade spot"),
        (GOOD_KEY | {"ipRestrict": False}, "every address"),
        ({}, "may withdraw"),
        ("nonsense", "may withdraw"),
    ],
)
async def test_on_the_real_venue_a_key_that_may_do_more_than_trade_is_not_traded_with(
    stand_in: StandIn, told: Any, why: str
) -> None:
    stand_in.rest["GET apiRestrictions"] = lambda _: (200, told, {})
    client = Client(stand_in, network="live")
    await client.start()
    await until(lambda: why in client.venue.trouble)
    assert not stand_in.sockets
    await client.close()


async def test_a_key_put_right_is_traded_with_without_a_restart(stand_in: StandIn) -> None:
    stand_in.rest["GET apiRestrictions"] = lambda _: (200, GOOD_KEY | {"enableWithdrawals": True}, {})
    client = Client(stand_in, network="live")
    await client.start()
    await until(lambda: "may withdraw" in client.venue.trouble)
    stand_in.rest["GET apiRestrictions"] = lambda _: (200, GOOD_KEY, {})
    await until(lambda: client.venue.trouble == "")
    await client.close()


@pytest.mark.parametrize("network", ["simulated", "testnet", "demo"])
async def test_where_nothing_can_be_withdrawn_the_key_is_not_asked_about(stand_in: StandIn, network: str) -> None:
    client = Client(stand_in, network=network)
    await client.start()
    await until(lambda: client.venue.trouble == "")
    assert f"GET {RESTRICTIONS.rpartition('/')[2]}" not in stand_in.methods()
    await client.close()


# -- Ed25519 keys ------------------------------------------------------------------------------------------------------


def write_private(path: Path, key: Any, mode: int = 0o600) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)


def key_file(folder: Path) -> Path:
    path = folder / "key.json"
    path.write_text(json.dumps({"api_key": "public", "private_key_file": "key.pem"}))
    path.chmod(0o600)
    return path


def test_an_ed25519_key_signs_in_base64_what_its_public_half_verifies(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    write_private(tmp_path / "key.pem", private)
    key = load_key(key_file(tmp_path), where="here")
    query = Signer(key).query({"symbol": "BTCUSDT", "timestamp": 1})
    unsigned, _, signature = query.rpartition("&signature=")
    assert not {"+", "/", "="} & set(signature), "base64 has to be percent-encoded"
    raw = base64.b64decode(signature.replace("%2B", "+").replace("%2F", "/").replace("%3D", "="))
    private.public_key().verify(raw, unsigned.encode())
    frame = json.loads(Signer(key).frame(1, "order.place", {"b": 2, "a": "1"}))["params"]
    private.public_key().verify(base64.b64decode(frame["signature"]), b"a=1&apiKey=public&b=2")
    assert "PRIVATE" not in f"{key!r} {key.secret!r}"


@pytest.mark.parametrize("text", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key_says_so_without_showing_it(text: str) -> None:
    with pytest.raises(ValueError, match="not a private key in PEM"):
        signing_with(text)


def test_a_private_key_that_others_may_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_key(path, where="here")
    write_private(tmp_path / "key.pem", Ed25519PrivateKey.generate(), mode=0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_key(path, where="here")
    (tmp_path / "key.pem").chmod(0o600)
    (tmp_path / "key.pem").write_text("not a key")
    with pytest.raises(ConfigError, match="not a private key"):
        load_key(path, where="here")
    write_private(tmp_path / "key.pem", X25519PrivateKey.generate())
    with pytest.raises(ConfigError, match="not an Ed25519 key"):
        load_key(path, where="here")


# -- connections -------------------------------------------------------------------------------------------------------


async def test_connections_are_changed_before_their_life_ends_without_a_gap(stand_in: StandIn) -> None:
    client = Client(stand_in, connection_life_s=1)
    await client.start()
    await until(lambda: client.venue.trouble == "")
    seen: set[str] = set()
    async with asyncio.timeout(10):
        while stand_in.methods().count("userDataStream.subscribe.signature") < 3:
            seen.add(client.venue.trouble)
            await asyncio.sleep(0.01)
    assert client.ear.gaps == ["private stream connected"]
    assert seen == {""}, "orders could be sent all the time"
    await client.close()


# -- what the venue cannot do ------------------------------------------------------------------------------------------


def order(order_type: OrderType = OrderType.LIMIT, **changed: Any) -> NewOrder:
    values: dict[str, Any] = {
        "client_order_id": "ABC", "instrument_id": BTC, "venue_symbol": "BTCUSDT", "side": Side.BUY,
        "order_type": order_type, "time_in_force": TimeInForce.GTC, "quantity": Decimal(1),
    }  # fmt: skip
    return NewOrder(**(values | changed))


POOR = Capabilities(frozenset({OrderType.LIMIT}), frozenset({TimeInForce.GTC}), post_only=False)


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        (order(OrderType.STOP_LOSS), "order type STOP_LOSS"),
        (order(time_in_force=TimeInForce.FOK), "time in force FOK"),
        (order(post_only=True), "post_only"),
    ],
)
async def test_what_a_venue_cannot_do_is_refused_before_anything_is_sent(wanted: NewOrder, what: str) -> None:
    venue = FakeVenue([], capabilities=POOR)
    with pytest.raises(Unsupported, match=what):
        venue.prepare(wanted, now_ns=0, expires_ns=1)
    assert venue.frames == []
    venue.prepare(order(), now_ns=0, expires_ns=1)


async def test_an_order_type_that_an_instrument_is_not_traded_with_is_refused(stand_in: StandIn) -> None:
    symbol = SYMBOL | {"orderTypes": ["LIMIT", "MARKET"]}
    stand_in.rest["GET exchangeInfo"] = lambda _: (200, {"symbols": [symbol]}, {})
    client = Client(stand_in)
    await client.start()
    await until(lambda: client.venue.trouble == "")
    for wanted in (order(OrderType.STOP_LOSS), order(post_only=True)):
        with pytest.raises(Unsupported, match=r"BTC-USDT\.sim is not traded with"):
            client.venue.prepare(wanted, now_ns=0, expires_ns=10**9)
    client.venue.prepare(order(limit_price=Decimal(1)), now_ns=0, expires_ns=10**9)
    assert "order.place" not in stand_in.methods()
    await client.close()


# -- answers that cannot be read ---------------------------------------------------------------------------------------


async def test_an_answer_that_cannot_be_read_is_set_aside_whole(stand_in: StandIn) -> None:
    client = Client(stand_in)
    await client.start()
    await until(lambda: client.venue.trouble == "")
    stand_in.rest["GET myTrades"] = lambda _: (200, [{"id": "x"}], {})
    stand_in.rest["GET order"] = lambda _: (200, {"orderId": "x"}, {})
    stand_in.ws["order.cancel"] = lambda _: {"status": 200, "result": {"orderId": "x"}}
    for ask in (client.venue.reads.trades_since(BTC, 0), client.venue.reads.query_order(BTC, "ABC")):
        with pytest.raises(Exception, match="myTrades|order"):
            await ask
    await client.venue.cancel_order(BTC, "ABC")
    assert [place for place, _ in client.ear.malformed] == ["myTrades", "order", "order.cancel"]
    await client.close()


# -- a look before anything is traded ----------------------------------------------------------------------------------


async def test_a_probe_tells_the_clock_and_the_money_or_why_the_key_is_not_fit(stand_in: StandIn) -> None:
    stand_in.time_shift_ms = 7_000
    rows = [{"asset": "USDT", "free": "1.5", "locked": "0.5"}]
    stand_in.rest["GET account"] = lambda _: (200, {"canTrade": True, "balances": rows}, {})
    stand_in.rest["GET apiRestrictions"] = lambda _: (200, GOOD_KEY, {})
    client = Client(stand_in, network="live")
    config = client.venue._config
    async with AccountProbe("sim", config, ApiKey(KEY, Secret(SECRET)), SystemClock()) as probe:
        told = await probe.look()
        assert abs(told.clock_ahead_ms - 7_000) < 1_000
        assert told.balances == {"USDT": Decimal(2)}
        stand_in.rest["GET apiRestrictions"] = lambda _: (200, GOOD_KEY | {"enableWithdrawals": True}, {})
        with pytest.raises(UnfitKey, match="may withdraw"):
            await probe.look()
    await client.close()
