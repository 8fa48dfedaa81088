"""The adapter and the limits of a real venue process: none is passed, and a ban is waited for in silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.integration.venue_contract import BTC, Hands, VenueProcess, binance_world, until, venue_process

from pitwire.common.enums import OrderStatus
from pitwire.common.errors import RateLimited, VenueTrouble
from pitwire.execution.adapters.keys import ApiKey, Secret
from pitwire.execution.core.venue import Canceled, CancelFailed, Placed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

ORDERS_PER_10S = 6
WEIGHT_PER_MINUTE = 6_000
QUESTIONS_MIN = 100
"""Each weighs 20, and of 6,000 this process may ask 60 % of 80 %."""


@pytest.fixture
async def hands(tmp_path: Path) -> AsyncIterator[Hands]:
    with venue_process(tmp_path, "--orders-per-10s", str(ORDERS_PER_10S)) as process:
        async with binance_world(process) as world:
            yield Hands(world)


async def used_weight(process: VenueProcess) -> int:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{process.place['http']}/api/v3/ping") as answer:
            assert answer.status == 200, "over the limit"
            return int(answer.headers["X-MBX-USED-WEIGHT-1M"])


async def test_orders_wait_for_the_next_window_instead_of_a_refusal(hands: Hands) -> None:
    placed = 0
    while not hands.world.venue.trouble:
        assert isinstance(await hands.place(hands.resting()), Placed)
        placed += 1
    assert hands.world.venue.trouble.startswith("too many orders")
    assert 0 < placed <= ORDERS_PER_10S
    orders = await hands.world.venue.reads.open_orders()
    assert len(orders) == placed
    for order in orders:
        assert isinstance(await hands.world.venue.cancel_order(BTC, order.client_order_id), Canceled)
    await until(lambda: hands.world.venue.trouble == "")
    assert isinstance(await hands.place(hands.resting()), Placed)


async def test_orders_that_fill_do_not_use_the_limit_up(hands: Hands) -> None:
    """The venue counts unfilled orders: a fill gives its count back."""
    for _ in range(3 * ORDERS_PER_10S):
        order = hands.order()
        assert isinstance(await hands.place(order), Placed)
        await hands.heard_status(order, OrderStatus.FILLED)


async def ask_until_refused(hands: Hands) -> int:
    """How many questions the adapter asked before it would not any more."""
    for asked in range(WEIGHT_PER_MINUTE):
        try:
            await hands.world.venue.reads.find_in_history(BTC, "NEVERTHERE")
        except RateLimited:
            return asked
    raise AssertionError("it never stopped")


async def test_questions_stop_in_time_for_orders_and_orders_in_time_for_cancels(hands: Hands, tmp_path: Path) -> None:
    order = hands.resting()
    await hands.place(order)
    assert await ask_until_refused(hands) > QUESTIONS_MIN
    assert hands.world.venue.trouble == "", "orders have room that questions have not"
    assert isinstance(await hands.world.venue.cancel_order(BTC, order.client_order_id), Canceled)


async def test_a_short_stop_is_waited_for(tmp_path: Path) -> None:
    with venue_process(tmp_path) as process:
        async with binance_world(process) as world:
            await process.fault(kind="limit", status=429, seconds=1)
            with pytest.raises(VenueTrouble, match="RATE_LIMITED"):
                await world.venue.reads.open_orders()
            assert list(await world.venue.reads.open_orders()) == []


async def test_a_ban_is_waited_for_in_silence_and_ends_when_it_says(tmp_path: Path) -> None:
    with venue_process(tmp_path) as process:
        async with binance_world(process) as world:
            hands = Hands(world)
            order = hands.resting()
            await hands.place(order)
            await process.fault(kind="limit", status=418, seconds=6)
            with pytest.raises(VenueTrouble, match="BANNED"):
                await world.venue.reads.open_orders()
            assert world.venue.trouble.startswith("rate limited")
            assert isinstance(await world.venue.cancel_order(BTC, order.client_order_id), CancelFailed)
            with pytest.raises(RateLimited) as told:
                await world.venue.reads.open_orders()
            await asyncio.sleep(told.value.wait_s)
            await until(lambda: not world.venue.trouble)
            assert isinstance(await world.venue.cancel_order(BTC, order.client_order_id), Canceled)
            assert await used_weight(process) < WEIGHT_PER_MINUTE


async def test_an_ed25519_key_trades_as_a_shared_secret_does(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps([{"api_key": "ed", "account": "main", "public_key": public}]))
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with venue_process(tmp_path, "--keys", str(keys)) as process:
        async with binance_world(process, key=ApiKey("ed", Secret(pem), is_private=True)) as world:
            hands = Hands(world)
            order = hands.order()
            assert isinstance(await hands.place(order), Placed)
            await hands.heard_status(order, OrderStatus.FILLED)
