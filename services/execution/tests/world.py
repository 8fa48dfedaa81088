"""A gate's hands, a core with its journal, and a whole execution process on the bus in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import structlog
from prometheus_client import CollectorRegistry

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryServer
from pitwire.common.clock import NS_PER_MS, NS_PER_S, ManualClock
from pitwire.common.config import ServiceSettings
from pitwire.common.enums import HaltScope, OrderStatus, OrderType, Side, TimeInForce, TradingState
from pitwire.common.ids import client_order_id, content_hash
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.execution import ExecEvent, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import (
    Approved,
    CancelApproved,
    Cursors,
    Halt,
    IncarnationStarted,
    LeaderChanged,
    Reservation,
    Resume,
    RiskDecision,
    Verdict,
)
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.common.testing import FakeShell
from pitwire.execution.adapters.fake import FakeVenue
from pitwire.execution.adapters.latch import LatchFiles
from pitwire.execution.core.actions import Action, Alarm, Cancel, Deposed, FetchTrades, Investigate, Send, Submit, Tell
from pitwire.execution.core.approvals import Setup
from pitwire.execution.core.fold import ExecutionCore
from pitwire.execution.core.orders import Entry
from pitwire.execution.core.venue import OrderFacts, VenueOrder, VenueTrade
from pitwire.execution.handlers.runtime import Runtime

ACCOUNT = "main"
STRATEGY = "momentum"
VENUE_ACCOUNT = "sim-main"
BTC = "BTC-USDT.sim"
START_NS = 1_700_000_000 * NS_PER_S
MARKET_NS = 1_650_000_000 * NS_PER_S
TTL_NS = 2 * NS_PER_S
GATE = "0.gate1"

INSTRUMENT = Instrument.model_validate(
    {
        "instrument_id": BTC,
        "symbol": "BTC-USDT",
        "venue": "sim",
        "venue_symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "tick_size": "0.01",
        "lot_size": "0.001",
    }
)


def setup_of(*instruments: Instrument) -> Setup:
    return Setup(ACCOUNT, {VENUE_ACCOUNT: "sim"}, InstrumentRegistry(instruments), codec.encode)


def intent(intent_no: int, *, now_ns: int = START_NS, **changed: Any) -> OrderIntent:
    """A BUY of 1 at market, or as changed; decimals may be given as text."""
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "strategy": STRATEGY,
        "intent_no": intent_no,
        "valid_until_ns": now_ns + TTL_NS,
        "ts_ns": now_ns,
        "instrument_id": BTC,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT if changed.get("limit_price") else OrderType.MARKET,
        "time_in_force": TimeInForce.GTC,
        "quantity": "1",
    }
    return OrderIntent.model_validate(values | changed)


def approval(wish: OrderIntent, *, now_ns: int = START_NS, incarnation: str = "i1", **changed: Any) -> Approved:
    """The gate's yes to `wish`."""
    order_id = client_order_id(
        incarnation=incarnation,
        account=wish.account,
        strategy=wish.strategy,
        intent_no=wish.intent_no,
        intent_bytes=codec.encode(wish),
    )
    price = wish.limit_price or Decimal(100)
    buys = wish.side is Side.BUY
    values: dict[str, Any] = {
        "intent": wish,
        "client_order_id": order_id,
        "venue_account": VENUE_ACCOUNT,
        "reservation": Reservation(
            instrument_id=wish.instrument_id,
            side=wish.side,
            quantity=wish.quantity,
            worst_price=price,
            asset="USDT" if buys else "BTC",
            amount=wish.quantity * price if buys else wish.quantity,
        ),
        "is_reduction": False,
        "valid_until_ns": now_ns + TTL_NS,
    }
    return Approved(**(values | changed))


R = TypeVar("R", bound=Message)


class Ledger:
    """Makes the gate's records, each chained to the one before."""

    def __init__(self) -> None:
        self.ledger_no = 0
        self.epoch = 0
        self.prev_hash = ""

    def leader(self, leader: str = GATE) -> LeaderChanged:
        self.epoch += 1
        return self._chained(
            LeaderChanged(
                service="risk-gate",
                leader=leader,
                epoch=self.epoch,
                account=ACCOUNT,
                ledger_no=self.ledger_no + 1,
                prev_hash=self.prev_hash,
                ts_ns=START_NS,
            )
        )

    def incarnation(self, name: str = "i1") -> IncarnationStarted:
        return self._chained(IncarnationStarted(**self._place(), incarnation=name, reason="first start"))

    def decision(self, *verdicts: Verdict, now_ns: int = START_NS, incarnation: str = "i1") -> RiskDecision:
        return self._chained(RiskDecision(**self._place(now_ns), incarnation=incarnation, verdicts=verdicts))

    def _place(self, now_ns: int = START_NS) -> dict[str, Any]:
        return {
            "account": ACCOUNT,
            "ledger_no": self.ledger_no + 1,
            "epoch": self.epoch,
            "cursors": Cursors(),
            "prev_hash": self.prev_hash,
            "ts_ns": now_ns,
            "ts_market_ns": MARKET_NS,
        }

    def _chained(self, record: R) -> R:
        self.ledger_no += 1
        self.prev_hash = content_hash(codec.encode(record))
        return record


def cancel_of(client_order: str, intent_no: int = 1_000) -> CancelApproved:
    return CancelApproved(
        intent=CancelIntent(
            account=ACCOUNT,
            strategy=STRATEGY,
            intent_no=intent_no,
            valid_until_ns=START_NS + TTL_NS,
            ts_ns=START_NS,
            orig_client_order_id=client_order,
        )
    )


def halt(halt_id: str = "h1", scope: HaltScope = HaltScope.ALL, target: str = "", **changed: Any) -> Halt:
    values: dict[str, Any] = {"halt_id": halt_id, "scope": scope, "target": target, "reason": "drill", "source": "ops"}
    return Halt.model_validate(values | changed)


def resume(*halt_ids: str) -> Resume:
    return Resume(resume_id="r1", cleared=halt_ids, command_id="c1", operator="ops", reason="over", ts_ns=START_NS)


def venue_order(client_order: str, **changed: Any) -> VenueOrder:
    """A resting BUY of 1 at 100."""
    values: dict[str, Any] = {
        "client_order_id": client_order,
        "venue_order_id": "71",
        "instrument_id": BTC,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "quantity": Decimal(1),
        "status": OrderStatus.NEW,
        "cum_quantity": Decimal(0),
        "ts_event_ns": MARKET_NS,
        "limit_price": Decimal(100),
    }
    for name in ("quantity", "cum_quantity"):
        if isinstance(changed.get(name), str):
            changed[name] = Decimal(changed[name])
    return VenueOrder(**(values | changed))


def trade(trade_id: str, quantity: str, price: str = "100", **changed: Any) -> VenueTrade:
    values: dict[str, Any] = {
        "trade_id": trade_id,
        "venue_order_id": "71",
        "instrument_id": BTC,
        "side": Side.BUY,
        "quantity": Decimal(quantity),
        "price": Decimal(price),
        "fee": Decimal("0.1"),
        "fee_currency": "USDT",
        "ts_event_ns": MARKET_NS,
    }
    return VenueTrade(**(values | changed))


def facts(order: VenueOrder, *trades: VenueTrade) -> OrderFacts:
    return OrderFacts(order, trades)


class CoreWorld:
    """A core and its journal: what the core tells is given its place, stored, and read back, as a writer would."""

    def __init__(self, *, leader: str = "0.exec1", instrument: Instrument | None = INSTRUMENT) -> None:
        self.ledger = Ledger()
        self.log: list[Message] = []
        self.now_ns = START_NS
        self.venue_trouble = ""
        self.gate_fresh = True
        self.sends: list[str] = []
        self.actions: list[Action] = []
        self.leader = leader
        self._setup = setup_of(*([instrument] if instrument else []))
        self.core = ExecutionCore(self._setup, leader=leader)

    @classmethod
    def started(cls) -> CoreWorld:
        """Led by a gate, with an incarnation, and led by us."""
        world = cls()
        world.append(world.ledger.leader())
        world.append(world.ledger.incarnation())
        world.lead()
        return world

    # -- the journal -----------------------------------------------------------------------------------------------

    def append(self, event: Message) -> None:
        """Stores one record and lets the core read it."""
        self.log.append(event)
        self.perform(self.core.observe(len(self.log), event, self.now_ns))

    def lead(self) -> None:
        place = self.core.place
        self.append(
            LeaderChanged(
                service="execution",
                leader=self.leader,
                epoch=place.epoch + 1,
                account=ACCOUNT,
                exec_no=place.exec_no + 1,
                ts_ns=self.now_ns,
            )
        )

    def restart(self, upto: int | None = None, *, leader: str = "0.exec2") -> CoreWorld:
        """Another process that folds the first `upto` records (all by default) and has not taken the lead yet."""
        other = CoreWorld(leader=leader)
        other.now_ns = self.now_ns
        for event in self.log[:upto]:
            other.append(event)
        return other

    def approve(self, wish: OrderIntent, **changed: Any) -> str:
        """The gate approves; returns the client_order_id."""
        verdict = approval(wish, now_ns=self.now_ns, **changed)
        self.append(self.ledger.decision(verdict, now_ns=self.now_ns))
        return verdict.client_order_id

    def place_event(self, event: ExecEvent) -> None:
        place = self.core.place
        self.append(event.model_copy(update={"exec_no": place.exec_no + 1, "epoch": place.epoch}))

    # -- what the shell does -----------------------------------------------------------------------------------------

    def perform(self, actions: Sequence[Action]) -> None:
        for action in actions:
            self.actions.append(action)
            if isinstance(action, Tell):
                self.place_event(action.event)
            elif isinstance(action, Submit):
                self.submit(action.client_order_id)
            elif isinstance(action, Send):
                self.send(action.client_order_id)

    def submit(self, order_id: str) -> None:
        self.place_event(self.compose(order_id))

    def compose(self, order_id: str) -> Submitting | NotSent:
        refusal = self.refuse(order_id)
        if refusal is not None:
            return refusal
        hop = self.core.last_hop
        return hop.submitting(
            hop.wanted(order_id),
            request_hash="hash",
            valid_until_ns=self.entry(order_id).valid_until_ns,
            trace="",
            now_ns=self.now_ns,
        )

    def refuse(self, order_id: str) -> NotSent | None:
        return self.core.last_hop.refuse(
            order_id, self.now_ns, venue_trouble=self.venue_trouble, gate_fresh=self.gate_fresh
        )

    def send(self, order_id: str) -> None:
        refusal = self.refuse(order_id)
        if refusal is not None:
            self.place_event(refusal)
            return
        self.core.last_hop.sending(order_id)
        self.sends.append(order_id)

    def venue_says(self, *words: OrderFacts) -> None:
        for word in words:
            self.perform(self.core.told(word, VENUE_ACCOUNT, self.now_ns))

    # -- what a test looks at ----------------------------------------------------------------------------------------

    def entry(self, order_id: str) -> Entry:
        entry = self.core.orders.get(order_id)
        assert entry is not None
        return entry

    def status(self, order_id: str) -> OrderStatus:
        return self.entry(order_id).order.status

    def told(self, order_id: str) -> list[str]:
        """The order's execution events in journal order, in short."""
        return [short(event) for event in self.log if getattr(event, "client_order_id", "") == order_id]

    def wants(self, kind: type[Cancel | Investigate | FetchTrades]) -> list[str]:
        return [action.client_order_id for action in self.actions if isinstance(action, kind)]

    def alarms(self) -> list[str]:
        return [action.code for action in self.actions if isinstance(action, Alarm)]

    def deposed(self) -> bool:
        return any(isinstance(action, Deposed) for action in self.actions)


def short(event: Message) -> str:
    if isinstance(event, NotSent):
        return f"NotSent {event.reason}"
    if isinstance(event, ExecReport):
        amount = f" {event.last_quantity.normalize():f}" if event.is_fill else ""
        return f"{event.exec_type}{amount} {event.order_status}"
    return type(event).__name__


class NullTraces:
    """Spans that only pass the context on."""

    @contextmanager
    def span(self, name: str, parent: str = "", **attributes: str | int) -> Iterator[str]:
        yield parent


class ExecShell(FakeShell):
    """The fake shell with what execution needs besides."""

    def __init__(self, server: MemoryServer, clock: ManualClock, data_dir: Path) -> None:
        super().__init__(server, clock)
        self.log = structlog.stdlib.get_logger()
        self.registry = CollectorRegistry()
        self.settings = ServiceSettings(data_dir=data_dir)
        self.tracing = NullTraces()
        self.ready = False

    def fail(self, reason: str, error: BaseException | None = None) -> None:
        self.failures.append(error or RuntimeError(reason))

    def set_ready(self, ready: bool) -> None:
        self.ready = ready

    def codes(self) -> list[str]:
        return [code for _, code, _ in self.alerts]


class Process:
    """One execution process."""

    def __init__(self, world: ProcessWorld, leader: str) -> None:
        self.shell = ExecShell(world.server, world.clock, world.data_dir)
        self.venue = world.venue
        self.latches = LatchFiles(world.data_dir)
        self.runtime = Runtime(
            self.shell,
            {ACCOUNT: {VENUE_ACCOUNT: ("sim", world.venue)}},
            InstrumentRegistry(),
            self.latches,
            leader=leader,
            fraction=lambda: 0.0,
        )

    @property
    def core(self) -> ExecutionCore:
        return self.runtime.desks[0].core

    async def start(self) -> Process:
        async def acquire() -> None:
            return

        self.shell.spawn("start", self.runtime.start(acquire))
        await self.shell.settle()
        return self


class ProcessWorld:
    """Bus, venue and clock outlive the processes on them. The gate is this test's hands."""

    def __init__(self, data_dir: Path) -> None:
        self.clock = ManualClock(START_NS)
        self.server = MemoryServer(self.clock)
        self.hands = FakeShell(self.server, self.clock)
        self.venue = FakeVenue([INSTRUMENT])
        self.ledger = Ledger()
        self.data_dir = data_dir
        self.processes: list[Process] = []
        self._intent_no = 0

    async def open(self) -> None:
        await self.write(subjects.ledger(ACCOUNT), self.ledger.leader())
        await self.write(subjects.ledger(ACCOUNT), self.ledger.incarnation())

    async def process(self, leader: str = "0.exec1") -> Process:
        """A new process that has recovered and hears the gate."""
        made = await Process(self, leader).start()
        self.processes.append(made)
        await self.beat()
        return made

    async def write(self, subject: str, message: Message) -> int:
        return await self.hands.bus.append(subject, codec.encode(message), codec.headers_for(message))

    async def raw(self, subject: str, data: bytes, schema: str) -> int:
        return await self.hands.bus.append(subject, data, {codec.SCHEMA_HEADER: schema})

    async def beat(self, gate: str = GATE) -> None:
        slot, instance = gate.split(".")
        beat = Heartbeat(service="risk-gate", slot=slot, instance=instance, ts_ns=self.clock.wall_ns())
        await self.hands.bus.publish(subjects.heartbeat("risk-gate", slot), codec.encode(beat), codec.headers_for(beat))
        await self.hands.settle()

    async def approve(self, *, settle: bool = True, **changed: Any) -> str:
        self._intent_no += 1
        now_ns = self.clock.wall_ns()
        verdict = approval(intent(self._intent_no, now_ns=now_ns, **changed), now_ns=now_ns)
        await self.write(subjects.ledger(ACCOUNT), self.ledger.decision(verdict, now_ns=now_ns))
        if settle:
            await self.hands.settle()
        return verdict.client_order_id

    async def cancel(self, order_id: str) -> None:
        self._intent_no += 1
        await self.write(subjects.ledger(ACCOUNT), self.ledger.decision(cancel_of(order_id, self._intent_no)))
        await self.hands.settle()

    async def halt(self, message: Halt, source: str = "ops") -> None:
        await self.write(subjects.halt(source), message)
        await self.hands.settle()

    async def settle(self) -> None:
        await self.hands.settle()

    def exec_events(self) -> list[Message]:
        records = self.server.log_of("OMS").records
        subject = subjects.exec_events(ACCOUNT)
        return [codec.decode_known(r.subject, r.schema, r.data) for r in records if r.subject == subject]

    def told(self, order_id: str) -> list[str]:
        return [short(event) for event in self.exec_events() if getattr(event, "client_order_id", "") == order_id]

    def seen(self) -> list[str]:
        """Halts that execution has acknowledged."""
        records = self.server.log_of("CTL").records
        return [record.subject.rsplit(".", 1)[1] for record in records]

    async def close(self) -> None:
        for process in self.processes:
            await process.shell.kill()
            await process.runtime.close()


REDUCING = TradingState.REDUCING
MS = NS_PER_MS
