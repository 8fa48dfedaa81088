"""The gate's ledger, `oms.<p>.risk.<account>`: one writer per account, each record chained to the one before."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from pitwire.common.enums import CancelPolicy, DenialCode, HaltScope, Side, TradingState
from pitwire.common.schemas.base import (
    Asset,
    Count,
    InstrumentRef,
    Message,
    NonNegative,
    Number,
    OrderRef,
    Ordinal,
    Positive,
    RecordRef,
    Text,
    TimeNs,
    Token,
    Value,
)
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.schemas.market import MarketDoubt
from pitwire.common.schemas.orders import CancelIntent, OrderIntent

DECISIONS_MAX = 20
"""Intents decided by one ledger message at most."""


class Cursors(Value):
    """What the writer had folded when it wrote. `intent_epoch` names one life of the (memory) intent stream."""

    intent_epoch: Text = ""
    intent_sequence: Count = 0
    oms_sequence: Count = Field(default=0, description="execution events and halts of OMS up to here are covered")
    control_sequence: Count = Field(default=0, description="operator commands of CTL up to here are covered")


class Mark(Value):
    """The price a position is valued at and a limit is checked at: the mid price at `ts_event_ns` (market clock)."""

    instrument_id: InstrumentRef
    mark_price: Positive
    ts_event_ns: TimeNs


class Reservation(Value):
    """The worst case that an approved order holds until a terminal event: `amount` of `asset` plus the exposure."""

    instrument_id: InstrumentRef
    side: Side
    quantity: Positive
    worst_price: Positive = Field(description="price at which notional limits count it")
    asset: Asset = Field(description="what the order can spend: quote for a buy, base for a sell")
    amount: Positive = Field(description="of that asset, worst-case fee included")


class Approved(Value):
    """Go: single use, for execution alone, until `valid_until_ns` (wall clock)."""

    verdict: Literal["APPROVED"] = "APPROVED"
    intent: OrderIntent
    client_order_id: OrderRef
    venue_account: Token
    reservation: Reservation
    is_reduction: bool = Field(description="verified to lower the position, so it passes REDUCING")
    valid_until_ns: TimeNs


class CancelApproved(Value):
    """Cancel this order; needs no reservation and never expires."""

    verdict: Literal["CANCEL_APPROVED"] = "CANCEL_APPROVED"
    intent: CancelIntent


class Denied(Value):
    """No, with the one reason, the limit and what was observed. `intent` is missing only when undecodable."""

    verdict: Literal["DENIED"] = "DENIED"
    strategy: Token
    intent_no: Count = Field(description="0 when the message could not be read")
    code: DenialCode
    limit: Number | None = None
    observed: Number | None = None
    detail: Text = ""
    intent: OrderIntent | CancelIntent | None = None


Verdict = Annotated[Approved | CancelApproved | Denied, Field(discriminator="verdict")]


class LedgerEvent(Message):
    """What every ledger record carries. `prev_hash` is the sha256 of the stored bytes of the record before."""

    account: Token
    ledger_no: Ordinal = Field(description="1, 2, 3 ... per account without a gap")
    epoch: Count = Field(description="leader epoch of the writer")
    cursors: Cursors
    prev_hash: Text = ""
    ts_ns: TimeNs = Field(description="writer's wall clock")
    ts_market_ns: TimeNs = Field(default=0, description="market clock the decision was made at")


class IncarnationStarted(LedgerEvent):
    """The first record of a ledger, and again after a journal was lost and rebuilt: part of every client order id."""

    incarnation: Token
    reason: Text
    lost_sequence: Count = Field(default=0, description="OMS records up to here were known and are gone; 0 = none")


class RiskDecision(LedgerEvent):
    """Verdicts on one to twenty intents, in the order they were read."""

    incarnation: Token
    verdicts: Annotated[tuple[Verdict, ...], Field(min_length=1, max_length=DECISIONS_MAX)]
    marks: tuple[Mark, ...] = Field(default=(), description="marks this decision used that the ledger had not")
    grant_version: Count = Field(default=0, description="firm grant the limits were checked against")
    doubts: tuple[MarketDoubt, ...] = Field(default=(), description="of the instruments asked for, as the feed said")


class MarksRecorded(LedgerEvent):
    """Marks that moved peak, loss or drawdown: once a second while exposed, at once at a threshold."""

    marks: Annotated[tuple[Mark, ...], Field(max_length=1000)]


class DayRolled(LedgerEvent):
    """Session day `day` began with `start_equity`; written exactly once per account and day."""

    day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    start_equity: Number


class LimitsApplied(LedgerEvent):
    """From here on these limits hold. `command_id` is the operator's command, empty for configuration."""

    limits: AccountLimits
    command_id: Text = ""


class CapitalRecorded(LedgerEvent):
    """Money put in (positive) or taken out: never profit or loss. `command_id` is empty for the first capital."""

    asset: Asset
    amount: Number
    venue_account: Token
    reason: Text = ""
    command_id: Text = ""


class StrategyRegistered(LedgerEvent):
    """A strategy may trade in this account from here on."""

    strategy: Token
    capital: NonNegative = Field(default=Decimal(0), description="quote currency it sizes by; 0 = no share of its own")


class StrategyPaused(LedgerEvent):
    """Quarantine (`paused`) or release of one strategy; its reductions and cancels still pass."""

    strategy: Token
    paused: bool
    reason: Text
    command_id: Text = ""


class LeaderChanged(Message):
    """A new leader's first write on a subject it owns: an old one loses its next compare-and-set."""

    service: Token
    leader: Text = Field(description="slot and process instance")
    build: Text = Field(default="", description="its release; empty in records of releases that did not say it")
    epoch: Count
    account: Token
    ledger_no: Count = Field(default=0, description="on the ledger: counts like every ledger record")
    prev_hash: Text = ""
    cursors: Cursors = Cursors()
    exec_no: Count = Field(default=0, description="on the execution subject: counts like every execution event")
    ts_ns: TimeNs


class GrantMoved(Message):
    """The allocator's record on `oms.firm`: how much of a shared limit each account may use."""

    grant_version: Ordinal
    limit_name: Token
    grants: dict[str, NonNegative]
    ts_ns: TimeNs


class Halt(Message):
    """One halt, added by anybody entitled, never changed. An undecodable one means HALT ALL."""

    halt_id: RecordRef
    scope: HaltScope
    target: Text = Field(default="", description="account, account/strategy, venue or instrument_id; empty for ALL")
    state: Literal[TradingState.REDUCING, TradingState.HALTED] = TradingState.HALTED
    cancel: CancelPolicy = CancelPolicy.NON_PROTECTIVE
    reason: Text
    source: Token
    ts_ns: TimeNs = 0


class Resume(Message):
    """Written by the gate after a resume command passed its roles: these halts hold no longer."""

    resume_id: RecordRef
    cleared: Annotated[tuple[RecordRef, ...], Field(min_length=1, max_length=1000)]
    command_id: Text
    operator: Token
    approver: Text = ""
    reason: Text
    ts_ns: TimeNs
