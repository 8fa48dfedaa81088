"""Orders through a venue that misbehaves: a real bus, a real venue process, a real execution; the campaign is the gate.

What must come of it: nothing lost (each order ends, and with all its fills), nothing twice (one venue order for an id,
each fill told once), no orphan (nothing works at the venue that is not known here), and balances that are exactly what
was told.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.integration.execution_world import ExecutionWorld, execution_world
from tests.integration.venue_contract import BTC
from tests.venue_faults.plan import FAULTS, Cell, Wish, cells, intent_of

from pitwire.common.clock import SystemClock
from pitwire.common.config import load_config
from pitwire.common.enums import ExecType, OrderStatus
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecReport, NotSent
from pitwire.execution.adapters.binance.adapter import BinanceVenue
from pitwire.execution.adapters.binance.limits import address_limits
from pitwire.execution.adapters.keys import load_key
from pitwire.execution.core.venue import VenueOrder

OPENING = Decimal(100_000)
"""What the venue gives an account at the start, in USDT."""

HEAL_AFTER_S = 0.3
READY_TIMEOUT_S = 20.0
PROBE_PAUSE_S = 0.1
WORD_TIMEOUT_S = 2.0
SETTLE_TIMEOUT_S = 180.0
ROUND_ORDERS_MAX = 320
"""One venue process each: the doubts of more would wait for the limits that the adapter keeps."""


@dataclass
class Result:
    """What became of the orders, by fault, and every promise that was broken."""

    by_fault: dict[str, Counter[str]] = field(default_factory=lambda: {fault.name: Counter() for fault in FAULTS})
    broken: list[str] = field(default_factory=list[str])
    orders: int = 0
    probes: int = 0
    sent: int = 0
    fills: int = 0
    seconds: float = 0.0

    def add(self, other: Result) -> None:
        for name, counts in other.by_fault.items():
            self.by_fault[name].update(counts)
        self.broken += other.broken
        self.orders += other.orders
        self.probes += other.probes
        self.sent += other.sent
        self.fills += other.fills
        self.seconds += other.seconds

    def table(self) -> str:
        """A row for each fault: how its orders ended, and how many were in doubt on the way."""
        columns = ("FILLED", "CANCELED", "EXPIRED", "REJECTED", "NOT_SENT", "in doubt")
        lines = [f"{'fault':<28} {'orders':>6} " + " ".join(f"{name:>9}" for name in columns)]
        for name, counts in self.by_fault.items():
            figures = " ".join(f"{counts[column]:>9}" for column in columns)
            lines.append(f"{name:<28} {counts['orders']:>6} {figures}")
        return "\n".join(lines)


async def campaign(orders: int, *, seed: int) -> Result:
    """Rounds on a fresh venue each, until at least `orders` were asked for."""
    total = Result()
    number = 0
    while total.orders < orders:
        wanted = cells(min(ROUND_ORDERS_MAX, orders - total.orders), seed + number)[:ROUND_ORDERS_MAX]
        with tempfile.TemporaryDirectory(prefix="venue-faults-") as folder:
            total.add(await one_round(Path(folder), wanted))
        number += 1
    return total


async def one_round(folder: Path, wanted: Sequence[Cell]) -> Result:
    began_ns = SystemClock().monotonic_ns()
    async with execution_world(folder) as world:
        made = Round(world)
        await made.begin()
        for cell in wanted:
            await made.play(cell)
        result = await made.judge()
    result.seconds = (SystemClock().monotonic_ns() - began_ns) / 1e9
    return result


class Round:
    """One venue, one execution."""

    def __init__(self, world: ExecutionWorld) -> None:
        self.world = world
        self.played: list[tuple[Cell, str]] = []
        self._healing: list[asyncio.Task[None]] = []
        self.probes: list[str] = []
        """Orders that only asked whether orders can be sent again."""

    async def begin(self) -> None:
        self.world.start_execution()
        await self.world.until_trading()

    async def play(self, cell: Cell) -> None:
        """One order, its fault in its phase, its cancel."""
        await self._until_sending()
        at = list(type(cell.phase)).index(cell.phase)
        if at == 0:
            await self._strike(cell)
        order_id = await self.world.approve(**intent_of(cell.type_name, self.world.price))
        self.played.append((cell, order_id))
        if at == 1:
            await self._strike(cell)
        await self._until_word(order_id)
        if at == 2:
            await self._strike(cell)
        if at == 3:
            await self._strike(cell)
        await self.world.cancel(order_id)
        if at == 4:
            await self._strike(cell)

    async def _strike(self, cell: Cell) -> None:
        if not cell.fault.wish:
            return
        await self.world.fault(**cell.fault.wish)
        if cell.fault.healing is not None:
            self._healing.append(asyncio.create_task(self._heal(cell.fault.healing)))

    async def _heal(self, wish: Wish) -> None:
        await asyncio.sleep(HEAL_AFTER_S)
        await self.world.fault(**wish)

    async def _until_sending(self) -> None:
        """Orders can leave and trade again, whatever the fault before did: one does."""
        with suppress(TimeoutError):
            async with asyncio.timeout(READY_TIMEOUT_S):
                while True:
                    self.probes.append(await self.world.approve())
                    await self._until_word(self.probes[-1])
                    told = self.world.of(self.probes[-1])
                    if any(isinstance(event, ExecReport) and event.is_fill for event in told):
                        return
                    await asyncio.sleep(PROBE_PAUSE_S)

    async def _until_word(self, order_id: str) -> None:
        with suppress(TimeoutError):
            await self.world.until(
                lambda: any(isinstance(event, ExecReport | NotSent) for event in self.world.of(order_id)),
                timeout_s=WORD_TIMEOUT_S,
            )

    # -- the judgement ---------------------------------------------------------------------------------------------

    async def judge(self) -> Result:
        result = Result(orders=len(self.played), probes=len(self.probes))
        await asyncio.gather(*self._healing)
        await self.world.fault(kind="calm")
        ids = [*(order_id for _, order_id in self.played), *self.probes]
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT_S):
                async with self.world.arrived:
                    await self.world.arrived.wait_for(lambda: all(map(self.world.is_over, ids)))
        except TimeoutError:
            lost = [order_id for order_id in ids if not self.world.is_over(order_id)]
            result.broken.append(f"lost: {len(lost)} orders never ended, {self._story(lost[0])}")
        self._count(result)
        await self._against_the_venue(result)
        return result

    def _story(self, order_id: str) -> str:
        told = [getattr(event, "exec_type", type(event).__name__) for event in self.world.of(order_id)]
        cells = (f"{cell.fault.name}, {cell.type_name}, {cell.phase}" for cell, each in self.played if each == order_id)
        return f"{order_id} ({next(cells, 'a probe')}): {', '.join(map(str, told))}"

    def _count(self, result: Result) -> None:
        for cell, order_id in self.played:
            counts = result.by_fault[cell.fault.name]
            counts["orders"] += 1
            events = self.world.of(order_id)
            if _not_sent(events):
                counts["NOT_SENT"] += 1
                continue
            result.sent += 1
            reports = [event for event in events if isinstance(event, ExecReport)]
            counts["in doubt"] += any(report.exec_type is ExecType.UNKNOWN for report in reports)
            ends = [report.order_status for report in reports if report.order_status.is_terminal]
            counts[ends[0].value if ends else "not over"] += 1
            result.fills += sum(report.is_fill for report in reports)

    async def _against_the_venue(self, result: Result) -> None:
        """Its log is the truth; its answers are asked for besides."""
        try:
            self.world.check_against_the_venue()
        except AssertionError as error:
            result.broken.append(f"not what the venue has: {str(error).splitlines()[0]}")
        config = load_config(self.world.folder / "pitwire.toml")
        key = load_key(self.world.folder / "key.json", where="key")
        instruments = InstrumentRegistry()
        venue = BinanceVenue(
            "sim", config.venues["sim"], key, instruments, SystemClock(), lambda: 0.0, address_limits(100)
        )
        try:
            for instrument in await venue.reads.load_instruments():
                instruments.put(instrument)
            for _ in range(3):
                await venue._rest.server_time()
            self._orphans(await venue.reads.open_orders(), result)
            self._conserved(dict(await venue.reads.balances()), result)
        finally:
            await venue.close()

    def _orphans(self, working: Sequence[VenueOrder], result: Result) -> None:
        for order in working:
            known = self.world.of(order.client_order_id)
            is_over = self.world.is_over(order.client_order_id)
            if not known or is_over:
                result.broken.append(f"orphan: {order.client_order_id} works at the venue, here {known[-1:]}")

    def _conserved(self, told: dict[str, Decimal], result: Result) -> None:
        """Opening plus every fill that was told, with its fee: exactly what the venue says."""
        expected = {"USDT": OPENING, "BTC": Decimal(0)}
        for event in self.world.events:
            if isinstance(event, ExecReport) and event.is_fill and event.instrument_id == BTC:
                sign = event.side.sign
                expected["BTC"] += sign * event.last_quantity
                expected["USDT"] -= sign * event.last_quantity * event.last_price
                expected[event.fee_currency or "USDT"] -= event.fee
        for asset, amount in expected.items():
            if told.get(asset, Decimal(0)) != amount:
                result.broken.append(f"balance: {told.get(asset)} {asset} at the venue, {amount} by what was told")


def _not_sent(events: Sequence[Message]) -> bool:
    return any(isinstance(event, NotSent) for event in events)


def ended(result: Result, status: OrderStatus) -> int:
    """Orders that ended so, over all faults."""
    return sum(counts[status.value] for counts in result.by_fault.values())
