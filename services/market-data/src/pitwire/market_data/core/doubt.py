"""Guards against prices and times that cannot be: a jump is believed only when it is confirmed."""

from __future__ import annotations

from typing import Final

from pitwire.common.units import NS_PER_S

JUMP_FACTOR: Final = 1.5
"""A price this many times above or below the last believed one is suspect."""

CONFIRMATIONS_MIN: Final = 3
"""So many suspect prices in a row, of both kinds and near each other, make the new level the believed one."""


def is_near(price: float, reference: float) -> bool:
    """Within `JUMP_FACTOR` either way. Plausibility needs no exact figures."""
    return price < reference * JUMP_FACTOR and price * JUMP_FACTOR > reference


class Collar:
    """The believed price of one instrument. Two references: what was traded and what was quoted."""

    def __init__(self) -> None:
        self._believed: float | None = None
        self._traded: float | None = None
        self._quoted: float | None = None
        self._doubts = 0

    def on_trade(self, price: float) -> bool:
        """True when `price` may be used."""
        self._traded = price
        return self._judge(price, self._quoted)

    def on_quote(self, mid_price: float) -> bool:
        """True when `mid_price` may be used."""
        self._quoted = mid_price
        return self._judge(mid_price, self._traded)

    def _judge(self, price: float, other: float | None) -> bool:
        if self._believed is None or is_near(price, self._believed):
            self._believed = price
            self._doubts = 0
            return True
        self._doubts += 1
        if self._doubts >= CONFIRMATIONS_MIN and other is not None and is_near(price, other):
            self._believed = price
            self._doubts = 0
            return True
        return False


AHEAD_MAX_NS: Final = 3_600 * NS_PER_S
"""An event this far ahead of the venue's newest one does not move the market clock by itself."""


class MarketClock:
    """The newest event time of a venue that is believed; it never goes back."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._doubts = 0

    def see(self, event_ns: int) -> bool:
        """False while `event_ns` is too far ahead to be believed: one bad stamp must not make all others late."""
        if event_ns - self.now_ns > AHEAD_MAX_NS and self.now_ns:
            self._doubts += 1
            if self._doubts < CONFIRMATIONS_MIN:
                return False
        self._doubts = 0
        self.now_ns = max(self.now_ns, event_ns)
        return True

    def resume(self) -> None:
        """After an interruption the next event is believed, however far ahead."""
        self._doubts = CONFIRMATIONS_MIN
