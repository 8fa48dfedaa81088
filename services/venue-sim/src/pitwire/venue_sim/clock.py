"""The wall clock and the source of secrets: the only place of the venue that asks for either."""

import secrets
import time

KEY_LENGTH = 64


def wall_ms() -> int:
    """Milliseconds since the epoch by the machine's clock: server time, signatures and rate limits."""
    return time.time_ns() // 1_000_000


def monotonic_s() -> float:
    """Seconds of a clock that never jumps: pacing."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Stop the whole process for a while: the fault of a frozen venue."""
    time.sleep(seconds)


def new_secret() -> str:
    """A fresh random key of 64 letters and digits."""
    return secrets.token_hex(KEY_LENGTH // 2)
