"""Who is asking: API keys, HMAC signatures and the receive window (Binance Spot API, SIGNED endpoint security)."""

import hashlib
import hmac
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.handlers.params import INTEGER, missing

RECV_WINDOW_MS = 5000
RECV_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1000
MICROSECONDS_FROM = 10**14
"""A timestamp this large is in microseconds."""


@dataclass(frozen=True, slots=True)
class Key:
    """One API key; `secret` is shared with its owner."""

    api_key: str
    secret: str = field(repr=False)
    account_id: str


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


def check_signature(key: Key, payload: str, signature: str) -> None:
    """Refuse (-1022) a signature that is not hex(HMAC-SHA256(secret, payload)), in either case."""
    expected = hmac.new(key.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), signature.lower().encode()):
        raise VenueError(-1022, "Signature for this request is not valid.")


def check_time(timestamp: str | None, recv_window: str | None, *, now_ms: int) -> None:
    """Refuse a request that is too old, or from the future (-1021), or has an impossible window (-1131)."""
    if not timestamp or INTEGER.fullmatch(timestamp) is None:
        raise missing("timestamp")
    sent_ms = int(timestamp)
    if sent_ms >= MICROSECONDS_FROM:
        sent_ms //= 1000
    window = Decimal(RECV_WINDOW_MS)
    if recv_window:
        try:
            window = Decimal(recv_window)
        except InvalidOperation:
            raise VenueError(-1130, "Data sent for parameter 'recvWindow' is not valid.") from None
    if not window.is_finite() or not 0 <= window <= RECV_WINDOW_MS_MAX:
        raise VenueError(-1131, f"recvWindow must be less than {RECV_WINDOW_MS_MAX}.")
    if sent_ms >= now_ms + AHEAD_MS_MAX:
        raise VenueError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - sent_ms > window:
        raise VenueError(-1021, "Timestamp for this request is outside of the recvWindow.")
