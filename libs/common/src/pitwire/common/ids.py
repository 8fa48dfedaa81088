"""Names of things and the only place where ids are made: every id is a pure function of its inputs."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final, NewType
from zlib import crc32

from pitwire.common.errors import InvalidName

AccountId = NewType("AccountId", str)
StrategyId = NewType("StrategyId", str)
VenueId = NewType("VenueId", str)
VenueAccountId = NewType("VenueAccountId", str)
InstrumentId = NewType("InstrumentId", str)
ClientOrderId = NewType("ClientOrderId", str)

PARTITIONS: Final = 64
"""Fixed for ever: changing it would move accounts between ledgers."""

ANY_VENUE_ACCOUNT: Final = VenueAccountId("ANY")
CLIENT_ORDER_ID_LENGTH: Final = 26
_ID_BYTES: Final = 20
"""Of the digest: what the characters of an id need, in whole groups of five."""

MANUAL_STRATEGY: Final = StrategyId("manual")
"""The sub-ledger that manual orders of an operator are booked to."""

EXTERNAL_STRATEGY: Final = StrategyId("external")
"""The sub-ledger that orders found at the venue, and sent by nobody here, are booked to."""

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{1,32}\Z")


def token(value: str, *, what: str) -> str:
    """Returns `value` if it can stand as one subject token; raises `InvalidName` otherwise."""
    if not _TOKEN.match(value):
        raise InvalidName(what=what, value=value)
    return value


def partition_of(account: str) -> int:
    """The ledger partition of an account, 0..63, for ever."""
    return crc32(account.encode()) % PARTITIONS


def instrument_id(symbol: str, venue: str) -> InstrumentId:
    """`BTC-USDT` at `sim` is `BTC-USDT.sim`."""
    return InstrumentId(f"{token(symbol, what='symbol')}.{token(venue, what='venue')}")


def symbol_of(instrument: str) -> str:
    """`BTC-USDT` of `BTC-USDT.sim`; raises `InvalidName` when it is not SYMBOL.VENUE."""
    return _split(instrument)[0]


def venue_of(instrument: str) -> VenueId:
    """`sim` of `BTC-USDT.sim`; raises `InvalidName` when it is not SYMBOL.VENUE."""
    return VenueId(_split(instrument)[1])


def _split(instrument: str) -> tuple[str, str]:
    symbol, dot, venue = instrument.rpartition(".")
    if not dot or not symbol or not venue:
        raise InvalidName(what="instrument_id (SYMBOL.VENUE)", value=instrument)
    return symbol, venue


def client_order_id(
    *, incarnation: str, account: str, strategy: str, intent_no: int, intent_bytes: bytes, child: int = 0
) -> ClientOrderId:
    """The venue's handle for one order: base32(sha256(inputs))[:26], so a redelivery makes the same id.

    `intent_bytes` are the codec's bytes of the intent, so that another content can never share the id.
    """
    digest = hashlib.sha256()
    for part in (incarnation, account, strategy, str(intent_no)):
        raw = part.encode()
        digest.update(len(raw).to_bytes(4, "big"))
        digest.update(raw)
    digest.update(len(intent_bytes).to_bytes(4, "big"))
    digest.update(intent_bytes)
    digest.update(str(child).encode())
    return ClientOrderId(base64.b32encode(digest.digest()[:_ID_BYTES]).decode()[:CLIENT_ORDER_ID_LENGTH])


def content_hash(data: bytes) -> str:
    """Hex sha256: chain links, request hashes, configuration and schema hashes."""
    return hashlib.sha256(data).hexdigest()
