"""How long to wait before asking a venue again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

FIRST_WAIT_S: Final = 0.5
WAIT_MAX_S: Final = 30.0
DOUBLINGS_MAX: Final = 16


class Backoff:
    """Full jitter: anywhere between nothing and a bound that doubles with every failure, so that clients spread out.

    `fraction` gives a random number in [0, 1).
    """

    def __init__(self, fraction: Callable[[], float]) -> None:
        self._fraction = fraction
        self.failures = 0

    def next_wait_s(self) -> float:
        bound = min(WAIT_MAX_S, FIRST_WAIT_S * (1 << min(self.failures, DOUBLINGS_MAX)))
        self.failures += 1
        return bound * self._fraction()

    def reset(self) -> None:
        self.failures = 0
