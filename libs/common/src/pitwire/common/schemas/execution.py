"""Execution events, `oms.<p>.exec.<account>`: what was tried at the venue and what the venue said."""

from __future__ import annotations

from decimal import Decimal

from pydantic import Field

from pitwire.common.enums import (
    ExecType,
    Liquidity,
    NotSentReason,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
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
)
from pitwire.common.schemas.orders import Traceparent


class ExecEvent(Message):
    """What every execution event carries; `exec_no` counts 1, 2, 3 ... per account without a gap."""

    account: Token
    exec_no: Ordinal
    epoch: Count = Field(description="leader epoch of the writer")
    strategy: Token
    client_order_id: OrderRef
    trace: Traceparent = ""
    ts_ns: TimeNs = Field(description="writer's wall clock")


class Submitting(ExecEvent):
    """The linearization point: written before the first byte leaves, sent only when read back."""

    intent_no: Count
    child: Count = 0
    decision_sequence: Ordinal = Field(description="OMS sequence of the approval")
    venue: Token
    venue_account: Token
    venue_symbol: Token
    instrument_id: InstrumentRef
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    quantity: Positive
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    request_hash: Text = Field(description="sha256 of the request without signature and timestamp")
    valid_until_ns: TimeNs


class NotSent(ExecEvent):
    """After `Submitting` came back something forbade sending: the reservation is released."""

    reason: NotSentReason
    halt_ids: tuple[RecordRef, ...] = ()
    detail: Text = ""


class ExecReport(ExecEvent):
    """FIX 8. A *fill* is a report with a last quantity; booked once per (venue, account, instrument, trade id)."""

    venue: Token
    venue_account: Token
    instrument_id: InstrumentRef
    side: Side
    venue_order_id: Text = ""
    exec_id: Text = ""
    exec_type: ExecType
    order_status: OrderStatus
    order_quantity: NonNegative = Decimal(0)
    order_type: OrderType | None = Field(default=None, description="given for an adopted (external) order")
    limit_price: Positive | None = Field(default=None, description="given for an adopted order: its worst price")
    stop_price: Positive | None = None
    trade_id: Text = ""
    last_quantity: NonNegative = Decimal(0)
    last_price: NonNegative = Decimal(0)
    cum_quantity: NonNegative = Decimal(0)
    leaves_quantity: NonNegative = Decimal(0)
    average_price: NonNegative = Decimal(0)
    fee: Number = Field(default=Decimal(0), description="the venue's figure; negative is a rebate")
    fee_currency: Asset | None = None
    liquidity: Liquidity | None = None
    external: bool = Field(default=False, description="an order at the venue that no approval of ours explains")
    reason: Text = ""
    ts_event_ns: TimeNs = Field(description="venue's transaction time (market clock)")
    ts_recv_ns: TimeNs = 0

    @property
    def is_fill(self) -> bool:
        return self.exec_type is ExecType.TRADE


class AlgoStep(ExecEvent):
    """What an algo took from the market or the clock that changed its state; its state is a fold of these."""

    step_no: Ordinal
    step: Token
    basis_subject: Text = ""
    basis_sequence: Count = 0
    data: dict[str, str] = Field(default_factory=dict)
