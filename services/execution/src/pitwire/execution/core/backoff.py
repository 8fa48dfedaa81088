"""How long to wait before asking a venue again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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

    def reset(self) -> None:
        self._failures = 0
