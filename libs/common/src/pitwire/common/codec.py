"""Messages to bytes and back: orjson, one canonical form, the `Schema` header, refusal of what is not known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final, TypeVar

import orjson
from pydantic import ValidationError

from pitwire.common import registry
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.base import Message, Value, decimal_text

SCHEMA_HEADER: Final = "Schema"
TRACE_HEADER: Final = "traceparent"
PAYLOAD_MAX: Final = 262_144
"""Bytes; checked before parsing."""

REASON_MAX: Final = 400


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Value):
        return value.__dict__
    msg = f"{type(value).__name__} cannot go on the wire"
    raise TypeError(msg)


def encode(message: Message) -> bytes:
    """Canonical bytes: field order of the class, Decimals in plain notation. Equal messages, equal bytes."""
    return orjson.dumps(message, default=_plain)


M = TypeVar("M", bound=Message)


def decode(model: type[M], data: bytes, *, subject: str) -> M:
    """The message, validated; `DecodeError` names subject, schema, field and reason."""
    if len(data) > PAYLOAD_MAX:
        raise DecodeError(subject=subject, reason=f"{len(data)} bytes, at most {PAYLOAD_MAX}")
    try:
        raw = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DecodeError(subject=subject, reason=f"not JSON: {error}", schema=model.schema_name()) from None
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise DecodeError(subject=subject, reason=_short(error), schema=model.schema_name()) from None


def _short(error: ValidationError) -> str:
    """Field and reason of each mistake; never the input, which may be hostile or secret."""
    found = [f"{'.'.join(str(part) for part in e['loc']) or 'message'}: {e['msg']}" for e in error.errors()]
    return "; ".join(found)[:REASON_MAX]


def decode_known(subject: str, schema: str | None, data: bytes) -> Message:
    """The message as its subject and `Schema` header say; `DecodeError` for a schema the subject does not carry."""
    model = registry.model_of(subject, schema)
    if model is None:
        raise DecodeError(subject=subject, reason=f"schema {schema!r} does not belong on this subject")
    return decode(model, data, subject=subject)


def headers_for(message: Message, trace: str = "") -> dict[str, str]:
    """A fresh header dict: schema and, when known, the W3C trace context."""
    headers = {SCHEMA_HEADER: message.schema_name()}
    if trace:
        headers[TRACE_HEADER] = trace
    return headers
