"""The account of a backtest: the live gate's decisions and the live fold, called directly."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from pitwire.backtest.core.trusted import trusted
from pitwire.common.enums import ExecType, Liquidity, OrderStatus
from pitwire.common.errors import InvariantBroken
from pitwire.common.ids import venue_of
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.money import difference, floor_to, product, ratio
from pitwire.common.portfolio import AccountState, Changes
from pitwire.common.schemas.execution import ExecReport
from pitwire.common.schemas.ledger import (
    Approved,
    CapitalRecorded,
    Cursors,
    IncarnationStarted,
    LedgerEvent,
    LimitsApplied,
    Mark,
    MarksRecorded,
    RiskDecision,
    StrategyRegistered,
    Verdict,
)
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.risk_gate import core as gate

ACCOUNT: Final = "backtest"
VENUE_ACCOUNT: Final = "backtest"
INCARNATION: Final = "backtest"
CENT: Final = Decimal("0.01")


class Account:
    """One risk account whose ledger is kept in memory: every record goes through the fold as it would from the bus.

    The chain of hashes proves a stored journal; here nothing is stored, so every record stands for empty bytes.
    """

    def __init__(
        self,
        *,
        quote: str,
        capital: Decimal,
        limits: AccountLimits,
        strategies: Mapping[str, Decimal],
        instruments: InstrumentRegistry,
    ) -> None:
        self.state: Final = AccountState(ACCOUNT, quote)
        self._instruments = instruments
        self._sequence = 0
        self._intents = 0
        self._trades = 0
        self._exec_no = 0
        self._ts_ns = 0
        venues = {venue_of(each.instrument_id) for each in instruments}
        self._venue_accounts = {_venue_account(each, venues): each for each in sorted(venues)}
        self._write(IncarnationStarted(**self._place(), incarnation=INCARNATION, reason="backtest"))
        self._write(LimitsApplied(**self._place(), limits=limits))
        for name, amount in _shares(capital, list(self._venue_accounts)).items():
            self._write(CapitalRecorded(**self._place(), asset=quote, amount=amount, venue_account=name))
        for name, share in strategies.items():
            self._write(StrategyRegistered(**self._place(), strategy=name, capital=share))

    # -- the ledger ----------------------------------------------------------------------------------------------

    def decide(
        self, intents: Sequence[OrderIntent | CancelIntent], marks: Mapping[str, Mark], now_ns: int
    ) -> tuple[tuple[Verdict, ...], Changes]:
        """The gate's verdicts on `intents`, already folded."""
        self._ts_ns = now_ns
        batch = [gate.IntentInput(self._next_intent(), intent.strategy, intent) for intent in intents]
        context = gate.DecisionContext(
            now_ns=now_ns,
            ts_market_ns=now_ns,
            marks=marks,
            instruments=self._instruments,
            approval_ttl_ns=gate.APPROVAL_TTL_NS,
            venue_accounts=self._venue_accounts,
        )
        verdicts, used = gate.decide(self.state, batch, context)
        place = self._place()
        decision = trusted(RiskDecision, **place, incarnation=INCARNATION, verdicts=verdicts, marks=used)
        return verdicts, self._write(decision)

    def record_marks(self, marks: Mapping[str, Mark], now_ns: int, *, anyway: bool = False) -> None:
        """What is held is valued anew: the peak of equity follows. `anyway`: also where no mark is new."""
        self._ts_ns = now_ns
        changed = gate.new_marks(self.state, marks)
        if changed or anyway:
            self._write(trusted(MarksRecorded, **self._place(), marks=changed))

    def roll_day(self, marks: Mapping[str, Mark], now_ns: int) -> None:
        """Begins the session day of `now_ns`, if the ledger has not."""
        self._ts_ns = now_ns
        rolled = gate.day_due(self.state, marks, ts_market_ns=now_ns, place=self._place())
        if rolled is not None:
            self._write(rolled)

    def is_breached(self, marks: Mapping[str, Mark]) -> bool:
        """Whether a loss or drawdown limit is reached at `marks`, exactly as the gate would say."""
        return gate.reached(self.state, marks) is not None

    def withdrawal(self, marks: Mapping[str, Mark], now_ns: int) -> tuple[CancelIntent, ...]:
        """Cancels of what the live gate would withdraw at these marks: nothing where no limit is reached."""
        found = gate.reached(self.state, marks)
        return () if found is None else gate.withdrawal(self.state, found, now_ns=now_ns)

    # -- execution -----------------------------------------------------------------------------------------------

    def fill(
        self,
        approved: Approved,
        *,
        quantity: Decimal,
        price: Decimal,
        fee: Decimal,
        liquidity: Liquidity,
        ts_ns: int,
    ) -> Changes:
        """Books one trade of an order."""
        self._trades += 1
        order = self.state.order(approved.client_order_id)
        if order is None:
            msg = f"{approved.client_order_id} fills, but is not in the books"
            raise InvariantBroken(msg)
        leaves = difference(difference(order.quantity, order.cum_quantity), quantity)
        return self._report(
            approved,
            exec_type=ExecType.TRADE,
            order_status=OrderStatus.PARTIALLY_FILLED if leaves else OrderStatus.FILLED,
            ts_ns=ts_ns,
            trade_id=str(self._trades),
            last_quantity=quantity,
            last_price=price,
            leaves_quantity=leaves,
            fee=fee,
            fee_currency=self.state.quote,
            liquidity=liquidity,
        )

    def report(self, approved: Approved, exec_type: ExecType, *, ts_ns: int, reason: str = "") -> Changes:
        """What else the venue says of an order: NEW, CANCELED, EXPIRED, REJECTED."""
        status = OrderStatus(exec_type.value)
        return self._report(approved, exec_type=exec_type, order_status=status, ts_ns=ts_ns, reason=reason)

    def _report(self, approved: Approved, *, ts_ns: int, **fields: Any) -> Changes:
        self._exec_no += 1
        self._sequence += 1
        intent = approved.intent
        report = trusted(
            ExecReport,
            account=ACCOUNT,
            exec_no=self._exec_no,
            epoch=0,
            strategy=intent.strategy,
            client_order_id=approved.client_order_id,
            ts_ns=ts_ns,
            venue=venue_of(intent.instrument_id),
            venue_account=approved.venue_account,
            instrument_id=intent.instrument_id,
            side=intent.side,
            ts_event_ns=ts_ns,
            **fields,
        )
        self.state.observe(self._sequence, report)
        return self.state.advance(self._sequence)

    # -- parts ---------------------------------------------------------------------------------------------------

    def _next_intent(self) -> int:
        self._intents += 1
        return self._intents

    def _place(self) -> dict[str, Any]:
        return {
            "account": ACCOUNT,
            "ledger_no": self.state.ledger_no + 1,
            "epoch": 0,
            "cursors": trusted(Cursors, oms_sequence=self.state.observed_sequence, intent_sequence=self._intents),
            "prev_hash": self.state.prev_hash,
            "ts_ns": self._ts_ns,
            "ts_market_ns": self._ts_ns,
        }

    def _write(self, record: LedgerEvent) -> Changes:
        self._sequence += 1
        return self.state.apply_ledger(self._sequence, record, b"")


def _shares(capital: Decimal, names: Sequence[str]) -> dict[str, Decimal]:
    """The same for each venue account, in whole cents; the first has what is left over."""
    each = floor_to(ratio(capital, Decimal(len(names))), CENT)
    shares = dict.fromkeys(names, each)
    shares[names[0]] = difference(capital, product(each, Decimal(len(names) - 1)))
    return shares


def _venue_account(venue: str, venues: Collection[str]) -> str:
    """One venue account per venue, all in one risk account."""
    return VENUE_ACCOUNT if len(venues) == 1 else f"{VENUE_ACCOUNT}-{venue}"
