"""From a record of the intent stream to what the core decides on, and which life of that stream it is of."""

from __future__ import annotations

from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record, StreamState
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.ledger import Cursors
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


def intent_life(stream: StreamState, cursors: Cursors) -> str:
    """Names the life of the intent stream in which its sequences mean one thing; the ledger's where it goes on.

    The stream is written behind: after a restart of its server it may end before what the ledger decided, with the
    same epoch, and give those sequences to other intents. That is another life, numbered after the epoch, so that no
    intent in a reused sequence counts as decided. Where it has grown past the cursor again it looks the same; what it
    lost is published again under sequences beyond the cursor.
    """
    epoch, _, number = cursors.intent_epoch.partition("#")
    if epoch != stream.epoch:
        return stream.epoch
    if stream.last_sequence >= cursors.intent_sequence:
        return cursors.intent_epoch
    return f"{epoch}#{int(number or 0) + 1}"
