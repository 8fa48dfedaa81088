"""The worlds in which the venue contract is tried: each a `Venue`, and hands that make its counterparty misbehave.

An adapter joins by one class here: how it is made, and how its venue is told to lose an answer, a request, the stream.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

import aiohttp
from services.execution.tests.builders import INSTRUMENT
from services.execution.tests.stand_in import Ear
from tests.integration.execution_world import Child

from pitwire.common.clock import NS_PER_MS, SystemClock
from pitwire.common.config import VenueConfig
from pitwire.common.enums import OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.money import ZERO
from pitwire.execution.adapters.binance.adapter import BinanceVenue
from pitwire.execution.adapters.binance.limits import address_limits
from pitwire.execution.adapters.ccxt.venue import CcxtVenue
from pitwire.execution.adapters.fake import FakeVenue, Fate
from pitwire.execution.adapters.keys import ApiKey, Secret
from pitwire.execution.core.venue import NewOrder, SubmitAnswer, VenueOrder
from pitwire.execution.ports import Venue

BTC: Final = "BTC-USDT.sim"
WAIT_MAX_S: Final = 20.0
ORDER_TTL_MS: Final = 2_000
_numbers = itertools.count(1)


async def until(holds: Callable[[], bool], what: str = "") -> None:
    async with asyncio.timeout(WAIT_MAX_S):
        while not holds():
            await asyncio.sleep(0.01)


class World(Protocol):
    """One venue account, and its counterparty."""

    @property
    def venue(self) -> Venue: ...

    @property
    def ear(self) -> Ear: ...

    @property
    def price(self) -> Decimal: ...

    async def lose_answer(self) -> None:
        """The next order is taken, and nobody hears of it."""
        ...

    async def lose_request(self) -> None:
        """The next order is not taken, and the answer does not say so."""
        ...

    async def lose_stream(self) -> None:
        """The private stream breaks and comes back."""
        ...

    async def foreign_order(self) -> str:
        """Somebody else places an order in this account that rests; its id."""
        ...

    async def wipe(self) -> None:
        """The venue forgets every order and trade."""
        ...


class Hands:
    """What a test does in any world."""

    def __init__(self, world: World) -> None:
        self.world = world

    def order(self, **changed: Any) -> NewOrder:
        """A market buy of a little, or as changed; a fresh id."""
        values: dict[str, Any] = {
            "client_order_id": f"CONTRACT{next(_numbers):018d}",
            "instrument_id": BTC,
            "venue_symbol": "BTCUSDT",
            "side": Side.BUY,
            "order_type": OrderType.MARKET,
            "time_in_force": TimeInForce.GTC,
            "quantity": Decimal("0.001"),
        }
        return NewOrder(**(values | changed))

    def resting(self, **changed: Any) -> NewOrder:
        """A limit buy far below the market."""
        return self.order(order_type=OrderType.LIMIT, limit_price=self.near(Decimal("0.7")), **changed)

    def near(self, factor: Decimal) -> Decimal:
        return (self.world.price * factor).quantize(Decimal("0.01"))

    async def place(self, order: NewOrder) -> SubmitAnswer:
        venue, now_ns = self.world.venue, SystemClock().wall_ns()
        await until(lambda: venue.trouble == "", venue.trouble)
        prepared = venue.prepare(order, now_ns=now_ns, expires_ns=now_ns + ORDER_TTL_MS * NS_PER_MS)
        async with asyncio.timeout(WAIT_MAX_S):
            return await (await venue.send(prepared))

    def heard(self, order: NewOrder) -> list[VenueOrder]:
        """What the listener was told of it."""
        return [f.order for f in self.world.ear.facts if f.order.client_order_id == order.client_order_id]

    def traded(self, order: NewOrder) -> dict[str, Decimal]:
        """Trades of it that the listener was told, by id."""
        facts = [f for f in self.world.ear.facts if f.order.client_order_id == order.client_order_id]
        return {trade.trade_id: trade.quantity for fact in facts for trade in fact.trades}

    async def heard_status(self, order: NewOrder, status: OrderStatus) -> VenueOrder:
        await until(lambda: any(each.status is status for each in self.heard(order)), f"{order} {status}")
        return next(each for each in self.heard(order) if each.status is status)


# -- in memory -------------------------------------------------------------------------------------------------------


class FakeWorld:
    """`FakeVenue`: what unit tests stand on has to keep the contract that real adapters keep."""

    def __init__(self) -> None:
        self.price = Decimal(50_000)
        self.ear = Ear()
        self.venue = FakeVenue([INSTRUMENT], price=self.price)

    async def lose_answer(self) -> None:
        self.venue.fates.append(Fate.LOSE_ANSWER)

    async def lose_request(self) -> None:
        self.venue.fates.append(Fate.LOSE_REQUEST)

    async def lose_stream(self) -> None:
        self.venue.lose_stream()

    async def foreign_order(self) -> str:
        order = VenueOrder(
            f"web_{next(_numbers)}", "999", BTC, Side.BUY, OrderType.LIMIT, Decimal(1), OrderStatus.NEW, ZERO, 1
        )
        self.venue.add_foreign(replace(order, limit_price=Decimal(10)))
        return order.client_order_id

    async def wipe(self) -> None:
        self.venue.wipe()


@asynccontextmanager
async def fake_world() -> AsyncIterator[FakeWorld]:
    world = FakeWorld()
    task = asyncio.create_task(world.venue.run(world.ear))
    await until(lambda: bool(world.ear.gaps))
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


# -- on a real venue process -----------------------------------------------------------------------------------------


class VenueProcess:
    """The simulated venue, and its control port."""

    def __init__(self, folder: Path, *words: str) -> None:
        base = ["pitwire.venue_sim", "--port", "0", "--data-dir", str(folder / "venue"), "--orders-per-10s", "5000"]
        self.child = Child(folder, "venue", *base, *words)
        assert self.child.process.stdout is not None
        self.place: dict[str, str] = json.loads(self.child.process.stdout.readline())

    async def fault(self, **wish: Any) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{self.place['control']}/fault", json=wish) as answer:
                assert answer.status == 200, await answer.text()

    async def price(self) -> Decimal:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.place['http']}/api/v3/ticker/price?symbol=BTCUSDT") as answer:
                return Decimal((await answer.json())["price"])

    def config(self, **settings: Any) -> VenueConfig:
        values: dict[str, Any] = {"silence_max_ms": 1_000} | settings
        return VenueConfig(
            rest=self.place["http"],
            ws=self.place["ws"],
            ws_api=self.place["ws_api"],
            instruments=("BTC-USDT", "ETH-USDT"),
            **values,
        )

    @property
    def key(self) -> ApiKey:
        return ApiKey(self.place["api_key"], Secret(self.place["api_secret"]))


@contextmanager
def venue_process(folder: Path, *words: str) -> Iterator[VenueProcess]:
    process = VenueProcess(folder, *words)
    try:
        yield process
    finally:
        process.child.kill()


class SimWorld:
    """An adapter on a venue process."""

    def __init__(self, process: VenueProcess, venue: Venue, price: Decimal) -> None:
        self.process = process
        self.venue = venue
        self.price = price
        self.ear = Ear()

    async def lose_answer(self) -> None:
        await self.process.fault(kind="unknown_answer", status=504)

    async def lose_request(self) -> None:
        await self.process.fault(kind="unknown_answer", status=504, executed=False)

    async def lose_stream(self) -> None:
        await self.process.fault(kind="drop", mode="hard", who="ws_api")

    async def foreign_order(self) -> str:
        order_id = f"web_{next(_numbers)}"
        price = f"{self.price * Decimal('0.8'):.2f}"
        await self.process.fault(
            kind="external_order", symbol="BTCUSDT", side="BUY", type="LIMIT", timeInForce="GTC", quantity="0.001",
            price=price, newClientOrderId=order_id,
        )  # fmt: skip
        return order_id

    async def wipe(self) -> None:
        await self.process.fault(kind="wipe")


@asynccontextmanager
async def running(world: SimWorld, instruments: InstrumentRegistry) -> AsyncIterator[SimWorld]:
    """The adapter connected, as execution does it."""
    for instrument in await world.venue.reads.load_instruments():
        instruments.put(instrument)
    task = asyncio.create_task(world.venue.run(world.ear))
    try:
        await until(lambda: task.done() or (bool(world.ear.gaps) and not world.venue.trouble), world.venue.trouble)
        assert not task.done(), task
        yield world
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.venue.close()


@asynccontextmanager
async def binance_world(
    process: VenueProcess, *, key: ApiKey | None = None, **settings: Any
) -> AsyncIterator[SimWorld]:
    config, instruments = process.config(**settings), InstrumentRegistry()
    address = address_limits(config.rate_share_percent)
    venue = BinanceVenue("sim", config, key or process.key, instruments, SystemClock(), lambda: 0.0, address)
    async with running(SimWorld(process, venue, await process.price()), instruments) as world:
        yield world


@asynccontextmanager
async def ccxt_world(process: VenueProcess, **settings: Any) -> AsyncIterator[SimWorld]:
    """ccxt's class of Binance, pointed at the venue process."""
    config, instruments = process.config(kind="ccxt", **settings), InstrumentRegistry()
    venue = CcxtVenue("sim", config, process.key, instruments, SystemClock(), lambda: 0.0)
    async with running(SimWorld(process, venue, await process.price()), instruments) as world:
        yield world
