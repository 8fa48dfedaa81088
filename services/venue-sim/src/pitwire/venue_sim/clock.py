"""The wall clock and the source of randomness and secrets: the only place of the venue that asks for either."""

import secrets
import time

KEY_LENGTH = 64


def wall_ms() -> int:
    """Milliseconds since the epoch by the machine's clock: server time, signatures and rate limits."""
    return time.time_ns() // 1_000_000


def wall_ns() -> int:
    """Nanoseconds since the epoch by the machine's clock: when frames were received."""
    return time.time_ns()


def monotonic_s() -> float:
    """Seconds of a clock that never jumps: pacing."""
    return time.monotonic()


def sleep(seconds: float) -> None:
    """Stop the whole process for a while: the fault of a frozen venue."""
    time.sleep(seconds)


def fraction() -> float:
    """A random number in [0, 1)."""
    return secrets.randbelow(2**53) / 2**53


def new_secret() -> str:
    """A fresh random key of 64 letters and digits."""
    return secrets.token_hex(KEY_LENGTH // 2)
