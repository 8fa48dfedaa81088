"""A gate's hands and a venue's words, made short."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, TypeVar

from pitwire.common import codec
from pitwire.common.clock import NS_PER_MS, NS_PER_S
from pitwire.common.enums import HaltScope, OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.ids import client_order_id, content_hash
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecReport, NotSent
from pitwire.common.schemas.ledger import (
    Approved,
    CancelApproved,
    CapitalRecorded,
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
from pitwire.execution.core.approvals import Setup
from pitwire.execution.core.venue import OrderFacts, VenueOrder, VenueTrade

ACCOUNT = "main"
STRATEGY = "momentum"
VENUE_ACCOUNT = "sim-main"
BTC = "BTC-USDT.sim"
START_NS = 1_700_000_000 * NS_PER_S
MARKET_NS = 1_650_000_000 * NS_PER_S
MS = NS_PER_MS
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

    def capital(self, asset: str, amount: str) -> CapitalRecorded:
        place = self._place() | {"asset": asset, "amount": amount, "venue_account": VENUE_ACCOUNT}
        return self._chained(CapitalRecorded.model_validate(place))

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


def short(event: Message) -> str:
    if isinstance(event, NotSent):
        return f"NotSent {event.reason}"
    if isinstance(event, ExecReport):
        amount = f" {event.last_quantity.normalize():f}" if event.is_fill else ""
        return f"{event.exec_type}{amount} {event.order_status}"
    return type(event).__name__
