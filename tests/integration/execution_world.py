"""Execution as its own process between a real nats-server and the simulated venue; this test is the gate."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from services.execution.tests.builders import ACCOUNT, GATE, Ledger, approval, cancel_of, intent
from tests.integration.bus_world import NatsWorld, nats_world, sample_config

from pitwire.common import codec, subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.clock import SystemClock
from pitwire.common.errors import BusUnavailable
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import LeaderChanged

START_TIMEOUT_S = 30.0
SETTLE_TIMEOUT_S = 45.0
BEAT_S = 0.25
CONFIG = """
[venues.sim]
rest = "{http}"
ws = "{ws}"
ws_api = "{ws_api}"
instruments = ["BTC-USDT", "ETH-USDT"]
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
position_value_max = "20000"
open_positions_max = 5
daily_loss_max_percent = "5"
drawdown_max_percent = "15"
instruments_allowed = ["BTC-USDT.sim", "ETH-USDT.sim"]
"""


class Child:
    """A process of ours; what it writes to standard error is kept in a file."""

    def __init__(self, folder: Path, name: str, *words: str, env: dict[str, str] | None = None) -> None:
        self._log = (folder / f"{name}.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words],
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={k: v for k, v in os.environ.items() if not k.startswith("PITWIRE_")} | (env or {}),
        )

    def kill(self, signum: int = signal.SIGKILL) -> int:
        """Sends the signal and waits for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        code = self.process.wait(timeout=15)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self._log.close()
        return code


class ExecutionWorld:
    """The bus, the venue and one execution process at a time."""

    def __init__(self, folder: Path, nats: NatsWorld) -> None:
        self.folder = folder
        self.nats = nats
        self.clock = SystemClock()
        self.ledger = Ledger()
        self.events: list[Message] = []
        self.arrived = asyncio.Condition()
        self.place: dict[str, str] = {}
        self.venue: Child
        self.executions: list[Child] = []
        self.bus: NatsBus
        self._intent_no = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.price = Decimal(0)

    # -- processes ---------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        self.start_venue(0)
        (self.folder / "pitwire.toml").write_text(CONFIG.format(**self.place))
        key = self.folder / "key.json"
        key.write_text(json.dumps({name: self.place[name] for name in ("api_key", "api_secret")}))
        key.chmod(0o600)
        self.bus = await self.nats.connect("risk-gate")
        await self.write(subjects.ledger(ACCOUNT), self.ledger.leader())
        await self.write(subjects.ledger(ACCOUNT), self.ledger.incarnation())
        self._tasks = [asyncio.create_task(self._beats()), asyncio.create_task(self._follow())]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{self.place['http']}/api/v3/ticker/price?symbol=BTCUSDT") as answer:
                self.price = Decimal((await answer.json())["price"])

    def start_venue(self, port: int) -> None:
        words = ["pitwire.venue_sim", "--port", str(port), "--speed", "60", "--data-dir", str(self.folder / "venue")]
        self.venue = Child(self.folder, "venue", *words, "--orders-per-10s", "5000")
        assert self.venue.process.stdout is not None
        self.place = json.loads(self.venue.process.stdout.readline())

    def start_execution(self, **env: str) -> Child:
        execution = Child(
            self.folder,
            f"execution{len(self.executions)}",
            "pitwire.execution",
            env={
                "PITWIRE_CONFIG": str(self.folder / "pitwire.toml"),
                "PITWIRE_NATS_URL": self.nats.server.url,
                "PITWIRE_NATS_SEED_FILE": str(self.nats.seeds / "execution.nk"),
                "PITWIRE_DATA_DIR": str(self.folder / "data"),
            }
            | env,
        )
        self.executions.append(execution)
        return execution

    async def until_trading(self) -> None:
        """Until an approved order is really sent; refused ones before that are part of a start."""
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                order_id = await self.approve()
                await self.until_over(order_id)
                if any(isinstance(event, Submitting) for event in self.of(order_id)):
                    return
                await asyncio.sleep(0.1)

    def leaders(self) -> list[str]:
        """Every process that has led the account, in order."""
        return [event.leader for event in self.events if isinstance(event, LeaderChanged)]

    async def until(self, holds: Callable[[], bool], timeout_s: float = START_TIMEOUT_S) -> None:
        async with asyncio.timeout(timeout_s):
            async with self.arrived:
                await self.arrived.wait_for(holds)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for execution in self.executions:
            execution.kill()
        self.venue.kill()

    # -- the gate's hands --------------------------------------------------------------------------------------------

    async def _beats(self) -> None:
        slot, instance = GATE.split(".")
        while True:
            beat = Heartbeat(service="risk-gate", slot=slot, instance=instance, ts_ns=self.clock.wall_ns())
            with suppress(BusUnavailable):
                await self.bus.publish(
                    subjects.heartbeat("risk-gate", slot), codec.encode(beat), codec.headers_for(beat)
                )
            await asyncio.sleep(BEAT_S)

    async def _follow(self) -> None:
        async for batch in self.bus.read("OMS", (subjects.exec_events(ACCOUNT),), after=0):
            self.events += [codec.decode_known(r.subject, r.schema, r.data) for r in batch]
            async with self.arrived:
                self.arrived.notify_all()

    async def write(self, subject: str, message: Message) -> None:
        await self.bus.append(subject, codec.encode(message), codec.headers_for(message))

    async def approve(self, **changed: Any) -> str:
        """An approval of a small buy, or as changed."""
        self._intent_no += 1
        now_ns = self.clock.wall_ns()
        wish = intent(self._intent_no, now_ns=now_ns, **({"quantity": "0.001"} | changed))
        verdict = approval(wish, now_ns=now_ns)
        await self.write(subjects.ledger(ACCOUNT), self.ledger.decision(verdict, now_ns=now_ns))
        return verdict.client_order_id

    async def cancel(self, order_id: str) -> None:
        self._intent_no += 1
        await self.write(subjects.ledger(ACCOUNT), self.ledger.decision(cancel_of(order_id, self._intent_no)))

    async def fault(self, **wish: Any) -> None:
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{self.place['control']}/fault", json=wish) as answer:
                assert answer.status == 200, await answer.text()

    # -- what became of it -------------------------------------------------------------------------------------------

    def of(self, order_id: str) -> list[Message]:
        return [event for event in self.events if getattr(event, "client_order_id", "") == order_id]

    def is_over(self, order_id: str) -> bool:
        """NotSent, or ended with every fill that its last report counts."""
        events = self.of(order_id)
        if any(isinstance(event, NotSent) for event in events):
            return True
        reports = [event for event in events if isinstance(event, ExecReport)]
        filled = sum((report.last_quantity for report in reports), Decimal(0))
        counted = max((report.cum_quantity for report in reports), default=Decimal(0))
        return any(report.order_status.is_terminal for report in reports) and filled >= counted

    async def until_over(self, *order_ids: str) -> None:
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            async with self.arrived:
                await self.arrived.wait_for(lambda: all(self.is_over(order_id) for order_id in order_ids))

    def venue_log(self, kind: str) -> list[dict[str, Any]]:
        """The venue's own truth."""
        lines = (self.folder / "venue" / "venue.jsonl").read_text().splitlines()
        return [row for row in map(json.loads, lines) if row["r"] == kind]

    def check_against_the_venue(self) -> dict[str, int]:
        """Every order there is one we submitted, there once; every trade there is told here once, as it was."""
        submitted = [event.client_order_id for event in self.events if isinstance(event, Submitting)]
        assert len(submitted) == len(set(submitted)), "submitted twice"
        at_venue = [row["client_order_id"] for row in self.venue_log("order")]
        assert len(at_venue) == len(set(at_venue)), "two venue orders for one id"
        assert set(at_venue) <= set(submitted), "an order that was never submitted"
        fills = [event for event in self.events if isinstance(event, ExecReport) and event.is_fill]
        told = sorted(
            (f.trade_id, f.client_order_id, f.side.value, f.last_price, f.last_quantity, f.fee, f.fee_currency)
            for f in fills
        )
        true = sorted(
            (
                str(row["trade_id"]),
                row["client_order_id"],
                row["side"],
                Decimal(row["price"]),
                Decimal(row["quantity"]),
                Decimal(row["fee"]),
                row["fee_currency"],
            )
            for row in self.venue_log("trade")
        )
        assert told == true, "fills differ from the venue's"
        return {"submitted": len(submitted), "at_venue": len(at_venue), "fills": len(fills)}


@asynccontextmanager
async def execution_world(folder: Path) -> AsyncIterator[ExecutionWorld]:
    """A bus and a venue, and no execution yet."""
    assert "sim-main" in sample_config().venue_accounts
    async with nats_world(folder) as nats:
        world = ExecutionWorld(folder, nats)
        await world.open()
        try:
            yield world
        finally:
            await world.close()
