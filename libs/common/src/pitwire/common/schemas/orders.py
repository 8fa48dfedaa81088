"""What a strategy asks for: intents on `INTENT`."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from pitwire.common.enums import IntentKind, OrderType, Side, TimeInForce
from pitwire.common.ids import ANY_VENUE_ACCOUNT
from pitwire.common.schemas.base import (
    Count,
    InstrumentRef,
    Message,
    OrderRef,
    Ordinal,
    Positive,
    Text,
    TimeNs,
    Token,
    Value,
)

Traceparent = Annotated[str, StringConstraints(max_length=64)]


class Basis(Value):
    """The event an intent reacts to: who asks "why" later can find it."""

    subject: Text = ""
    epoch: Text = ""
    sequence: Count = 0
    ts_event_ns: TimeNs = Field(default=0, description="market clock of that event")


class ParentSpec(Value):
    """The algo that execution runs for a PARENT intent; the gate reserves its worst case."""

    algo: Token
    params: dict[str, str] = Field(default_factory=dict)


class Leg(Value):
    """One order of a BASKET; the same meaning as the fields of the intent."""

    instrument_id: InstrumentRef
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Positive
    limit_price: Positive | None = None
    venue_account: Token = ANY_VENUE_ACCOUNT


class Intent(Message):
    """What order and cancel intents share. `intent_no` counts 1, 2, 3 ... per strategy without a gap."""

    account: Token
    strategy: Token
    intent_no: Ordinal
    valid_until_ns: TimeNs = Field(description="wall clock; past it the gate denies INTENT_EXPIRED")
    basis: Basis = Basis()
    reason: Text = ""
    trace: Traceparent = Field(default="", description="W3C traceparent")
    ts_ns: TimeNs = Field(description="wall clock when it was made")


class OrderIntent(Intent):
    """A wish for one order; nothing is sent before the gate has approved it."""

    kind: IntentKind = IntentKind.ORDER
    instrument_id: InstrumentRef
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce = TimeInForce.GTC
    quantity: Positive
    limit_price: Positive | None = None
    stop_price: Positive | None = None
    post_only: bool = False
    reduce_only: bool = False
    venue_account: Token = ANY_VENUE_ACCOUNT
    parent: ParentSpec | None = None
    legs: Annotated[tuple[Leg, ...], Field(max_length=16)] = ()

    @model_validator(mode="after")
    def _prices_match_type(self) -> Self:
        if self.order_type.has_limit_price != (self.limit_price is not None):
            msg = f"{self.order_type} {'needs a' if self.order_type.has_limit_price else 'takes no'} limit_price"
            raise ValueError(msg)
        if self.order_type.has_stop_price != (self.stop_price is not None):
            msg = f"{self.order_type} {'needs a' if self.order_type.has_stop_price else 'takes no'} stop_price"
            raise ValueError(msg)
        if (self.kind is IntentKind.PARENT) != (self.parent is not None):
            msg = "a PARENT intent, and no other, names its algo in `parent`"
            raise ValueError(msg)
        if (self.kind is IntentKind.BASKET) != bool(self.legs):
            msg = "a BASKET intent, and no other, lists its `legs`"
            raise ValueError(msg)
        return self


class CancelIntent(Intent):
    """A wish to cancel one working order; cancels always pass."""

    orig_client_order_id: OrderRef
