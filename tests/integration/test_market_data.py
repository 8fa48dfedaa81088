"""market-data and strategies as processes, on a real nats-server and the simulated venue; both are killed."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from tests.integration.bus_world import NatsWorld
from tests.integration.market_world import READY_TIMEOUT_S, Services, Venue

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.nats import NatsBus
from pitwire.common.schemas.market import Candle, Instrument
from pitwire.common.schemas.orders import OrderIntent

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

SYMBOLS = {"BTCUSDT": "BTC-USDT.sim", "ETHUSDT": "ETH-USDT.sim"}
MINUTE_NS = 60_000_000_000
SPEED = 600
HISTORY = 1_000
"""Candles of both instruments that the venue has before its market begins."""

TICKER = '''
from decimal import Decimal

from pitwire.strategy import Params, Target


class TickerParams(Params):
    pass


class Ticker:
    """Wants a little more with every trade."""

    def __init__(self, params: TickerParams) -> None:
        self.trades = 0

    def on_trade(self, trade, portfolio):
        self.trades += 1
        return Target(Decimal("0.01") * self.trades, "one more")
'''

FILE = """
[venues.sim]
rest = "{http}"
ws = "{ws}"
ws_api = "{ws_api}"
instruments = ["BTC-USDT", "ETH-USDT"]
[venue_accounts]
[accounts.main]
quote = "USDT"
capital = {{ USDT = "100000" }}
[accounts.main.limits]
order_value_max = "10000"
position_value_max = "20000"
open_positions_max = 5
daily_loss_max_percent = "5"
drawdown_max_percent = "15"
instruments_allowed = ["BTC-USDT.sim", "ETH-USDT.sim"]
[strategies.momentum]
type = "ticker.py:Ticker"
account = "main"
capital = "10000"
instruments = ["BTC-USDT.sim"]
"""


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[Venue]:
    made = Venue(tmp_path, speed=SPEED)
    yield made
    made.stop()


@pytest.fixture
async def services(real_world: NatsWorld, venue: Venue, tmp_path: Path) -> AsyncIterator[Services]:
    (tmp_path / "ticker.py").write_text(TICKER)
    config = tmp_path / "pitwire.toml"
    config.write_text(FILE.format(**venue.addresses))
    made = Services(real_world, config, tmp_path)
    yield made
    made.stop()


async def stored(bus: NatsBus, instrument: str) -> list[Candle]:
    found: list[Candle] = []
    subject = subjects.candle(instrument, "1m")
    async for batch in bus.read(topology.CANDLES.name, (subject,), after=0):
        if not batch:
            return found
        found += [codec.decode(Candle, record.data, subject=record.subject) for record in batch]
    return found


async def until_stored(bus: NatsBus, count: int) -> None:
    """Waits until so many candles are stored, half of them of each instrument."""
    async with asyncio.timeout(READY_TIMEOUT_S):
        while (await bus.state(topology.CANDLES.name)).last_sequence < count:
            await asyncio.sleep(0.1)
        while min([len(await stored(bus, instrument)) for instrument in SYMBOLS.values()]) < count // 2:
            await asyncio.sleep(0.1)


async def test_candles_survive_kills_and_a_second_publisher_each_once_and_true(
    real_world: NatsWorld, venue: Venue, services: Services
) -> None:
    bus = await real_world.connect("persistence")
    first = services.start("market-data")
    await until_stored(bus, HISTORY + 20)
    first.send_signal(signal.SIGKILL)
    first.wait()
    services.start("market-data")
    await until_stored(bus, HISTORY + 60)
    services.start("market-data", slot="1")
    await until_stored(bus, HISTORY + 100)
    services.stop()
    for symbol, instrument in SYMBOLS.items():
        candles, rows = await stored(bus, instrument), await venue.klines(symbol)
        opens = [candle.open_time_ns for candle in candles]
        assert opens == list(range(opens[0], opens[0] + len(opens) * MINUTE_NS, MINUTE_NS))
        assert len(candles) > HISTORY // 2 + 20
        truth = {row[0] * 1_000_000: [Decimal(figure) for figure in row[1:6]] for row in rows}
        told = {c.open_time_ns: [c.open, c.high, c.low, c.close, c.volume] for c in candles}
        assert told == {opens: truth[opens] for opens in told}
        assert not all(candle.backfilled for candle in candles[HISTORY // 2 :])
    definition = await bus.last(topology.INSTRUMENTS.name, subjects.instrument("BTC-USDT.sim"))
    assert definition is not None
    assert codec.decode(Instrument, definition.data, subject="").base == "BTC"


async def test_a_strategy_of_the_user_turns_trades_into_intents_in_the_trace_of_the_market(
    real_world: NatsWorld, services: Services
) -> None:
    gate = await real_world.connect("risk-gate")
    services.start("market-data")
    services.start("strategy")
    subject = subjects.intent("main", "momentum")
    found: list[OrderIntent] = []
    async with asyncio.timeout(READY_TIMEOUT_S):
        async for batch in gate.read(topology.INTENTS.name, (subject,), after=0):
            for record in batch:
                intent = codec.decode(OrderIntent, record.data, subject=record.subject)
                assert record.trace[3:35] == intent.trace[3:35]
                found.append(intent)
            if len(found) >= 3:
                break
    assert [intent.intent_no for intent in found[:3]] == [1, 2, 3]
    assert found[0].basis.subject == subjects.trade("BTC-USDT.sim")
    assert len({intent.trace for intent in found[:3]}) == 3
    services.stop()
    assert [process.returncode for process in services.running] == [0, 0]
    assert "Traceback" not in services.log("strategy") + services.log("market-data")
