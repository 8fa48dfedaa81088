"""Gates as processes of their own on a real nats-server; market, strategies, operator and execution are this test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import aiohttp
from tests.integration.bus_world import ACCOUNT, NatsWorld, free_ports, nats_world
from tests.integration.execution_world import CONFIG, Child
from tests.integration.takeover import until_cursor

from pitwire.common import codec, subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.clock import NS_PER_S, SystemClock
from pitwire.common.enums import OrderType, Side, TimeInForce
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.ledger import Approved, Denied, LeaderChanged, RiskDecision
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing.market import BTC, MARKET_START_NS, definition, feed_status, quote

START_TIMEOUT_S = 40.0
QUOTE_PERIOD_S = 0.1
ADDRESSES = dict.fromkeys(("http", "ws", "ws_api"), "http://127.0.0.1:1")
STRATEGY = """
[strategies.{name}]
type = "momentum"
account = "main"
capital = "10000"
instruments = ["BTC-USDT.sim"]
"""


class GateWorld:
    """What the gates decided is in `verdicts` by strategy and number, with the time it was read."""

    def __init__(self, folder: Path, nats: NatsWorld) -> None:
        self.folder = folder
        self.nats = nats
        self.clock = SystemClock()
        self.gates: list[Child] = []
        self.health: dict[int, int] = {}
        self.ledger: list[Message] = []
        self.verdicts: dict[tuple[str, int], tuple[Approved | Denied, float]] = {}
        self.halts: dict[str, float] = {}
        self.arrived = asyncio.Condition()
        self.rows_follow = True
        self.operator: NatsBus
        self.market: NatsBus
        self._rows: NatsBus
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, *strategies: str) -> None:
        text = CONFIG.format(**ADDRESSES).replace('ws = "http', 'ws = "ws').replace('ws_api = "http', 'ws_api = "ws')
        (self.folder / "pitwire.toml").write_text(text + "".join(STRATEGY.format(name=name) for name in strategies))
        self.operator = await self.nats.connect("operator")
        self.market = await self.nats.connect("market-data")
        self._rows = await self.nats.connect("persistence")
        listed = definition(BTC)
        await self.market.append(subjects.instrument(BTC), codec.encode(listed), codec.headers_for(listed))
        self._tasks = [asyncio.create_task(self._quotes()), asyncio.create_task(self._follow())]

    def start_gate(self, **env: str) -> Child:
        (port,) = free_ports(1)
        self.health[len(self.gates)] = port
        gate = Child(
            self.folder,
            f"gate{len(self.gates)}",
            "pitwire.risk_gate",
            env={
                "PITWIRE_CONFIG": str(self.folder / "pitwire.toml"),
                "PITWIRE_NATS_URL": self.nats.server.url,
                "PITWIRE_NATS_SEED_FILE": str(self.nats.seeds / "risk-gate.nk"),
                "PITWIRE_DATA_DIR": str(self.folder / "data"),
                "PITWIRE_HEALTH_PORT": str(port),
            }
            | env,
        )
        self.gates.append(gate)
        return gate

    async def wins(self) -> dict[int, float]:
        """Ledger records that each gate appended, as it says itself."""
        found: dict[int, float] = {}
        async with aiohttp.ClientSession() as session:
            for number, port in self.health.items():
                async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
                    lines = (await answer.text()).splitlines()
                mine = [line for line in lines if line.startswith("pitwire_risk_gate_records_total{")]
                found[number] = float(mine[0].split()[-1])
        return found

    async def until_folded(self, number: int) -> None:
        """Until this gate, which may be a standby, has folded all of the ledger that is here."""
        await until_cursor(self.health[number], lambda: len(self.ledger))

    def leaders(self) -> list[str]:
        return [event.leader for event in self.ledger if isinstance(event, LeaderChanged)]

    async def until(self, holds: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
        async with asyncio.timeout(timeout_s):
            async with self.arrived:
                await self.arrived.wait_for(holds)

    def intent(self, strategy: str, number: int, *, ttl_s: float = 2.0, quantity: str = "0.06") -> OrderIntent:
        now = self.clock.wall_ns()
        return OrderIntent(
            account=ACCOUNT,
            strategy=strategy,
            intent_no=number,
            valid_until_ns=now + int(ttl_s * NS_PER_S),
            ts_ns=now,
            instrument_id=BTC,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.IOC,
            quantity=Decimal(quantity),
            limit_price=Decimal(100),
        )

    async def until_deciding(self, bus: NatsBus, strategy: str) -> int:
        """Asks until an intent is approved; returns the number of the next one."""
        number = 0
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                number += 1
                asked = self.intent(strategy, number)
                await bus.append(subjects.intent(ACCOUNT, strategy), codec.encode(asked), codec.headers_for(asked))
                await asyncio.sleep(0.2)
                found = self.verdicts.get((strategy, number))
                if found is not None and isinstance(found[0], Approved):
                    return number + 1

    async def _quotes(self) -> None:
        number = 0
        while True:
            number += 1
            told = quote("99.99", "100.01", sequence=number, ts_event_ns=MARKET_START_NS + number * NS_PER_S // 10)
            await self.market.publish(subjects.quote(BTC), codec.encode(told), codec.headers_for(told))
            well = feed_status()
            await self.market.publish(subjects.venue_status("sim"), codec.encode(well), codec.headers_for(well))
            if self.rows_follow:
                await self._say_that_rows_follow()
            await asyncio.sleep(QUOTE_PERIOD_S)

    async def _say_that_rows_follow(self) -> None:
        """Persistence says that it follows this journal: without that word a new ledger decides nothing."""
        beat = Heartbeat(
            service="persistence", slot="0", instance="p", ts_ns=self.clock.wall_ns(), ready=True, cursor=1
        )
        subject = subjects.heartbeat("persistence", "0")
        await self._rows.publish(subject, codec.encode(beat), codec.headers_for(beat))

    async def _follow(self) -> None:
        loop = asyncio.get_running_loop()
        async for batch in self.operator.read("OMS", (subjects.ledger(ACCOUNT), subjects.HALTS), after=0):
            for record in batch:
                message = codec.decode_known(record.subject, record.schema, record.data)
                if record.subject.startswith("oms.halt."):
                    self.halts[getattr(message, "halt_id", "")] = loop.time()
                    continue
                self.ledger.append(message)
                for verdict in message.verdicts if isinstance(message, RiskDecision) else ():
                    if isinstance(verdict, Approved):
                        key = (verdict.intent.strategy, verdict.intent.intent_no)
                    elif isinstance(verdict, Denied):
                        key = (verdict.strategy, verdict.intent_no)
                    else:
                        continue
                    assert key not in self.verdicts, f"{key} was decided twice"
                    self.verdicts[key] = (verdict, loop.time())
            async with self.arrived:
                self.arrived.notify_all()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for gate in self.gates:
            gate.kill()


@asynccontextmanager
async def gate_world(folder: Path, *strategies: str) -> AsyncIterator[GateWorld]:
    """A bus, a market, and no gate yet."""
    async with nats_world(folder) as nats:
        world = GateWorld(folder, nats)
        await world.open(*strategies)
        try:
            yield world
        finally:
            await world.close()
