"""One intent with everything its checks look at, worked out once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from pitwire.common import refusals
from pitwire.common.enums import Side, TradingState
from pitwire.common.ids import ANY_VENUE_ACCOUNT
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.money import ZERO
from pitwire.common.portfolio import AccountState
from pitwire.common.portfolio.holdings import Marks
from pitwire.common.refusals import Refusal
from pitwire.common.schemas.ledger import Reservation
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.risk_gate.core.ahead import Ahead, Open
from pitwire.risk_gate.core.pricing import reservation_of, worst_price


@dataclass(frozen=True, slots=True)
class IntentInput:
    """One message of the intent stream: the intent, or why it cannot be read. `strategy` is its subject's."""

    sequence: int
    strategy: str
    intent: OrderIntent | CancelIntent | None
    error: str = ""
    trace: str = ""


@dataclass(frozen=True, slots=True)
class DecisionContext:
    """What a decision takes from outside the ledger; the marks it used are recorded with it.

    `venue_accounts` says at which venue each venue account is; where it is empty, those the ledger knows are taken.
    `disagreement` says which processes may not trade together; then nothing but cancels is approved. `doubts` says what
    speaks against the market data of an instrument; they are recorded too.
    """

    now_ns: int
    ts_market_ns: int
    marks: Marks
    instruments: InstrumentRegistry
    approval_ttl_ns: int
    venue_accounts: Mapping[str, str] = field(default_factory=dict)
    disagreement: str = ""
    doubts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """An order intent whose instrument, limits and mark are known."""

    state: AccountState
    ahead: Ahead
    context: DecisionContext
    limits: AccountLimits
    intent: OrderIntent
    instrument: Instrument
    mark_price: Decimal
    rate: Decimal
    venue_account: str
    worst_price: Decimal
    reservation: Reservation
    reduces_account: bool
    reduces_strategy: bool

    @property
    def is_reduction(self) -> bool:
        return self.reduces_account and self.reduces_strategy

    @property
    def order_value(self) -> Decimal:
        """At the worst price, in the account's quote currency."""
        return self.intent.quantity * self.worst_price * self.rate

    @property
    def open_on_side(self) -> Open:
        return self.ahead.open(self.intent.instrument_id, self.intent.side)


def question(ahead: Ahead, context: DecisionContext, intent: OrderIntent) -> Question | Refusal:
    """Everything the checks need, or the one thing that is missing."""
    state, instrument = ahead.state, context.instruments.get(intent.instrument_id)
    if instrument is None:
        return refusals.UnknownInstrument(f"{intent.instrument_id} is not defined by its venue")
    if state.limits is None:
        return refusals.NotReady("the ledger has no limits yet")
    venue_account = _venue_account(ahead, context, intent, instrument)
    if isinstance(venue_account, Refusal):
        return venue_account
    mark_price = state.wealth.mark_price(intent.instrument_id, context.marks)
    if mark_price is None:
        return refusals.NoMark(f"no mark of {intent.instrument_id} yet")
    rate = state.wealth.rate(instrument.quote, context.marks)
    if rate is None:
        return refusals.NoMark(f"no mark says what {instrument.quote} is worth in {state.quote}")
    worst = worst_price(intent, mark_price)
    reduces_account, reduces_strategy = reductions(ahead, intent)
    return Question(
        state=state,
        ahead=ahead,
        context=context,
        limits=state.limits,
        intent=intent,
        instrument=instrument,
        mark_price=mark_price,
        rate=rate,
        venue_account=venue_account,
        worst_price=worst,
        reservation=reservation_of(intent, instrument, worst),
        reduces_account=reduces_account,
        reduces_strategy=reduces_strategy,
    )


def reductions(ahead: Ahead, intent: OrderIntent) -> tuple[bool, bool]:
    """Whether the order lowers the account's net, and the strategy's sub-ledger, even if all open closes fill first."""
    state, place = ahead.state, (intent.instrument_id, intent.side)
    net = state.net_position(intent.instrument_id).quantity
    own = state.position(intent.strategy, intent.instrument_id).quantity
    return (
        _closes(net, intent, ahead.open(*place).quantity),
        _closes(own, intent, ahead.open_of_strategy(intent.strategy, *place).quantity),
    )


def _closes(held: Decimal, intent: OrderIntent, closing_already: Decimal) -> bool:
    opposite = held > ZERO if intent.side is Side.SELL else held < ZERO
    return opposite and intent.quantity <= held.copy_abs() - closing_already


def restricted_scopes(question: Question) -> tuple[TradingState, bool, bool, tuple[str, ...]]:
    """The strictest halt over this order, whether it restricts the account and the strategy, and the halts' ids."""
    intent, state = question.intent, question.state
    venue, instrument_id = question.instrument.venue, intent.instrument_id
    strictest, ids = state.halts.state_for(state.account, intent.strategy, venue, instrument_id)
    _, of_account = state.halts.state_for(state.account, "", venue, instrument_id)
    return strictest, bool(of_account), len(ids) > len(of_account), ids


def _venue_account(
    ahead: Ahead, context: DecisionContext, intent: OrderIntent, instrument: Instrument
) -> str | Refusal:
    """The one named, or for ANY the first of this venue with enough of the asset to spend, else its first."""
    known = [name for name, venue in context.venue_accounts.items() if venue == instrument.venue]
    if not context.venue_accounts:
        known = list(ahead.state.wealth.books.owners_of_holdings())
    if intent.venue_account != ANY_VENUE_ACCOUNT:
        known = [name for name in known if name == intent.venue_account]
    if not known:
        detail = f"{intent.venue_account} is no venue account of {ahead.state.account} at {instrument.venue}"
        return refusals.UnknownVenueAccount(detail)
    buys = intent.side is Side.BUY
    asset = instrument.quote if buys else instrument.base
    price = intent.limit_price or ahead.state.wealth.mark_price(intent.instrument_id, context.marks) or ZERO
    needed = intent.quantity * price if buys else intent.quantity
    return next((name for name in known if ahead.available(name, asset) >= needed), known[0])
