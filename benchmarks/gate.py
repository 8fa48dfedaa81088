"""How many intents of one account the gate decides a second, one node, every ledger record synced; JSON lines.

The gate's own runtime on a real nats-server finds the intents waiting: one decision per record, then as many as one
takes. The floor of the same round, on a server of its own, reads the same intents and appends records of the same size
by compare-and-set, with no logic. Last, how fast the bus reader reads. `cpu_us` is this process's time alone.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop
from prometheus_client import CollectorRegistry
from servers import bus_server, connect, keys_in

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.nats import NatsBus
from pitwire.common.clock import NS_PER_S, SystemClock
from pitwire.common.enums import OrderType, Side, TimeInForce
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.ledger import DECISIONS_MAX, Approved, Mark, RiskDecision
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing import FakeShell
from pitwire.common.testing.hands import BTC, CONFIG
from pitwire.common.testing.market import feed_status
from pitwire.risk_gate.handlers import account_gate
from pitwire.risk_gate.handlers.agreement import Agreement
from pitwire.risk_gate.handlers.market import MarketView
from pitwire.risk_gate.handlers.metrics import Metrics
from pitwire.risk_gate.handlers.opening import open_account

ACCOUNT: Final = "main"
STRATEGY: Final = "momentum"
SEQUENTIAL, BATCHED = 1, DECISIONS_MAX
TARGETS: Final = {SEQUENTIAL: 1_500, BATCHED: 6_000}
READ_TARGET: Final = 60_000
READINGS: Final = 5
WAIT_MAX_S: Final = 120.0
LIFE_NS: Final = 55 * NS_PER_S
WINDOW: Final = 256


class Shell(FakeShell):
    """The shell of the tests on the real bus and clock."""

    def __init__(self, bus: NatsBus) -> None:
        super().__init__()
        self.bus = bus  # type: ignore[assignment] # the port is all that is asked of it
        self.clock = SystemClock()  # type: ignore[assignment] # the real one has the same methods

    async def end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def intent(number: int) -> OrderIntent:
    now_ns = time.time_ns()
    return OrderIntent(
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_no=number,
        valid_until_ns=now_ns + LIFE_NS,
        ts_ns=now_ns,
        reason="a benchmark asks",
        instrument_id=BTC,
        side=Side.BUY,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        quantity=Decimal("0.0001"),
        limit_price=Decimal(20_000),
    )


def market_of(shell: Shell) -> MarketView:
    market = MarketView(shell)
    market.ts_market_ns = time.time_ns()
    market.marks[BTC] = Mark(instrument_id=BTC, mark_price=Decimal(20_000), ts_event_ns=market.ts_market_ns)
    market.trust.on_status(feed_status(), time.monotonic_ns() + LIFE_NS)
    fields = {"symbol": "BTC-USDT", "venue": "sim", "venue_symbol": "BTCUSDT", "base": "BTC", "quote": "USDT"}
    steps = {"tick_size": "0.01", "lot_size": "0.00001"}
    market.instruments.put(Instrument.model_validate({"instrument_id": BTC, **fields, **steps}))
    return market


async def ask(bus: NatsBus, numbers: range) -> int:
    """Appends the intents; returns the stream sequence of the last."""
    subject, last = subjects.intent(ACCOUNT, STRATEGY), 0
    for start in range(numbers.start, numbers.stop, WINDOW):
        made = [intent(number) for number in range(start, min(start + WINDOW, numbers.stop))]
        appends = (bus.append(subject, codec.encode(each), codec.headers_for(each)) for each in made)
        last = max(await asyncio.gather(*appends))
    return last


async def decide(bus: NatsBus, last_intent: int, per_record: int) -> tuple[float, float, int]:
    """Seconds and processor seconds until all waiting intents are decided, and the bytes of a full record."""
    account_gate.DECISIONS_MAX = per_record  # type: ignore[attr-defined] # the gate's own name of it
    shell = Shell(bus)
    state, agreement, metrics = AccountState(ACCOUNT, "USDT"), Agreement(shell), Metrics(CollectorRegistry())
    gate = account_gate.AccountGate(shell, state, market_of(shell), agreement, {"sim-main": "sim"}, metrics)
    shell.spawn("journal", gate.follow_journal())
    await gate.caught_up()
    await gate.find_intents()
    await open_account(gate, CONFIG, leader="bench")
    began, cpu = time.perf_counter(), time.process_time()
    shell.spawn("intents", gate.follow_intents())
    shell.spawn("work", gate.work())
    done = await gate.until(lambda: gate.state.cursors.intent_sequence >= last_intent, timeout_s=WAIT_MAX_S)
    took = time.perf_counter() - began, time.process_time() - cpu
    await shell.end()
    newest = await bus.last(topology.OMS.name, subjects.ledger(ACCOUNT))
    assert done, "not every intent was decided in time"
    assert newest is not None
    decision = codec.decode_known(newest.subject, newest.schema, newest.data)
    assert isinstance(decision, RiskDecision)
    assert isinstance(decision.verdicts[0], Approved), decision.verdicts[0]
    return (*took, len(newest.data) * per_record // len(decision.verdicts))


async def append_only(bus: NatsBus, after: int, count: int, per_record: int, size: int) -> tuple[float, float]:
    """The same reading and writing without a gate."""
    subject = subjects.ledger(ACCOUNT)
    newest = await bus.last(topology.OMS.name, subject)
    last, left, data = newest.sequence if newest else 0, count, b"x" * size
    began, cpu = time.perf_counter(), time.process_time()
    async for batch in bus.read(topology.INTENTS.name, (subjects.intents_of(ACCOUNT),), after=after):
        for _ in range(0, len(batch), per_record):
            last = await bus.append(subject, data, expected_last=last)
        left -= len(batch)
        if left <= 0:
            break
    return time.perf_counter() - began, time.process_time() - cpu


async def read_all(bus: NatsBus) -> float:
    """Records a second from the intent stream."""
    count, began = 0, time.perf_counter()
    async for batch in bus.read(topology.INTENTS.name, (subjects.intents_of(ACCOUNT),), after=0):
        if not batch:
            break
        count += len(batch)
    return count / (time.perf_counter() - began)


async def serve(stack: AsyncExitStack, folder: Path) -> tuple[NatsBus, NatsBus]:
    """A server; the strategy's and the gate's connection to it."""
    server = await stack.enter_async_context(bus_server(folder, CONFIG))
    found = [await connect(role, server.url, keys_in(folder)) for role in ("strategy", "risk-gate")]
    for bus in found:
        stack.push_async_callback(bus.close)
    return found[0], found[1]


def tell(figure: str, value: float, at_least: float, **more: Any) -> None:
    line = {"benchmark": "gate", "figure": figure, "value": round(value), "at_least": at_least}
    print(orjson.dumps(line | {"holds": value >= at_least} | more).decode(), flush=True)


async def measure(rounds: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with AsyncExitStack() as stack:
            strategy, gate = await serve(stack, Path(name) / "gate")
            floor_strategy, floor_gate = await serve(stack, Path(name) / "floor")
            asked = 0
            for per_record in (SEQUENTIAL, BATCHED):
                ours: list[tuple[float, float]] = []
                floors: list[tuple[float, float]] = []
                for _ in range(rounds):
                    numbers = range(asked + 1, asked + count + 1)
                    seconds, cpu, size = await decide(gate, await ask(strategy, numbers), per_record)
                    ours.append((seconds, cpu))
                    await ask(floor_strategy, numbers)
                    floors.append(await append_only(floor_gate, asked, count, per_record, size))
                    asked += count
                seconds, floor_seconds = (statistics.median(took for took, _ in each) for each in (ours, floors))
                tell(
                    f"decisions_per_s.{per_record}_per_record",
                    count / seconds,
                    TARGETS[per_record],
                    floor=round(count / floor_seconds),
                    ratio=round(seconds / floor_seconds, 2),
                    cpu_us=round(statistics.median(cpu for _, cpu in ours) / count * 1e6),
                    floor_cpu_us=round(statistics.median(cpu for _, cpu in floors) / count * 1e6),
                )
            tell("read_per_s", statistics.median([await read_all(gate) for _ in range(READINGS)]), READ_TARGET)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=2_000)
    args = parser.parse_args()
    uvloop.run(measure(args.rounds, args.count))


if __name__ == "__main__":
    main()
