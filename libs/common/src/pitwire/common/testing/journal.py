"""A journal of one account for tests: numbers, epochs, hashes and cursors as the real writers set them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pitwire.common import codec
from pitwire.common.enums import ExecType, HaltScope, OrderStatus, OrderType, Side
from pitwire.common.ids import client_order_id, content_hash, venue_of
from pitwire.common.portfolio import AccountState, Changes, CoveredEvent
from pitwire.common.portfolio.chain import LedgerRecord
from pitwire.common.schemas.execution import ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import (
    Approved,
    CapitalRecorded,
    Cursors,
    DayRolled,
    Halt,
    IncarnationStarted,
    LeaderChanged,
    LimitsApplied,
    Mark,
    MarksRecorded,
    Reservation,
    Resume,
    RiskDecision,
    StrategyRegistered,
    Verdict,
)
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.schemas.orders import OrderIntent

ACCOUNT: Final = "main"
STRATEGY: Final = "momentum"
VENUE_ACCOUNT: Final = "sim-main"
BTC: Final = "BTC-USDT.sim"
ETH: Final = "ETH-USDT.sim"
INCARNATION: Final = "i1"
START_NS: Final = 1_700_000_000_000_000_000
DAY: Final = "2023-11-14"


@dataclass(frozen=True, slots=True)
class Entry:
    """One stored record; `is_ledger` says on which of the two kinds of subject it stands."""

    sequence: int
    event: LedgerRecord | CoveredEvent
    raw: bytes
    is_ledger: bool


def limits(**changed: Any) -> AccountLimits:
    """Wide limits on BTC and ETH, with what a test changes."""
    base: dict[str, Any] = {
        "order_value_max": Decimal(20_000),
        "position_value_max": Decimal(50_000),
        "open_positions_max": 5,
        "daily_loss_max_percent": Decimal(5),
        "drawdown_max_percent": Decimal(10),
        "instruments_allowed": (BTC, ETH),
        "price_collar_percent": Decimal(100),
        "orders_per_minute_max": 1_000_000,
        "strategy_exposure_max_percent": Decimal(1_000_000),
    }
    return AccountLimits(**(base | changed))


def mark(instrument_id: str, price: str, ts_event_ns: int = START_NS) -> Mark:
    """A mark price at a market time."""
    return Mark(instrument_id=instrument_id, mark_price=Decimal(price), ts_event_ns=ts_event_ns)


def order_intent(intent_no: int, side: Side | str, quantity: str, **changed: Any) -> OrderIntent:
    """A limit order where `limit_price` is given, else a market order."""
    values: dict[str, Any] = {
        "account": ACCOUNT,
        "strategy": STRATEGY,
        "intent_no": intent_no,
        "valid_until_ns": START_NS + 2_000_000_000,
        "ts_ns": START_NS,
        "instrument_id": BTC,
        "side": Side(side),
        "order_type": OrderType.LIMIT if "limit_price" in changed else OrderType.MARKET,
        "quantity": Decimal(quantity),
    }
    for name in ("limit_price", "stop_price"):
        if isinstance(changed.get(name), str):
            changed[name] = Decimal(changed[name])
    return OrderIntent(**(values | changed))


def approved(intent: OrderIntent, *, worst_price: str, is_reduction: bool = False) -> Approved:
    """An approval with the reservation that a gate without fees would make."""
    price, buys = Decimal(worst_price), intent.side is Side.BUY
    base, _, quote = intent.instrument_id.partition(".")[0].partition("-")
    return Approved(
        intent=intent,
        client_order_id=client_order_id(
            incarnation=INCARNATION,
            account=intent.account,
            strategy=intent.strategy,
            intent_no=intent.intent_no,
            intent_bytes=codec.encode(intent),
        ),
        venue_account=VENUE_ACCOUNT,
        reservation=Reservation(
            instrument_id=intent.instrument_id,
            side=intent.side,
            quantity=intent.quantity,
            worst_price=price,
            asset=quote if buys else base,
            amount=intent.quantity * price if buys else intent.quantity,
        ),
        is_reduction=is_reduction,
        valid_until_ns=START_NS + 2_000_000_000,
    )


class Journal:
    """Writes records in order; `entries` is the whole log, `fold` makes a state from any part of it."""

    def __init__(self, *, account: str = ACCOUNT, quote: str = "USDT") -> None:
        self.account = account
        self.quote = quote
        self.entries: list[Entry] = []
        self.state = AccountState(account, quote)
        self._sequence = 0
        self._ledger_no = 0
        self._exec_no = 0
        self._trade_no = 0
        self._prev_hash = ""
        self._cursor = 0
        self._epoch = 0
        self.ts_ns = START_NS
        self.ts_market_ns = START_NS

    def start(self, *, capital: str = "100000", account_limits: AccountLimits | None = None, day: str = DAY) -> Changes:
        """Leaders, incarnation, limits, money, one strategy, the session day."""
        self.lead()
        self.exec_leader()
        self.write(IncarnationStarted, incarnation=INCARNATION, reason="first start")
        self.write(LimitsApplied, limits=account_limits or limits())
        self.write(CapitalRecorded, asset=self.quote, amount=Decimal(capital), venue_account=VENUE_ACCOUNT)
        self.write(StrategyRegistered, strategy=STRATEGY, capital=Decimal(capital))
        return self.write(DayRolled, day=day, start_equity=Decimal(capital))

    # ---------------------------------------------------------------------------------------------------------- ledger
    def lead(self) -> Changes:
        """A new leader of the ledger."""
        self._epoch += 1
        return self.write(LeaderChanged, service="risk-gate", leader="a", epoch=self._epoch)

    def write(self, model: type[LedgerRecord], *, cursor: int | None = None, **fields: Any) -> Changes:
        """Appends a ledger record that covers all before it (or up to `cursor`)."""
        self._ledger_no += 1
        self._cursor = self._sequence if cursor is None else cursor
        values: dict[str, Any] = {
            "account": self.account,
            "ledger_no": self._ledger_no,
            "epoch": self._epoch,
            "cursors": Cursors(oms_sequence=self._cursor),
            "prev_hash": self._prev_hash,
            "ts_ns": self.ts_ns,
        }
        if model is not LeaderChanged:
            values["ts_market_ns"] = self.ts_market_ns
        event = model(**(values | fields))
        raw = codec.encode(event)
        self._prev_hash = content_hash(raw)
        return self._append(event, raw, is_ledger=True)

    def decide(self, *verdicts: Verdict, marks: Iterable[Mark] = ()) -> Changes:
        return self.write(RiskDecision, incarnation=INCARNATION, verdicts=verdicts, marks=tuple(marks))

    def marks(self, *marks: Mark) -> Changes:
        return self.write(MarksRecorded, marks=marks)

    def approve(self, intent: OrderIntent, *, worst_price: str = "100") -> Approved:
        """Decides one approval and returns it."""
        verdict = approved(intent, worst_price=worst_price)
        self.decide(verdict)
        return verdict

    # ------------------------------------------------------------------------------------------------------- execution
    def exec_leader(self) -> ExecReport | LeaderChanged:
        event = LeaderChanged(
            service="execution", leader="b", epoch=1, account=self.account, exec_no=self._next_exec(), ts_ns=self.ts_ns
        )
        self.add(event)
        return event

    def add(self, event: CoveredEvent) -> Changes:
        """Appends an execution event, halt or resume; it takes effect with the next ledger record."""
        return self._append(event, codec.encode(event), is_ledger=False)

    def submitting(self, verdict: Approved) -> Changes:
        intent = verdict.intent
        return self.add(
            Submitting(
                **self._of(verdict),
                intent_no=intent.intent_no,
                decision_sequence=1,
                venue=venue_of(intent.instrument_id),
                venue_account=verdict.venue_account,
                venue_symbol="X",
                instrument_id=intent.instrument_id,
                side=intent.side,
                order_type=intent.order_type,
                time_in_force=intent.time_in_force,
                quantity=intent.quantity,
                limit_price=intent.limit_price,
                stop_price=intent.stop_price,
                request_hash="h",
                valid_until_ns=verdict.valid_until_ns,
            )
        )

    def not_sent(self, verdict: Approved, reason: str = "APPROVAL_EXPIRED") -> Changes:
        return self.add(NotSent.model_validate({**self._of(verdict), "reason": reason}))

    def report(self, verdict: Approved, exec_type: ExecType | str, **changed: Any) -> Changes:
        """One report about the order of an approval."""
        return self.add(self.report_of(verdict, exec_type, **changed))

    def report_of(self, verdict: Approved, exec_type: ExecType | str, **changed: Any) -> ExecReport:
        kind = ExecType(exec_type)
        values: dict[str, Any] = {
            **self._of(verdict),
            "venue": venue_of(verdict.intent.instrument_id),
            "venue_account": verdict.venue_account,
            "instrument_id": verdict.intent.instrument_id,
            "side": verdict.intent.side,
            "exec_type": kind,
            "order_status": _STATUS.get(kind, OrderStatus.NEW),
            "order_quantity": verdict.intent.quantity,
            "ts_event_ns": self.ts_market_ns,
        }
        for name in _NUMBERS:
            if isinstance(changed.get(name), str):
                changed[name] = Decimal(changed[name])
        return ExecReport(**(values | changed))

    def fill(self, verdict: Approved, quantity: str, price: str, **changed: Any) -> Changes:
        """A trade of `quantity` at `price` with a fresh trade id."""
        self._trade_no += 1
        changed = {"trade_id": str(self._trade_no)} | changed
        return self.report(verdict, ExecType.TRADE, last_quantity=quantity, last_price=price, **changed)

    def halt(self, halt_id: str, scope: HaltScope | str = HaltScope.ALL, target: str = "", **changed: Any) -> Changes:
        values: dict[str, Any] = {"halt_id": halt_id, "scope": HaltScope(scope), "target": target}
        return self.add(Halt.model_validate({"reason": "test", "source": "ops", **values, **changed}))

    def resume(self, *halt_ids: str) -> Changes:
        return self.add(
            Resume(resume_id="r1", cleared=halt_ids, command_id="c1", operator="ops", reason="test", ts_ns=self.ts_ns)
        )

    # ------------------------------------------------------------------------------------------------------------ folds
    def fold(self, entries: Iterable[Entry] | None = None, state: AccountState | None = None) -> AccountState:
        """A state from these entries, or from the whole log; or `state` moved on by them."""
        state = state or AccountState(self.account, self.quote)
        for entry in self.entries if entries is None else entries:
            feed(state, entry)
        return state

    def _append(self, event: Any, raw: bytes, *, is_ledger: bool) -> Changes:
        self._sequence += 1
        entry = Entry(self._sequence, event, raw, is_ledger)
        self.entries.append(entry)
        return feed(self.state, entry)

    def _of(self, verdict: Approved) -> dict[str, Any]:
        return {
            "account": self.account,
            "exec_no": self._next_exec(),
            "epoch": 1,
            "strategy": verdict.intent.strategy,
            "client_order_id": verdict.client_order_id,
            "ts_ns": self.ts_ns,
        }

    def _next_exec(self) -> int:
        self._exec_no += 1
        return self._exec_no


def feed(state: AccountState, entry: Entry) -> Changes:
    """Gives one stored record to a state as its reader would."""
    event: Any = entry.event
    if entry.is_ledger:
        return state.apply_ledger(entry.sequence, event, entry.raw)
    state.observe(entry.sequence, event)
    return Changes()


_STATUS: Final = {
    ExecType.TRADE: OrderStatus.PARTIALLY_FILLED,
    ExecType.CANCELED: OrderStatus.CANCELED,
    ExecType.REJECTED: OrderStatus.REJECTED,
    ExecType.EXPIRED: OrderStatus.EXPIRED,
    ExecType.UNKNOWN: OrderStatus.UNKNOWN,
}
_NUMBERS: Final = (
    "last_quantity",
    "last_price",
    "cum_quantity",
    "leaves_quantity",
    "average_price",
    "fee",
    "order_quantity",
    "limit_price",
)
