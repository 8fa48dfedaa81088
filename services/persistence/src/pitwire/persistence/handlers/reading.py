"""From bytes to a message that may be folded: subject, partition, schema and content are checked."""

from __future__ import annotations

from pitwire.common import codec
from pitwire.common.errors import DecodeError
from pitwire.common.ids import content_hash
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.execution import ExecEvent
from pitwire.common.schemas.ledger import LeaderChanged, LedgerEvent
from pitwire.persistence.core.entries import Entry, Read, place_of


def read(entry: Entry) -> Read:
    """The entry with its message, or with the reason why it has none."""
    place = place_of(entry.subject)
    sha256 = content_hash(entry.data)
    if place.problem:
        return Read(entry, place, sha256, None, f"wrong partition: {place.problem}")
    try:
        message = codec.decode_known(entry.subject, entry.schema, entry.data)
    except DecodeError as error:
        return Read(entry, place, sha256, None, str(error))
    written_for = _account_of(message)
    if place.account is not None and written_for != place.account:
        return Read(entry, place, sha256, None, f"it says account {written_for} on the subject of {place.account}")
    return Read(entry, place, sha256, message, "")


def _account_of(message: Message) -> str | None:
    return message.account if isinstance(message, LedgerEvent | ExecEvent | LeaderChanged) else None
