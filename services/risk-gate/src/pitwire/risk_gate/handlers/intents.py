"""From a record of the intent stream to what the core decides on."""

from __future__ import annotations

from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.risk_gate import core


def intent_input(record: Record) -> core.IntentInput:
    """The intent, or why it cannot be read; its strategy is known from the subject either way."""
    tokens = subjects.tokens(subjects.INTENT, record.subject) or {}
    strategy = tokens.get("strategy", "")
    try:
        message = codec.decode_known(record.subject, record.schema, record.data)
    except DecodeError as error:
        return core.IntentInput(record.sequence, strategy, None, error.reason, record.trace)
    if not isinstance(message, OrderIntent | CancelIntent) or (message.account, message.strategy) != (
        tokens.get("account"),
        strategy,
    ):
        return core.IntentInput(record.sequence, strategy, None, "not of this account and strategy", record.trace)
    return core.IntentInput(record.sequence, strategy, message, "", record.trace)
