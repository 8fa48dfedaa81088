"""How long to wait before asking a venue again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pitwire.common.errors import RateLimited, VenueTrouble

FIRST_BOUND_S: Final = 0.5
WAIT_MAX_S: Final = 30.0
DOUBLINGS_MAX: Final = 16

Fraction = Callable[[], float]
"""A random number in [0, 1)."""


class Backoff:
    """Full jitter: anywhere between nothing and a bound that doubles with every failure, so that clients spread out."""

    def __init__(self, fraction: Fraction) -> None:
        self._fraction = fraction
        self._failures = 0

    def next_wait_s(self) -> float:
        bound = min(WAIT_MAX_S, FIRST_BOUND_S * (1 << min(self._failures, DOUBLINGS_MAX)))
        self._failures += 1
        return bound * self._fraction()

    def wait_after_s(self, trouble: VenueTrouble) -> float:
        """The same, and at least as long as a limit lasts that the trouble names."""
        named_s = trouble.wait_s if isinstance(trouble, RateLimited) else 0.0
        return named_s + self.next_wait_s()

    def reset(self) -> None:
        self._failures = 0
