"""Who is asking: API keys, signatures and the receive window (Binance Spot API, SIGNED endpoint security)."""

import base64
import hmac
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.handlers.params import INTEGER, missing

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

RECV_WINDOW_MS = 5000
RECV_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1000
SECRETS_MAX = 1000
BLOCK_BYTES = 64
"""Block of SHA-256."""
WINDOWS_MAX = 1000
"""Texts of receive windows whose meaning is remembered."""
MICROSECONDS_FROM = 10**14
"""A timestamp this large is in microseconds."""


class PublicKey(Protocol):
    """The public half of an asymmetric key."""

    may_log_on: bool
    """May a WebSocket API connection be authenticated with it once for all (Ed25519 only)?"""

    def accepts(self, payload: bytes, signature: bytes) -> bool:
        """Is it the signature of the payload?"""
        ...


@dataclass(frozen=True, slots=True)
class Key:
    """One API key: a `secret` shared with its owner (HMAC), or the public half of a pair (RSA, Ed25519)."""

    api_key: str
    secret: str = field(repr=False)
    account_id: str
    public_key: PublicKey | None = None

    @property
    def may_log_on(self) -> bool:
        return self.public_key is not None and self.public_key.may_log_on


class Keyring:
    """The venue's API keys."""

    def __init__(self, keys: list[Key]) -> None:
        self._keys = {key.api_key: key for key in keys}

    def find(self, api_key: str | None) -> Key:
        """The key by its public name.

        Raises:
            VenueError: -2014 when none was sent, -2015 when nobody has it.
        """
        if not api_key:
            raise VenueError(-2014, "API-key format invalid.", status=401)
        key = self._keys.get(api_key)
        if key is None:
            raise VenueError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
        return key

    def revoke(self, api_key: str) -> bool:
        """Forget a key; was there one?"""
        return self._keys.pop(api_key, None) is not None


def check_signature(key: Key, payload: str, signature: str) -> None:
    """Refuse (-1022) a wrong signature.

    A shared secret signs with HMAC-SHA256, in hex of either case; a pair signs as its kind does, in base64.
    """
    if key.public_key is None:
        keyed_inner, keyed_outer = _keyed(key.secret)
        inner, outer = keyed_inner.copy(), keyed_outer.copy()
        inner.update(payload.encode())
        outer.update(inner.digest())
        is_right = hmac.compare_digest(outer.hexdigest().encode(), signature.lower().encode())
    else:
        try:
            is_right = key.public_key.accepts(payload.encode(), base64.b64decode(signature, validate=True))
        except ValueError:
            is_right = False
    if not is_right:
        raise VenueError(-1022, "Signature for this request is not valid.")


@lru_cache(maxsize=SECRETS_MAX)
def _keyed(secret: str) -> "tuple[Hash, Hash]":
    """The two hashes of HMAC-SHA256 (RFC 2104) after the key: half of the work, and the same for every request."""
    key = secret.encode()
    block = (key if len(key) <= BLOCK_BYTES else sha256(key).digest()).ljust(BLOCK_BYTES, b"\0")
    return sha256(bytes(byte ^ 0x36 for byte in block)), sha256(bytes(byte ^ 0x5C for byte in block))


def check_time(timestamp: str | None, recv_window: str | None, *, now_ms: int) -> None:
    """Refuse a request that is too old, or from the future (-1021), or has an impossible window (-1131)."""
    if not timestamp or INTEGER.fullmatch(timestamp) is None:
        raise missing("timestamp")
    sent_ms = int(timestamp)
    if sent_ms >= MICROSECONDS_FROM:
        sent_ms //= 1000
    window = _window(recv_window) if recv_window else RECV_WINDOW_MS
    if sent_ms >= now_ms + AHEAD_MS_MAX:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent_ms > window:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")


@lru_cache(maxsize=WINDOWS_MAX)
def _window(text: str) -> Decimal:
    try:
        window = Decimal(text)
    except InvalidOperation:
        raise VenueError(-1130, "Data sent for parameter 'recvWindow' is not valid.") from None
    if not window.is_finite() or not 0 <= window <= RECV_WINDOW_MS_MAX:
        raise VenueError(-1131, f"recvWindow must be less than {RECV_WINDOW_MS_MAX}.")
    return window
