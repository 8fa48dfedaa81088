"""The limits of the account on every mark, cheaply: floats decide that nothing is near, Decimals decide what is."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from pitwire.backtest.core.account import Account
from pitwire.backtest.core.lanes import Lane
from pitwire.common.money import ZERO
from pitwire.common.schemas.ledger import Mark
from pitwire.common.units import NS_PER_S

DAY_NS: Final = 86_400 * NS_PER_S
DOUBT: Final = 1e-12
"""Relative error of equity in floats that is allowed for, many times what rounding can make."""

NEVER: Final = float("inf")


class RiskWatch:
    """Peak, loss and drawdown between two decisions.

    Holdings do not change between fills, so the highest equity of that time is known by its candles alone: they are
    noted, and recorded in the ledger before anything looks at the peak. Where floats cannot tell two candles apart,
    both are recorded.
    """

    __slots__ = (
        "_account", "_lanes", "_pending", "_pending_ns", "breached", "breaches", "cash", "ceiling", "exposed", "floor",
        "held", "next_day_open_ns",
    )  # fmt: skip

    def __init__(self, account: Account, lanes: Mapping[str, Lane]) -> None:
        self._account = account
        self._lanes = lanes
        self._pending: dict[str, Mark] = {}
        self._pending_ns = 0
        self.breached = False
        self.breaches = 0
        self.exposed = 0
        self.held: list[tuple[Lane, float]] = []
        self.cash = float(account.state.cash)
        self.ceiling = NEVER
        self.floor = -NEVER
        self.next_day_open_ns = 0

    def equity(self, now_ns: int) -> float:
        """Equity at the newest closes, while something is held."""
        equity = self.cash
        for lane, quantity in self.held:
            equity += quantity * lane.bar[2]
        self.exposed += 1
        if equity > self.ceiling or equity < self.floor:
            self._near_limit(equity, now_ns)
        return equity

    def roll_day(self, now_ns: int, step_ns: int) -> None:
        """A session day begins at `now_ns`: the start of day equity is that of the newest closes."""
        self.flush()
        self._account.roll_day(self._marks(), now_ns)
        self.next_day_open_ns = (now_ns // DAY_NS + 1) * DAY_NS - step_ns
        self.breached = False
        self._set_bounds()
        self._look_at_cash()

    def _near_limit(self, equity: float, now_ns: int) -> None:
        """Equity is about a new peak, or about a limit."""
        if equity > self.ceiling:
            marks = self._marks()
            if equity <= self.ceiling * (1 + 3 * DOUBT) and marks != self._pending:
                self.flush()
                self._account.record_marks(marks, now_ns)
            else:
                self._pending, self._pending_ns = marks, now_ns
                self.ceiling = equity * (1 - DOUBT)
        self._look(equity)

    def _look(self, equity: float) -> None:
        """A limit is breached once a session day, however often equity comes back to it."""
        if equity < self.floor and not self.breached and self._account.is_breached(self._marks()):
            self.breached = True
            self.breaches += 1
            self.floor = -NEVER

    def _look_at_cash(self) -> None:
        """Equity that no mark moves: it is looked at where it changes, or what it is measured from."""
        if not self.held:
            self._look(self.cash)

    def flush(self) -> None:
        """Puts the noted peak into the ledger: before a decision, a fill or a new day."""
        if self._pending:
            marks, self._pending = self._pending, {}
            self._account.record_marks(marks, self._pending_ns)
            self._set_bounds()

    def follow(self, now_ns: int) -> None:
        """Holdings have changed."""
        state = self._account.state
        self.cash = float(state.cash)
        net = state.wealth.net
        self.held = [(lane, float(net[name].quantity)) for name, lane in self._lanes.items() if _is_held(net.get(name))]
        if not self.held and self.cash > self.ceiling:
            self._account.record_marks({}, now_ns, anyway=True)
        self._set_bounds()
        self._look_at_cash()

    def _set_bounds(self) -> None:
        state = self._account.state
        limits, start, peak = state.limits, state.start_of_day_equity or ZERO, state.peak_equity or ZERO
        self.ceiling = float(peak) * (1 - DOUBT)
        if limits is not None and not self.breached:
            loss = float(start) * (1 - float(limits.daily_loss_max_percent) / 100)
            drawdown = float(peak) * (1 - float(limits.drawdown_max_percent) / 100)
            self.floor = max(loss, drawdown) * (1 + DOUBT)

    def _marks(self) -> dict[str, Mark]:
        return {name: mark for name, lane in self._lanes.items() if (mark := lane.mark) is not None}


def _is_held(position: object) -> bool:
    quantity: Decimal = getattr(position, "quantity", ZERO)
    return bool(quantity)
