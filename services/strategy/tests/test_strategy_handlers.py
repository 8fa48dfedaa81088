"""From records on the bus to intents on the bus: start, journal, market, publishing, faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryServer
from pitwire.common.bus.port import Record
from pitwire.common.clock import ManualClock
from pitwire.common.enums import DenialCode
from pitwire.common.errors import BusUnavailable
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import DecisionTrace
from pitwire.common.schemas.ledger import Denied
from pitwire.common.schemas.market import Candle, Quote
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.spans import Recorder
from pitwire.common.telemetry import Tracing
from pitwire.common.testing.journal import BTC, STRATEGY, Journal
from pitwire.common.testing.market import MARKET_START_NS, MINUTE_NS, candle, definition, quote
from pitwire.common.testing.shell import FakeShell
from pitwire.strategy import Hold, Portfolio, Target
from pitwire.strategy.core.desk import Desk
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.runner import Runner
from pitwire.strategy.handlers import publisher as publishing
from pitwire.strategy.handlers.delivering import Deliverer
from pitwire.strategy.handlers.delivery_log import DeliveryLog
from pitwire.strategy.handlers.journal import JournalReader
from pitwire.strategy.handlers.market import MarketReader
from pitwire.strategy.handlers.outbox import Outbox
from pitwire.strategy.handlers.publisher import Publisher

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
INTENT_SUBJECT = subjects.intent("main", STRATEGY)


class Wants:
    """Wants what the test says; sees quotes only when `with_quotes`."""

    def __init__(self, history: int = 0) -> None:
        self.history = history
        self.quantity = Decimal(1)
        self.minutes: list[int] = []

    def on_candle(self, candle: Candle, portfolio: Portfolio) -> Target:
        self.minutes.append((candle.open_time_ns - MARKET_START_NS) // MINUTE_NS)
        return Target(self.quantity, "wanted")


class WantsQuotes(Wants):
    def on_quote(self, quote: Quote, portfolio: Portfolio) -> Target | Hold:
        return Target(self.quantity, "quoted")


class World:
    """One strategy process in memory: its bus, its clock, and the records of the others."""

    def __init__(self, strategy: Wants, *, server: MemoryServer | None = None, journal: Journal | None = None) -> None:
        self.clock = ManualClock()
        self.server = server or MemoryServer(self.clock)
        self.shell = FakeShell(self.server, self.clock)
        self.writer = FakeShell(self.server, self.clock).bus
        self.journal = journal or Journal()
        self.written = len(self.journal.entries) if journal else 0
        self.heard: list[Record] = []
        self.server.listen("trace.>", self.heard.append)
        registry, state = InstrumentRegistry(), AccountState("main", "USDT")
        spec = Spec(STRATEGY, "main", Decimal(10_000), (BTC,), "1m", ttl_ns=2_000_000_000)
        self.runner = Runner(spec, strategy, state, registry)
        self.desk = Desk(state, [self.runner])
        self.exported = InMemorySpanExporter()
        self.tracing = Tracing(Recorder("strategy", self.exported))
        self.publisher = Publisher(self.shell, self.tracing, self.runner)
        self.outbox = Outbox(self.shell, {STRATEGY: self.publisher}, CollectorRegistry())
        self.log = DeliveryLog(self.shell, slot="0", instance="i1")
        self.deliverer = Deliverer([self.desk], registry, self.outbox)
        self.market = MarketReader(self.shell, self.deliverer, self.outbox, self.log)

    async def start(self) -> None:
        """As `__main__` does."""
        if not self.journal.entries:
            self.journal.start()
        await self.write_journal()
        await self.put(subjects.instrument(BTC), definition(BTC))
        journal = JournalReader(self.shell, self.desk, self.deliverer, self.log)
        self.shell.spawn("outbox", self.outbox.run())
        self.shell.spawn("instruments", self.market.follow_instruments())
        self.shell.spawn("intents", self.publisher.run())
        self.shell.spawn("journal", journal.follow())
        await journal.caught_up()
        reader = await self.market.warm_up()
        assert reader is not None
        self.shell.spawn("candles", self.market.follow_candles(reader))
        await self.market.subscribe_ticks()
        await self.shell.settle()

    async def put(self, subject: str, message: Message, trace: str = "") -> None:
        await self.writer.append(subject, codec.encode(message), codec.headers_for(message, trace))

    async def candle(self, minute: int, **changed: Any) -> None:
        values: dict[str, Any] = {"ts_recv_ns": self.clock.wall_ns()}
        message = candle(minute, **(values | changed))
        await self.put(subjects.candle(BTC, "1m"), message, TRACE)
        await self.shell.settle()

    async def write_journal(self) -> None:
        """What the gate and execution wrote since."""
        for entry in self.journal.entries[self.written :]:
            event: Any = entry.event
            subject = subjects.ledger("main") if entry.is_ledger else _subject(event)
            await self.writer.append(subject, entry.raw, codec.headers_for(event))
        self.written = len(self.journal.entries)
        await self.shell.settle()

    def intents(self) -> list[OrderIntent]:
        """What lies on the intent stream."""
        records = self.server.log_of("INTENT").records
        return [codec.decode(OrderIntent, record.data, subject=record.subject) for record in records]

    def reasons(self) -> list[str]:
        traces = [codec.decode(DecisionTrace, record.data, subject="") for record in self.heard]
        return [f"{trace.signal} {trace.reason}" for trace in traces]


def _subject(event: Any) -> str:
    name = type(event).__name__
    if name == "Halt":
        return subjects.halt(event.source)
    return subjects.RESUME if name == "Resume" else subjects.exec_events("main")


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World(Wants())
    yield made
    await made.shell.kill()
    assert made.shell.failures == []


async def test_a_closed_candle_becomes_an_intent_in_the_same_trace(world: World) -> None:
    await world.start()
    await world.candle(0)
    record = world.server.log_of("INTENT").records[0]
    (intent,) = world.intents()
    assert record.subject == INTENT_SUBJECT
    assert (intent.intent_no, intent.quantity, intent.trace) == (1, Decimal(1), TRACE)
    assert intent.basis.subject == subjects.candle(BTC, "1m")
    assert intent.basis.ts_event_ns == MARKET_START_NS + MINUTE_NS
    assert record.trace[3:35] == TRACE[3:35]
    world.tracing.close()
    (span,) = world.exported.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.span_id:016x}", f"{span.parent.span_id:016x}") == (record.trace[36:52], TRACE[36:52])


async def test_every_evaluation_is_told(world: World) -> None:
    await world.start()
    await world.candle(0)
    await world.candle(1)
    assert world.reasons() == ["BUY wanted", "HOLD wanted; no order: target is held or on its way"]


async def test_progress_is_told_after_each_candle_and_its_intents(world: World) -> None:
    await world.start()
    world.shell.bus.disconnect()
    await world.candle(0)
    assert world.shell.reached == []
    world.shell.bus.reconnect()
    await world.candle(1)
    assert [(at - MARKET_START_NS) // MINUTE_NS for at in world.shell.reached] == [1, 2]


async def test_candles_stored_before_the_start_warm_up_only() -> None:
    strategy = Wants(history=3)
    world = World(strategy)
    for minute in range(5):
        await world.candle(minute)
    await world.start()
    assert (strategy.minutes, world.intents()) == ([0, 1, 2, 3, 4], [])
    await world.candle(5)
    assert len(world.intents()) == 1
    await world.shell.kill()


async def test_history_is_read_from_far_enough_back_and_no_further() -> None:
    strategy = Wants(history=10)
    world = World(strategy)
    for minute in range(700):
        await world.put(subjects.candle(BTC, "1m"), candle(minute))
    await world.start()
    assert strategy.minutes[-1] == 699
    assert 10 <= len(strategy.minutes) < 400
    await world.shell.kill()


async def test_a_history_with_holes_is_read_from_further_back() -> None:
    strategy = Wants(history=10)
    world = World(strategy)
    for minute in range(10):
        await world.put(subjects.candle(BTC, "1m"), candle(minute))
    for minute in range(1_000):
        await world.put(subjects.candle("ETH-USDT.sim", "1m"), candle(minute, instrument_id="ETH-USDT.sim"))
    await world.start()
    assert strategy.minutes == list(range(10))
    await world.shell.kill()


async def test_fills_of_the_journal_move_the_position_and_the_next_target(world: World) -> None:
    await world.start()
    await world.candle(0)
    verdict = world.journal.approve(world.intents()[0])
    world.journal.submitting(verdict)
    world.journal.fill(verdict, "1", "100")
    world.journal.marks()
    await world.write_journal()
    await world.candle(1)
    assert world.runner.portfolio.position(BTC).quantity == 1
    assert len(world.intents()) == 1


async def test_an_undecided_intent_is_repeated_under_its_id_until_it_expires(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "REPUBLISH_PERIOD_S", 0.001)
    await world.start()
    sent: list[bytes] = []
    append = world.shell.bus.append

    async def spy(subject: str, data: bytes, headers: Any = None, **rest: Any) -> int:
        sent.append(data)
        return await append(subject, data, headers, **rest)

    monkeypatch.setattr(world.shell.bus, "append", spy)
    await world.candle(0)
    async with _limit():
        while len(sent) < 4:
            await asyncio.sleep(0.001)
    assert len(set(sent)) == 1
    assert len(world.intents()) == 1
    world.clock.advance(ns=2_000_000_000)
    await asyncio.sleep(0.01)
    before = len(sent)
    await asyncio.sleep(0.02)
    assert len(sent) == before


@pytest.mark.parametrize("fault", ["lose_answers", "lose_requests"])
async def test_a_doubtful_publish_stores_an_intent_once_and_the_next_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(publishing, "REPUBLISH_PERIOD_S", 0)
    await world.start()
    setattr(world.shell.bus, fault, 2)
    await world.candle(0)
    world.runner._strategy.quantity = Decimal(2)  # type: ignore[attr-defined] # the test's own strategy
    await world.candle(1)
    assert [(intent.intent_no, intent.quantity) for intent in world.intents()] == [(1, Decimal(1)), (2, Decimal(1))]


async def test_an_intent_that_expired_while_the_bus_was_away_is_not_published(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing, "REPUBLISH_PERIOD_S", 0)
    await world.start()
    await world.candle(0)
    world.journal.approve(world.intents()[0])
    await world.write_journal()
    world.runner._strategy.quantity = Decimal(2)  # type: ignore[attr-defined] # the test's own strategy
    world.shell.bus.append = _away  # type: ignore[method-assign] # as if the bus were away
    await world.candle(1)
    world.clock.advance(ns=2_000_000_001)
    await world.shell.settle()
    del world.shell.bus.append
    await world.shell.settle()
    assert [intent.intent_no for intent in world.intents()] == [1]


async def test_a_restart_goes_on_with_the_next_number(world: World) -> None:
    await world.start()
    await world.candle(0)
    intent = world.intents()[0]
    world.journal.decide(Denied(strategy=STRATEGY, intent_no=1, code=DenialCode.NO_MARK, intent=intent))
    await world.write_journal()
    again = World(Wants(), server=world.server, journal=world.journal)
    await again.start()
    await again.candle(1)
    assert [each.intent_no for each in again.intents()] == [1, 2]
    await again.shell.kill()


async def test_quotes_are_subscribed_only_where_a_strategy_wants_them() -> None:
    for strategy, expect in ((Wants(), 0), (WantsQuotes(), 1)):
        world = World(strategy)
        await world.start()
        tick = quote("99", "101", ts_recv_ns=world.clock.wall_ns())
        await world.writer.publish(subjects.quote(BTC), codec.encode(tick), codec.headers_for(tick, TRACE))
        await world.shell.settle()
        assert len(world.intents()) == expect
        await world.shell.kill()


async def test_what_cannot_be_read_is_set_aside_and_the_next_comes_through() -> None:
    world = World(WantsQuotes())
    await world.start()
    await world.writer.append(subjects.candle(BTC, "1m"), b"{", {})
    await world.writer.publish(subjects.quote(BTC), b"{}", {})
    await world.writer.append(subjects.instrument(BTC), b"nonsense", {})
    await world.candle(0)
    assert len(world.intents()) == 1
    assert len(world.shell.quarantined) == 3
    await world.shell.kill()


async def test_a_ledger_record_that_cannot_be_read_stops_the_strategies_of_that_account(world: World) -> None:
    await world.start()
    await world.writer.append(subjects.ledger("main"), b"{}", {"Schema": "RiskDecision/1"})
    await world.shell.settle()
    await world.candle(0)
    assert world.intents() == []
    assert [code for _, code, _ in world.shell.alerts] == ["ACCOUNT_STOPPED"]
    assert len(world.shell.quarantined) == 1


async def test_a_broken_chain_stops_the_strategies_of_that_account(world: World) -> None:
    await world.start()
    world.journal.marks()
    entry: Any = world.journal.entries[-1].event
    torn = entry.model_copy(update={"prev_hash": "another"})
    await world.put(subjects.ledger("main"), torn)
    await world.shell.settle()
    assert [code for _, code, _ in world.shell.alerts] == ["ACCOUNT_STOPPED"]


async def test_a_halt_that_cannot_be_read_halts_with_the_record_that_covers_it(world: World) -> None:
    await world.start()
    await world.writer.append(subjects.halt("ops"), b"not even json", {})
    world.journal.halt("placeholder", "STRATEGY", "main/nobody")
    world.written += 1
    world.journal.marks()
    await world.write_journal()
    await world.candle(0)
    assert world.intents() == []
    assert world.reasons()[-1].startswith("HOLD wanted; no order: trading is halted by undecodable-")


async def test_a_failing_strategy_is_told_and_the_process_goes_on(world: World) -> None:
    await world.start()
    world.runner._strategy.quantity = "two"  # type: ignore[attr-defined] # what a careless author writes
    await world.candle(0)
    await world.candle(1)
    assert [code for _, code, _ in world.shell.alerts] == ["STRATEGY_QUARANTINED"]
    assert [(at - MARKET_START_NS) // MINUTE_NS for at in world.shell.reached] == [1, 2]


async def _away(*_: Any, **__: Any) -> int:
    raise BusUnavailable("away")


def _limit() -> Any:
    return asyncio.timeout(5)
