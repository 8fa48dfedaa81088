"""What an account is worth at its ledger records: the gate's own fold of money, kept as one small document."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import orjson

from pitwire.common.fills import Fill
from pitwire.common.money import HUNDRED, ZERO, difference, exact, product, ratio
from pitwire.common.portfolio.holdings import Holdings
from pitwire.common.schemas.ledger import (
    CapitalRecorded,
    DayRolled,
    LeaderChanged,
    LedgerEvent,
    Mark,
    MarksRecorded,
    RiskDecision,
)
from pitwire.persistence.core.entries import JsonText
from pitwire.persistence.core.journal_rows import AccountRow
from pitwire.persistence.core.trading_rows import EquityRow

EQUITY_PERIOD_NS: Final = 1_000_000_000
"""Rows of `equity` stand at least this far apart in market time; day rolls and capital always have one."""


class Worth:
    """Holdings, session day, start-of-day equity and peak of one account, moved by ledger records alone.

    Fills wait until a ledger record covers them, as they do in the gate, so the figures are the gate's to the digit.
    """

    def __init__(self, quote: str, row: AccountRow | None, uncovered: Iterable[tuple[int, Fill]]) -> None:
        self.day = row.day if row else None
        self.start_of_day_equity = row.start_of_day_equity if row else None
        self.peak_equity = row.peak_equity if row else None
        self.equity_market_ns = row.equity_market_ns if row else 0
        self._holdings = Holdings.restore(quote, orjson.loads(row.holdings)) if row else Holdings(quote)
        self._waiting = deque(uncovered)

    @property
    def holdings_text(self) -> JsonText:
        return JsonText(orjson.dumps(self._holdings.snapshot()).decode())

    def wait(self, sequence: int, fill: Fill) -> None:
        """A fill that no ledger record covers yet."""
        self._waiting.append((sequence, fill))

    @exact
    def apply(self, record: LedgerEvent | LeaderChanged) -> None:
        """Books what the record covers, then what it says."""
        while self._waiting and self._waiting[0][0] <= record.cursors.oms_sequence:
            self._holdings.book(self._waiting.popleft()[1])
        if isinstance(record, MarksRecorded | RiskDecision):
            self._mark(record.marks)
        elif isinstance(record, CapitalRecorded):
            self._rebase(
                self._holdings.deposit(asset=record.asset, amount=record.amount, venue_account=record.venue_account)
            )
        elif isinstance(record, DayRolled):
            self.day, self.start_of_day_equity = record.day, record.start_equity
            self.peak_equity = max(self.peak_equity or record.start_equity, record.start_equity)

    def _mark(self, marks: tuple[Mark, ...]) -> None:
        if not marks:
            return
        self._rebase(self._holdings.set_marks(marks))
        if self.peak_equity is not None:
            self.peak_equity = max(self.peak_equity, self._holdings.equity())

    def _rebase(self, flow: Decimal) -> None:
        if flow and self.start_of_day_equity is not None and self.peak_equity is not None:
            self.start_of_day_equity += flow
            self.peak_equity += flow

    def row_at(self, sequence: int, record: LedgerEvent) -> EquityRow | None:
        """The row this record deserves, if any."""
        if isinstance(record, MarksRecorded | RiskDecision):
            if self.equity_market_ns and record.ts_market_ns < self.equity_market_ns + EQUITY_PERIOD_NS:
                return None
        elif not isinstance(record, DayRolled | CapitalRecorded):
            return None
        self.equity_market_ns = max(self.equity_market_ns, record.ts_market_ns)
        parts = self._holdings.statement()
        return EquityRow(
            account=record.account,
            oms_sequence=sequence,
            kind=type(record).__name__,
            quote=self._holdings.quote,
            equity=parts.equity,
            cash=self._holdings.cash,
            positions_value=difference(parts.equity, self._holdings.cash),
            realised_pnl=parts.realised_pnl,
            unrealised_pnl=parts.unrealised_pnl,
            fees=parts.fees,
            capital=parts.deposits,
            other=parts.other,
            day=self.day,
            start_of_day_equity=self.start_of_day_equity,
            peak_equity=self.peak_equity,
            drawdown_percent=self._drawdown(parts.equity),
            market_ns=record.ts_market_ns,
            written_ns=record.ts_ns,
        )

    def _drawdown(self, equity: Decimal) -> Decimal | None:
        if self.peak_equity is None or self.peak_equity <= ZERO:
            return None
        return max(ratio(product(difference(self.peak_equity, equity), HUNDRED), self.peak_equity), ZERO)
