"""What a strategy process gave to its strategies, in order: with history and the journal it decides the same again."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from pitwire.common.enums import DeliveryKind
from pitwire.common.schemas.base import Count, Message, Ordinal, Text, TimeNs, Token, Value

DELIVERIES_MAX: Final = 2_000
"""In one message."""

DATA_MAX: Final = 100_000
"""Characters of one record that no stream keeps."""


class Delivery(Value):
    """One step. What a stream keeps is named by its sequence there; anything else is here whole."""

    kind: DeliveryKind
    account: Text = ""
    sequence: Count = Field(default=0, description="in OMS, or in CANDLES")
    after: Count = Field(default=0, description="of a warm-up: where its candles begin")
    now_ns: TimeNs = Field(default=0, description="the wall clock that the strategies were told")
    subject: Text = ""
    schema_header: Text = ""
    trace: Text = ""
    data: str = Field(default="", max_length=DATA_MAX)


class Deliveries(Message):
    """`delivered.strategy.<slot>`: the next steps of one process, by number without a gap."""

    slot: Token
    instance: Token
    number: Ordinal
    lost: Count = Field(default=0, description="steps before these that found no room")
    deliveries: Annotated[tuple[Delivery, ...], Field(max_length=DELIVERIES_MAX)] = ()
    ts_ns: TimeNs
