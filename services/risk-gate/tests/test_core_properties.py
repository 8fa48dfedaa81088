"""Random lives behind the gate: whatever strategies ask and venues do, no limit is passed at any instant.

PITWIRE_CAMPAIGN sets the number of random steps (default a slice of some seconds).
"""

from __future__ import annotations

import os
import random
from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import Side, TradingState
from pitwire.common.schemas.ledger import Approved, RiskDecision
from pitwire.common.testing.journal import BTC, ETH, STRATEGY, VENUE_ACCOUNT
from pitwire.risk_gate.core import IntentInput

CAMPAIGN = int(os.environ.get("PITWIRE_CAMPAIGN", "0"))
STEPS = 300
RUNS = max(CAMPAIGN // STEPS, 6)
D = Decimal
SOL = "SOL-USDT.sim"
STRATEGIES = (STRATEGY, "reversion")
LIMITS: dict[str, Any] = {"order_value_max": D(400), "position_value_max": D(1000), "open_positions_max": 2}


class Life:
    """Strategies ask at random; the venue fills at or better than the worst price, late, in parts, or never answers."""

    def __init__(self, desk: Any, seed: str) -> None:
        self.desk = desk
        self.rng = random.Random(seed)
        self.open: list[Approved] = []
        self.approved = 0
        self.denied: set[str] = set()
        self.trade_no = 0

    def step(self) -> None:
        act = self.rng.choice((self.ask, self.ask, self.fill, self.fill, self.tell, self.cover, self.halt))
        act()

    def ask(self) -> None:
        batch = []
        for _ in range(self.rng.randint(1, 4)):
            if self.rng.random() < 0.15 and self.open:
                order = self.rng.choice(self.open)
                batch.append(self.desk.cancel(order.client_order_id, strategy=order.intent.strategy))
            else:
                batch.append(self.wish())
        verdicts, marks = self.desk.decide(*(IntentInput(0, i.strategy, i) for i in batch))
        self.desk.journal.write(RiskDecision, incarnation="i1", verdicts=verdicts, marks=marks)
        for verdict in verdicts:
            if isinstance(verdict, Approved):
                self.approved += 1
                self.open.append(verdict)
                self.desk.journal.submitting(verdict)
                self.check_approval(verdict)
            elif verdict.verdict == "DENIED":
                self.denied.add(verdict.code.value)

    def wish(self) -> Any:
        changed: dict[str, Any] = {
            "strategy": self.rng.choice(STRATEGIES),
            "instrument_id": self.rng.choice((BTC, ETH, SOL)),
        }
        if self.rng.random() < 0.7:
            changed["limit_price"] = str(self.rng.randint(80, 110))
        return self.desk.intent(
            self.rng.choice(tuple(Side)), str(self.rng.choice((1, 2, 3, "0.5", "3.999"))), **changed
        )

    def fill(self) -> None:
        if not self.open:
            return
        verdict = self.rng.choice(self.open)
        order = self.desk.state.order(verdict.client_order_id)
        left = verdict.intent.quantity - (order.cum_quantity if order else D(0))
        quantity = left if self.rng.random() < 0.4 else min(left, D("0.25"))
        if quantity <= 0 or order is None or not order.is_active or self.desk.state.pending_count > 40:
            return
        self.cover()
        order = self.desk.state.order(verdict.client_order_id)
        quantity = min(quantity, order.leaves_quantity) if order else D(0)
        if quantity > 0:
            self.trade_no += 1
            price = verdict.reservation.worst_price if verdict.intent.side is Side.BUY else D(110)
            fee = quantity * price * D("0.001")
            self.desk.journal.fill(
                verdict, str(quantity), str(price), trade_id=str(self.trade_no), fee=fee, fee_currency="USDT"
            )

    def tell(self) -> None:
        if self.open:
            kind = self.rng.choice(("NEW", "UNKNOWN", "CANCELED", "EXPIRED"))
            self.desk.journal.report(self.rng.choice(self.open), kind)

    def cover(self) -> None:
        self.desk.journal.marks()

    def halt(self) -> None:
        if self.rng.random() < 0.3:
            state = self.rng.choice(("REDUCING", "REDUCING", "HALTED"))
            self.desk.journal.halt("h", self.rng.choice(("ACCOUNT", "STRATEGY")), "main", state=state)
        elif self.desk.state.halts.active:
            self.desk.journal.resume("h")

    def check_approval(self, verdict: Approved) -> None:
        """I-19: under REDUCING only reductions; under HALTED nothing."""
        intent = verdict.intent
        state, _ = self.desk.state.halts.state_for("main", intent.strategy, "sim", intent.instrument_id)
        assert state is not TradingState.HALTED
        assert state is TradingState.ACTIVE or verdict.is_reduction

    def check(self) -> None:
        """I-16 at the marks of the decisions (100 throughout), with everything that may still fill."""
        state = self.desk.state
        for name in (BTC, ETH, SOL):
            net = state.net_position(name).quantity
            buys, sells = (state.exposure.working(name, side) for side in (Side.BUY, Side.SELL))
            assert (net + buys.quantity) * 100 <= LIMITS["position_value_max"]
            assert net - sells.quantity >= 0
            for strategy in STRATEGIES:
                own = state.position(strategy, name).quantity
                assert own - state.working_quantity(strategy, name, Side.SELL) >= 0
        for asset in ("USDT", "BTC", "ETH", "SOL"):
            assert state.available(VENUE_ACCOUNT, asset) >= 0
        held = {name for name, position in state.wealth.net.items() if position.quantity}
        assert len(held | set(state.exposure.instruments)) <= LIMITS["open_positions_max"]
        assert state.statement().gap == 0


@pytest.mark.timeout(0 if CAMPAIGN else 120)
@pytest.mark.parametrize("run", range(RUNS))
def test_no_limit_is_passed_at_any_instant(new_desk: Any, run: int) -> None:
    """S-16, S-17, I-16, I-17, I-19: position, holdings, balance and open positions, after every single step."""
    wide = {"daily_loss_max_percent": D(90), "drawdown_max_percent": D(90)}
    desk = new_desk(capital="2500", taker_fee_bps="10", **LIMITS, **wide)
    life = Life(desk, f"gate {run}")
    for _ in range(STEPS):
        life.step()
        life.check()
    assert life.approved > 10
    assert len(life.denied) > 3
    desk.journal.marks()
    assert desk.journal.fold().state_hash() == desk.state.state_hash()
