"""Rows of fills, positions and balances: each distinct trade moves the net, one sub-ledger and the balances."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import orjson

from pitwire.common.accounting import Book, capital_postings, fill_postings
from pitwire.common.fills import Fill
from pitwire.common.money import difference, product, total
from pitwire.common.positions import Position
from pitwire.common.schemas.execution import ExecReport
from pitwire.common.schemas.ledger import CapitalRecorded
from pitwire.persistence.core.entries import JsonText, decimals_text, storable
from pitwire.persistence.core.needs import TradeKey
from pitwire.persistence.core.trading_rows import BalanceRow, FillRow, PositionHistoryRow, PositionRow

NET: Final = "*"
"""The `strategy` of an account's own position: the sum of all sub-ledgers."""


class PositionBook:
    """Positions, balances and booked trades of one account, as far as one batch moves them."""

    def __init__(
        self,
        account: str,
        *,
        trades: Iterable[FillRow],
        positions: Iterable[PositionRow],
        balances: Iterable[BalanceRow],
    ) -> None:
        self.fills: list[FillRow] = []
        self.history: list[PositionHistoryRow] = []
        self._account = account
        self._entries: dict[TradeKey, int] = {}
        for row in trades:
            key = (row.venue, row.venue_account, row.instrument_id, row.trade_id)
            self._entries[key] = max(self._entries.get(key, 0), row.entry_no)
        self._positions = {(row.strategy, row.instrument_id): position_of(row) for row in positions}
        self._balances = {(row.venue_account, row.asset): row.amount for row in balances}
        self._positions_moved: dict[tuple[str, str], int] = {}
        self._balances_moved: dict[tuple[str, str], int] = {}

    def book(self, sequence: int, report: ExecReport, fills: Iterable[Fill]) -> None:
        """The fills of one report: one, or a reversal and what replaces it."""
        for entry_no, fill in enumerate(fills, start=1):
            self._move(NET, sequence, entry_no, fill)
            realised = self._move(fill.strategy, sequence, entry_no, fill)
            self.fills.append(self._fill_row(sequence, report, fill, realised))
            for book, owner, asset, amount in fill_postings(fill):
                if book is Book.HOLDING:
                    self._add(owner, asset, amount, sequence)

    def deposit(self, sequence: int, record: CapitalRecorded) -> None:
        """Money put in or taken out."""
        postings = capital_postings(asset=record.asset, amount=record.amount, venue_account=record.venue_account)
        for book, owner, asset, amount in postings:
            if book is Book.HOLDING:
                self._add(owner, asset, amount, sequence)

    def positions(self) -> list[PositionRow]:
        """Every position that moved, as it stands now."""
        return [
            PositionRow(
                self._account, strategy, instrument_id, sequence, *_figures(self._positions[strategy, instrument_id])
            )
            for (strategy, instrument_id), sequence in self._positions_moved.items()
        ]

    def balances(self) -> list[BalanceRow]:
        """Every balance that moved, as it stands now."""
        return [
            BalanceRow(self._account, venue_account, asset, self._balances[venue_account, asset], sequence)
            for (venue_account, asset), sequence in self._balances_moved.items()
        ]

    def _move(self, strategy: str, sequence: int, entry_no: int, fill: Fill) -> Decimal:
        """Moves one position; returns what it realised."""
        key = (strategy, fill.instrument_id)
        before = self._positions.get(key) or Position(fill.instrument_id)
        after = before.apply_fill(fill)
        self._positions[key] = after
        self._positions_moved[key] = sequence
        self.history.append(
            PositionHistoryRow(
                self._account,
                strategy,
                fill.instrument_id,
                sequence,
                entry_no,
                storable(fill.trade_id),
                *_figures(after),
            )
        )
        return difference(after.realised_pnl, before.realised_pnl)

    def _add(self, venue_account: str, asset: str, amount: Decimal, sequence: int) -> None:
        key = (venue_account, asset)
        self._balances[key] = total(self._balances.get(key, Decimal(0)), amount)
        self._balances_moved[key] = sequence

    def _fill_row(self, sequence: int, report: ExecReport, fill: Fill, realised: Decimal) -> FillRow:
        key = (fill.venue, fill.venue_account, fill.instrument_id, storable(fill.trade_id))
        entry_no = self._entries.get(key, 0) + 1
        self._entries[key] = entry_no
        return FillRow(
            *key,
            entry_no=entry_no,
            is_reversal=fill.is_reversal,
            oms_sequence=sequence,
            account=fill.account,
            strategy=fill.strategy,
            client_order_id=fill.client_order_id,
            venue_order_id=storable(report.venue_order_id),
            side=fill.side.value,
            quantity=fill.quantity,
            price=fill.price,
            notional=product(fill.quantity, fill.price),
            fee=fill.fee,
            fee_currency=fill.fee_currency,
            liquidity=fill.liquidity.value if fill.liquidity else None,
            realised_pnl=realised,
            executed_ns=fill.ts_event_ns,
            received_ns=report.ts_recv_ns,
        )


def position_of(row: PositionRow) -> Position:
    """The position that a row keeps."""
    return Position(
        instrument_id=row.instrument_id,
        quantity=row.quantity,
        cost=row.cost,
        realised_pnl=row.realised_pnl,
        fees=row.fees,
        other_fees=tuple((asset, Decimal(amount)) for asset, amount in orjson.loads(row.other_fees).items()),
        opened_ns=row.opened_ns,
        updated_ns=row.updated_ns,
        fill_count=row.fill_count,
    )


def _figures(position: Position) -> tuple[Decimal, Decimal, Decimal | None, Decimal, Decimal, JsonText, int, int, int]:
    """The columns that `positions` and `position_history` share, in their order."""
    return (
        position.quantity,
        position.cost,
        position.average_price,
        position.realised_pnl,
        position.fees,
        decimals_text(position.other_fees),
        position.fill_count,
        position.opened_ns,
        position.updated_ns,
    )
