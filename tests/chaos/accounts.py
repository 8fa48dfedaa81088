"""Positions by the average-cost method, in fractions, from the venue's trades alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from tests.chaos.venue_log import VenueTrade

NET = "*"
"""The account's own line beside those of its strategies."""


@dataclass
class Holding:
    """Signed quantity, what it cost, what was made of it before fees, and fees, all in quote currency."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    steps: int = 0

    def trade(self, moved: Fraction, price: Fraction) -> None:
        """First what closes, at the average cost; then what opens, at the price."""
        closing = Fraction(0)
        if self.quantity * moved < 0:
            closing = max(moved, -self.quantity) if moved < 0 else min(moved, -self.quantity)
            share = -closing / self.quantity
            released = self.cost * share
            self.realised += -closing * price - released
            self.cost -= released
        self.cost += (moved - closing) * price
        self.quantity += moved
        self.steps += 1


def holdings_of(trades: Iterable[tuple[str, VenueTrade]]) -> dict[tuple[str, str], Holding]:
    """By strategy and symbol, and by `NET` and symbol; each trade comes with the strategy whose order it filled."""
    found: dict[tuple[str, str], Holding] = {}
    for strategy, trade in trades:
        base = trade.symbol.partition("-")[0]
        in_base = trade.fee_currency == base
        moved = (trade.quantity if trade.side == "BUY" else -trade.quantity) - (trade.fee if in_base else 0)
        fee = trade.fee * trade.price if in_base else trade.fee
        for owner in (strategy, NET):
            holding = found.setdefault((owner, trade.symbol), Holding())
            holding.trade(moved, trade.price)
            holding.fees += fee
    return found
