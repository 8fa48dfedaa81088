"""A desk in front of the gate's core, which a test fills, halts, marks and asks; and whole gates on a bus in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from pitwire.common import subjects
from pitwire.common.bus.memory import MemoryServer
from pitwire.common.clock import ManualClock
from pitwire.common.enums import ExecType
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.execution import ExecReport
from pitwire.common.schemas.ledger import Approved, Denied, Mark, StrategyRegistered, Verdict
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.common.testing import FakeShell
from pitwire.common.testing.hands import CONFIG, BusHands
from pitwire.common.testing.journal import BTC, ETH, START_NS, STRATEGY, Journal, limits, mark, order_intent
from pitwire.risk_gate.core import DecisionContext, IntentInput, decide
from pitwire.risk_gate.handlers.account_gate import AccountGate
from pitwire.risk_gate.handlers.agreement import Agreement
from pitwire.risk_gate.handlers.commands import CommandDesk
from pitwire.risk_gate.handlers.market import MarketView
from pitwire.risk_gate.handlers.metrics import Metrics
from pitwire.risk_gate.handlers.opening import open_account

SOL = "SOL-USDT.sim"
ETH_BTC = "ETH-BTC.sim"


class Desk:
    """An account with 100,000 USDT, three strategies, marks at 100 and no fees unless asked for."""

    def __init__(self, *, capital: str = "100000", taker_fee_bps: str = "0", **limits_changed: Any) -> None:
        self.journal = Journal()
        allowed = {"instruments_allowed": (BTC, ETH, SOL, ETH_BTC)}
        self.journal.start(capital=capital, account_limits=limits(**(allowed | limits_changed)))
        for name in ("reversion", "manual"):
            self.journal.write(StrategyRegistered, strategy=name, capital=Decimal(1000))
        self.instruments = InstrumentRegistry()
        for name in (BTC, ETH, SOL, ETH_BTC):
            self.define(name, taker_fee_bps=Decimal(taker_fee_bps))
        self.marks = {name: mark(name, "100") for name in (BTC, ETH, SOL)}
        self.now_ns = START_NS
        self.ts_market_ns = START_NS
        self.venue_accounts: dict[str, str] = {}
        self.doubts: dict[str, str] = {}
        self.numbers: dict[str, int] = {}

    @property
    def state(self) -> AccountState:
        return self.journal.state

    def define(self, instrument_id: str, **changed: Any) -> None:
        symbol, venue = instrument_id.split(".")
        base, quote = symbol.split("-")
        values: dict[str, Any] = {
            "instrument_id": instrument_id,
            "symbol": symbol,
            "venue": venue,
            "venue_symbol": base + quote,
            "base": base,
            "quote": quote,
            "tick_size": Decimal("0.01"),
            "lot_size": Decimal("0.001"),
            "min_quantity": Decimal("0.001"),
            "max_quantity": Decimal(5000),
            "min_notional": Decimal(5),
        }
        self.instruments.put(Instrument(**(values | changed)))

    def mark(self, price: str, instrument_id: str = BTC) -> None:
        self.marks[instrument_id] = mark(instrument_id, price, self.ts_market_ns)

    def intent(self, side: str, quantity: str, **changed: Any) -> OrderIntent:
        """The next order intent of a strategy."""
        strategy = changed.setdefault("strategy", STRATEGY)
        return order_intent(self.number(strategy), side, quantity, **changed)

    def cancel(self, client_order_id: str, strategy: str = STRATEGY) -> CancelIntent:
        return CancelIntent(
            account="main",
            strategy=strategy,
            intent_no=self.number(strategy),
            valid_until_ns=START_NS,
            ts_ns=START_NS,
            orig_client_order_id=client_order_id,
        )

    def number(self, strategy: str) -> int:
        self.numbers[strategy] = self.numbers.get(strategy, 0) + 1
        return self.numbers[strategy]

    def ask(self, side: str, quantity: str, **changed: Any) -> Verdict:
        return self.ask_all(self.intent(side, quantity, **changed))[0]

    def outcome(self, side: str, quantity: str, **changed: Any) -> str:
        """`OK`, or the code with limit and observed where it has them."""
        return outcome(self.ask(side, quantity, **changed))

    def ask_all(self, *intents: OrderIntent | CancelIntent) -> tuple[Verdict, ...]:
        """The gate's verdicts, without recording them."""
        verdicts, _ = self.decide(*(IntentInput(0, intent.strategy, intent) for intent in intents))
        return verdicts

    def decide(self, *batch: IntentInput) -> tuple[tuple[Verdict, ...], tuple[Mark, ...]]:
        self.state.advance(self.state.observed_sequence)
        return decide(self.state, batch, self.context())

    def context(self) -> DecisionContext:
        return DecisionContext(
            now_ns=self.now_ns,
            ts_market_ns=self.ts_market_ns,
            marks=self.marks,
            instruments=self.instruments,
            approval_ttl_ns=2_000_000_000,
            venue_accounts=self.venue_accounts,
            doubts=self.doubts,
        )

    def work(self, side: str, quantity: str, **changed: Any) -> Approved:
        """An order approved, recorded and left open."""
        verdict = self.ask(side, quantity, **changed)
        assert isinstance(verdict, Approved), verdict
        self.journal.decide(verdict, marks=self.marks.values())
        return verdict

    def hold(self, quantity: str, price: str = "100", **changed: Any) -> None:
        """A position bought at `price`."""
        fees = {name: changed.pop(name) for name in ("fee", "fee_currency") if name in changed}
        verdict = self.work("BUY", quantity, limit_price=price, **changed)
        self.journal.submitting(verdict)
        self.journal.fill(verdict, quantity, price, **fees)
        self.journal.marks()

    def play(self, words: str) -> str:
        """Does the sentences between semicolons; the outcome of the last one.

        `hold Q[@P]`, `mark P`, `work SIDE Q@P`, and the question `SIDE Q@P` or, at market, `SIDE Q`; at the end `eth`
        or `sol` for another instrument, `by S` for another strategy, `reduce_only`.
        """
        found = ""
        for sentence in words.split(";"):
            found = self._say(sentence.split())
        return found

    def _say(self, told: list[str]) -> str:
        extra: dict[str, Any] = {}
        while told[-1] in {"eth", "sol", "reduce_only"} or "by" in told:
            last = told.pop()
            if last == "reduce_only":
                extra["reduce_only"] = True
            elif last in {"eth", "sol"}:
                extra["instrument_id"] = {"eth": ETH, "sol": SOL}[last]
            else:
                extra["strategy"] = last
                told.pop()
        quantity, _, price = told[-1].partition("@")
        if told[0] == "mark":
            self.mark(quantity, extra.get("instrument_id", BTC))
        elif told[0] == "hold":
            self.hold(quantity, price or "100", **extra)
        else:
            extra |= {"limit_price": price} if price else {}
            if told[0] != "work":
                return outcome(self.ask(told[0], quantity, **extra))
            self.work(told[1], quantity, **extra)
        return ""


def outcome(verdict: Verdict) -> str:
    """`OK`, or the code with limit and observed where it has them."""
    if not isinstance(verdict, Denied):
        return "OK"
    figures = [format(figure.normalize(), "f") for figure in (verdict.limit, verdict.observed) if figure is not None]
    return " ".join([verdict.code.value, *figures])


@pytest.fixture
def new_desk() -> type[Desk]:
    """The class itself: a test opens the desk with its own limits."""
    return Desk


@pytest.fixture
def desk() -> Desk:
    return Desk()


class GateProcess:
    """One gate process and the hands that feed it."""

    def __init__(self, server: MemoryServer, clock: ManualClock) -> None:
        self.shell = FakeShell(server, clock)
        self.market = MarketView(self.shell)
        self.agreement, self.registry = Agreement(self.shell), CollectorRegistry()
        state, metrics = AccountState("main", "USDT"), Metrics(self.registry)
        self.gate = AccountGate(self.shell, state, self.market, self.agreement, {"sim-main": "sim"}, metrics)

    async def start(self, name: str = "0") -> GateProcess:
        self.shell.spawn("market", self.market.follow())
        self.shell.spawn("agreement", self.agreement.follow())
        self.shell.spawn("journal", self.gate.follow_journal())
        await self.gate.caught_up()
        if self.gate.stopped:
            self.shell.spawn("commands", CommandDesk(self.shell, {"main": self.gate}).follow())
            return self
        await self.gate.find_intents()
        await open_account(self.gate, CONFIG, leader=name)
        self.shell.spawn("intents", self.gate.follow_intents())
        self.shell.spawn("work", self.gate.work())
        self.shell.spawn("commands", CommandDesk(self.shell, {"main": self.gate}).follow())
        await self.shell.settle()
        return self

    def figure(self, name: str) -> float:
        """What the process says of its account's ledger."""
        return self.registry.get_sample_value(name, {"account": "main"}) or 0.0


class GateWorld(BusHands):
    """The hands, and every gate process started so far."""

    def __init__(self) -> None:
        super().__init__()
        self.desks: list[GateProcess] = []

    async def desk(self, name: str = "0") -> GateProcess:
        made = GateProcess(self.server, self.clock)
        self.desks.append(made)
        return await made.start(name)

    async def report(self, number: int, verdict: Approved, exec_type: ExecType, **changed: Any) -> None:
        """A word of execution about an approved order."""
        intent = verdict.intent
        values: dict[str, Any] = {
            "account": "main",
            "exec_no": number,
            "epoch": 0,
            "strategy": intent.strategy,
            "client_order_id": verdict.client_order_id,
            "ts_ns": self.clock.wall_ns(),
            "venue": "sim",
            "venue_account": "sim-main",
            "instrument_id": BTC,
            "side": intent.side,
            "exec_type": exec_type,
            "order_quantity": intent.quantity,
            "ts_event_ns": 1,
        }
        await self.send(subjects.exec_events("main"), ExecReport(**(values | changed)))


@pytest.fixture
async def world() -> AsyncIterator[GateWorld]:
    made = GateWorld()
    await made.define()
    yield made
    for desk in made.desks:
        await desk.shell.kill()
    await made.hands.kill()
