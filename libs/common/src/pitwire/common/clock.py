"""The only seam to time and randomness. Cores never import it: they are handed numbers."""

from __future__ import annotations

import secrets
import time
from typing import Final, Protocol

from pitwire.common import units

NS_PER_MS: Final = units.NS_PER_MS
NS_PER_S: Final = units.NS_PER_S


class Clock(Protocol):
    """Wall time in nanoseconds since the epoch, and monotonic time for measuring waits."""

    def wall_ns(self) -> int: ...

    def monotonic_ns(self) -> int: ...


class SystemClock:
    """The clock of this machine."""

    def wall_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()


class ManualClock:
    """A clock that moves when told; both readings move together."""

    def __init__(self, wall_ns: int = 1_700_000_000 * NS_PER_S) -> None:
        self._wall_ns = wall_ns
        self._monotonic_ns = 0

    def wall_ns(self) -> int:
        return self._wall_ns

    def monotonic_ns(self) -> int:
        return self._monotonic_ns

    def advance(self, *, ns: int) -> None:
        self._wall_ns += ns
        self._monotonic_ns += ns


def random_token(bytes_count: int = 8) -> str:
    """A fresh hex token for process instances, epochs and operator command ids; never for orders."""
    return secrets.token_hex(bytes_count)


def random_bytes(count: int) -> bytes:
    """Fresh bytes for keys."""
    return secrets.token_bytes(count)
