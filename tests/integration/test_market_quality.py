"""A venue that goes wrong, as the gate and strategies see it: doubt stops what raises exposure, and ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.integration.bus_world import ACCOUNT, NatsWorld
from tests.integration.market_world import READY_TIMEOUT_S, Services, Venue

from pitwire.cli.views.replayed import repeat
from pitwire.common import codec, subjects, topology
from pitwire.common.bus.nats import NatsBus
from pitwire.common.clock import NS_PER_S, SystemClock
from pitwire.common.config import load_config
from pitwire.common.enums import DenialCode, OrderType, Side, TimeInForce
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.ledger import Approved, Denied, RiskDecision
from pitwire.common.schemas.market import Quote
from pitwire.common.schemas.orders import OrderIntent

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

BTC = "BTC-USDT.sim"
SPEED = 60
ASK_PERIOD_S = 0.1
STRATEGY = "momentum"

BOOKISH = '''
from decimal import Decimal

from pitwire.strategy import Params, Target


class BookishParams(Params):
    pass


class Bookish:
    """Wants a little more with every tenth book that it may use."""

    def __init__(self, params: BookishParams) -> None:
        self.books = 0

    def on_book(self, book, portfolio):
        self.books += 1
        if self.books % 10 or book.best_bid.price >= book.best_ask.price:
            return None
        return Target(Decimal("0.01") * (self.books // 10), f"{len(book.bids(5))} bids, {len(book.asks(5))} asks")
'''

FILE = """
[venues.sim]
rest = "{http}"
ws = "{ws}"
ws_api = "{ws_api}"
instruments = ["BTC-USDT", "ETH-USDT"]
books = ["BTC-USDT"]
divergence_max_percent = "1"
silence_max_ms = 1000
[venue_accounts.sim-main]
venue = "sim"
account = "main"
key_file = "key.json"
[accounts.main]
quote = "USDT"
capital = {{ USDT = "100000" }}
[accounts.main.limits]
order_value_max = "10000"
position_value_max = "100000"
open_positions_max = 5
daily_loss_max_percent = "50"
drawdown_max_percent = "50"
mark_age_max_ms = 36000000
instruments_allowed = ["BTC-USDT.sim", "ETH-USDT.sim"]
strategy_exposure_max_percent = "1000"
[strategies.momentum]
type = "bookish.py:Bookish"
account = "main"
capital = "100000"
instruments = ["BTC-USDT.sim"]
"""

SECOND = """
[venues.dearer]
rest = "{http}"
ws = "{ws}"
ws_api = "{ws_api}"
instruments = ["BTC-USDT"]
divergence_max_percent = "1"
"""


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    made = Venue(tmp_path, speed=SPEED)
    yield made
    with contextlib.suppress(ProcessLookupError):
        made.process.send_signal(signal.SIGCONT)
    made.stop()


@pytest.fixture
async def services(real_world: NatsWorld, venue: Venue, tmp_path: Path) -> AsyncIterator[Services]:
    (tmp_path / "bookish.py").write_text(BOOKISH)
    config = tmp_path / "pitwire.toml"
    config.write_text(FILE.format(**venue.addresses))
    made = Services(real_world, config, tmp_path)
    yield made
    made.stop()


class Asker:
    """A strategy that asks for a little again and again, and what the gate says."""

    def __init__(self, world: NatsWorld) -> None:
        self._world = world
        self._clock = SystemClock()
        self._number = 0
        self._price = Decimal(0)
        self.said: dict[int, Approved | Denied] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._bus = await self._world.connect("strategy")
        rows, operator = await self._world.connect("persistence"), await self._world.connect("operator")
        gate = await self._world.connect("risk-gate")
        await gate.subscribe(subjects.quote(BTC), self._on_quote)
        self._tasks = [asyncio.create_task(self._beat(rows)), asyncio.create_task(self._follow(operator))]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def until(self, wanted: str) -> str:
        """Asks until the answer is `OK`, or a denial whose code and detail begin so; the whole answer."""
        heard: dict[str, None] = {}
        try:
            async with asyncio.timeout(READY_TIMEOUT_S):
                while not (answer := await self._ask()).startswith(wanted):
                    heard[answer] = None
        except TimeoutError:
            pytest.fail(f"never {wanted}, but {list(heard)}")
        return answer

    async def _ask(self) -> str:
        await asyncio.sleep(ASK_PERIOD_S)
        if not self._price:
            return "no quote yet"
        self._number += 1
        now_ns = self._clock.wall_ns()
        intent = OrderIntent(
            account=ACCOUNT,
            strategy=STRATEGY,
            intent_no=self._number,
            valid_until_ns=now_ns + 2 * NS_PER_S,
            ts_ns=now_ns,
            instrument_id=BTC,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
            quantity=Decimal("0.001"),
            limit_price=self._price,
        )
        await self._send(self._bus, subjects.intent(ACCOUNT, STRATEGY), intent)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while self._number not in self.said:
                    await asyncio.sleep(0.01)
        found = self.said.get(self._number)
        if isinstance(found, Denied):
            return f"{found.code} {found.detail}"
        return "OK" if found else "no answer"

    def _on_quote(self, record: Any) -> None:
        self._price = codec.decode(Quote, record.data, subject=record.subject).ask_price

    async def _beat(self, rows: NatsBus) -> None:
        """Persistence says that it follows: without that word a new ledger decides nothing."""
        while True:
            beat = Heartbeat(
                service="persistence", slot="0", instance="p", ts_ns=self._clock.wall_ns(), ready=True, cursor=1
            )
            await rows.publish(subjects.heartbeat("persistence", "0"), codec.encode(beat), codec.headers_for(beat))
            await asyncio.sleep(0.2)

    async def _follow(self, operator: NatsBus) -> None:
        async for batch in operator.read(topology.OMS.name, (subjects.ledger(ACCOUNT),), after=0):
            for record in batch:
                message = codec.decode_known(record.subject, record.schema, record.data)
                for verdict in message.verdicts if isinstance(message, RiskDecision) else ():
                    if isinstance(verdict, Approved):
                        self.said[verdict.intent.intent_no] = verdict
                    elif isinstance(verdict, Denied):
                        self.said[verdict.intent_no] = verdict

    @staticmethod
    async def _send(bus: NatsBus, subject: str, message: Message) -> None:
        await bus.append(subject, codec.encode(message), codec.headers_for(message))


@pytest.fixture
async def asker(real_world: NatsWorld) -> AsyncIterator[Asker]:
    made = Asker(real_world)
    await made.start()
    yield made
    await made.stop()


DOUBT = DenialCode.DOUBTFUL_MARKET.value


async def test_whatever_goes_wrong_with_the_feed_stops_new_exposure_and_ends_with_its_cause(
    real_world: NatsWorld, venue: Venue, services: Services, asker: Asker, tmp_path: Path
) -> None:
    gate = services.start("risk-gate")
    services.start("market-data")
    await asker.until("OK")

    venue.process.send_signal(signal.SIGSTOP)
    await asker.until(f"{DOUBT} ")
    venue.process.send_signal(signal.SIGCONT)
    await asker.until("OK")

    await venue.fault("limit", status=429, seconds=2)
    await venue.fault("depth_gap", count=1)
    await asker.until(f"{DOUBT} book of {BTC} is not in sequence")
    await asker.until("OK")

    await venue.fault("skew", ms=-5_000)
    await asker.until(f"{DOUBT} {BTC} is flagged SKEWED")
    await venue.fault("skew", ms=0)
    await asker.until("OK")

    await venue.fault("maintenance", ms=3_000)
    await asker.until(f"{DOUBT} feed of sim is DISCONNECTED")
    await asker.until("OK")

    feed = services.running[-1]
    feed.kill()
    feed.wait()
    await asker.until(f"{DOUBT} no market-data tells the status of sim")
    gate.kill()
    gate.wait()
    services.start("risk-gate")
    await asker.until(f"{DOUBT} no market-data tells the status of sim")
    services.start("market-data")
    await asker.until("OK")

    again = await repeat(await real_world.connect("operator"), load_config(tmp_path / "pitwire.toml"))
    found = again.accounts[ACCOUNT]
    assert (found.differing.told, found.not_repeatable) == ([], 0)
    assert found.decisions >= sum(isinstance(verdict, Approved) for verdict in asker.said.values()) >= 6
    assert {verdict.code for verdict in asker.said.values() if isinstance(verdict, Denied)} >= {DOUBT}


async def test_two_venues_that_differ_are_both_in_doubt_until_one_of_them_is_silent(
    real_world: NatsWorld, venue: Venue, asker: Asker, tmp_path: Path
) -> None:
    """Whichever of the two is wrong: with a third, the odd one would stand alone."""
    dearer = Venue(tmp_path, speed=SPEED, name="dearer", words=("--name", "dearer", "--offset-bps", "300"))
    (tmp_path / "bookish.py").write_text(BOOKISH)
    config = tmp_path / "pitwire.toml"
    config.write_text(FILE.format(**venue.addresses) + SECOND.format(**dearer.addresses))
    services = Services(real_world, config, tmp_path)
    try:
        services.start("risk-gate")
        services.start("market-data")
        await asker.until(f"{DOUBT} {BTC} is flagged DIVERGED")
        dearer.stop()
        await asker.until("OK")
    finally:
        services.stop()
        dearer.stop()


async def test_a_strategy_reads_the_depth_of_the_venue_as_a_book_and_a_gap_costs_it_no_more_than_that(
    real_world: NatsWorld, venue: Venue, services: Services
) -> None:
    gate = await real_world.connect("risk-gate")
    services.start("market-data")
    services.start("strategy")
    found: dict[int, OrderIntent] = {}
    gaps = 0
    async with asyncio.timeout(READY_TIMEOUT_S):
        async for batch in gate.read(topology.INTENTS.name, (subjects.intent(ACCOUNT, STRATEGY),), after=0):
            for record in batch:
                intent = codec.decode(OrderIntent, record.data, subject=record.subject)
                found[intent.intent_no] = intent
            if len(found) > gaps:
                gaps = len(found)
                await venue.fault("depth_gap", count=1)
            if len(found) >= 4:
                break
    assert list(found)[:4] == [1, 2, 3, 4]
    assert {intent.basis.subject for intent in found.values()} == {subjects.book(BTC)}
    assert {intent.reason for intent in found.values()} == {"5 bids, 5 asks"}
