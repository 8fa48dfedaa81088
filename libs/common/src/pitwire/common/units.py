"""Nanoseconds in the units people use. Apart from the clock, so that cores may import it."""

from __future__ import annotations

from typing import Final

NS_PER_MS: Final = 1_000_000
NS_PER_S: Final = 1_000_000_000
