"""The store in memory, with the semantics of the real one, for tests. Faults are the test's to order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from operator import attrgetter
from typing import Any, TypeVar

from pitwire.common.errors import StoreUnavailable
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal import JOURNAL
from pitwire.persistence.core.journal_rows import AccountRow, JournalRow, QuarantineRow
from pitwire.persistence.core.needs import Found, Needs
from pitwire.persistence.core.operations_rows import CommandRow, HaltRow, StrategyRow
from pitwire.persistence.core.tables import OF_ROW, Table, Writes
from pitwire.persistence.core.trading_rows import BalanceRow, FillRow, OrderRow, PositionRow
from pitwire.persistence.ports import Cursor, CursorMoved, JournalRewritten, Move, Projection, StoreRefused

R = TypeVar("R")


class MemoryStore:
    """Tables as dicts by key. `down` refuses everything; the next `lose_answers` commits happen but are not told."""

    def __init__(self) -> None:
        self.cursors: dict[str, Cursor] = {}
        self.down = False
        self.lose_answers = 0
        self.refuses: Callable[[Any], bool] = lambda _: False
        self.commits = 0
        self._tables: dict[str, dict[tuple[Any, ...], Any]] = {}

    def rows(self, row_type: type[R]) -> list[R]:
        """Every row of one type, in the order in which they first came."""
        return list(self._tables.get(OF_ROW[row_type].name, {}).values())

    async def cursor(self, stream: str) -> Cursor:
        self._answer()
        return self.cursors.get(stream, Cursor())

    async def commit(self, move: Move, needs: Needs, fold: Callable[[Found], Writes]) -> bool:
        return self.store(move, needs, fold)

    def store(self, move: Move, needs: Needs, fold: Callable[[Found], Writes]) -> bool:
        """What `commit` does, for a test without an event loop."""
        self._answer()
        found = self.cursors.get(move.stream, Cursor()).sequence
        if found >= move.upto:
            return False
        if found != move.after:
            raise CursorMoved(stream=move.stream, expected=move.after, found=found)
        writes = list(fold(self._found(needs)).by_table())
        for table, rows in writes:
            self._check(table, rows)
        for table, rows in writes:
            self._put(table, rows)
        self.cursors[move.stream] = Cursor(move.upto, move.epoch)
        self.commits += 1
        if self.lose_answers:
            self.lose_answers -= 1
            raise StoreUnavailable("the answer to the commit was lost")
        return True

    async def restart(self, stream: str, epoch: str) -> None:
        self._answer()
        self.cursors[stream] = Cursor(0, epoch)

    async def hash_at(self, sequence: int) -> str | None:
        self._answer()
        return next((row.sha256 for row in self.rows(JournalRow) if row.oms_sequence == sequence), None)

    async def stopped(self) -> list[tuple[str, int]]:
        self._answer()
        return [
            (row.account, row.stopped_sequence) for row in self.rows(AccountRow) if row.stopped_sequence is not None
        ]

    async def release(self, account: str, project: Callable[[list[Entry]], Projection]) -> None:
        self._answer()
        (row,) = (row for row in self.rows(AccountRow) if row.account == account)
        aside = {kept.sequence: kept for kept in self.rows(QuarantineRow) if kept.stream == JOURNAL}
        entries = [
            Entry(stored.oms_sequence, stored.subject, kept.schema_header, kept.data)
            if (kept := aside.get(stored.oms_sequence))
            else Entry(stored.oms_sequence, stored.subject, stored.kind, (stored.payload or "").encode())
            for stored in self.rows(JournalRow)
            if stored.account == account and stored.oms_sequence >= (row.stopped_sequence or 0)
        ]
        batch = project(entries)
        for table, rows in batch.fold(self._found(batch.needs)).writes.by_table():
            self._put(table, rows)

    async def close(self) -> None:
        self.down = True

    def _answer(self) -> None:
        if self.down:
            raise StoreUnavailable("the database is down")

    def _check(self, table: Table, rows: Iterable[Any]) -> None:
        known = self._tables.get(table.name, {})
        for row in rows:
            if self.refuses(row):
                raise StoreRefused(f"{table.name}: the row is refused")
            before = known.get(_key(table, row))
            if isinstance(row, JournalRow) and before is not None and before.sha256 != row.sha256:
                raise JournalRewritten(f"another record at {row.oms_sequence}")

    def _put(self, table: Table, rows: Iterable[Any]) -> None:
        kept = self._tables.setdefault(table.name, {})
        for row in rows:
            key, by = _key(table, row), table.newest_by
            if key not in kept or (by is not None and getattr(kept[key], by) <= getattr(row, by)):
                kept[key] = row

    def _found(self, needs: Needs) -> Found:
        accounts = {row.account: row for row in self.rows(AccountRow)}
        wanted = {(name,) for name in needs.accounts}
        covered = {name: row.covered_sequence for name, row in accounts.items() if name in needs.accounts}
        uncovered = [row for row in self.rows(FillRow) if row.oms_sequence > covered.get(row.account, row.oms_sequence)]
        by_trade = ("venue", "venue_account", "instrument_id", "trade_id")
        return Found(
            accounts=self._by(AccountRow, ("account",), wanted),
            orders=self._by(OrderRow, ("account", "client_order_id"), needs.orders),
            trades=sorted(self._by(FillRow, by_trade, needs.trades), key=attrgetter("oms_sequence", "entry_no")),
            uncovered=sorted(uncovered, key=attrgetter("oms_sequence", "entry_no")),
            positions=self._by(PositionRow, ("account", "instrument_id"), needs.positions),
            balances=self._by(BalanceRow, ("account",), wanted),
            halts=self._by(HaltRow, ("halt_id",), {(name,) for name in needs.halts}),
            strategies=self._by(StrategyRow, ("account", "strategy"), needs.strategies),
            commands=self._by(CommandRow, ("command_id",), {(name,) for name in needs.commands}),
        )

    def _by(self, row_type: type[R], names: tuple[str, ...], keys: Collection[tuple[str, ...]]) -> list[R]:
        return [row for row in self.rows(row_type) if tuple(getattr(row, name) for name in names) in keys]


def _key(table: Table, row: Any) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in table.key)
