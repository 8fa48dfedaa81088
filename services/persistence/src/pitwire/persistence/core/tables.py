"""Which row goes into which table, and how: added once, or the newest wins. The adapter knows no table by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, TypeVar

from pitwire.persistence.core.journal_rows import AccountRow, DeadLetterRow, JournalRow, QuarantineRow
from pitwire.persistence.core.operations_rows import (
    AlertRow,
    CandleRow,
    CapitalRow,
    CommandRow,
    HaltRow,
    HaltSeenRow,
    InstrumentRow,
    LimitsRow,
    ResumeRow,
    StrategyRow,
    TraceRow,
)
from pitwire.persistence.core.trading_rows import (
    BalanceRow,
    DecisionRow,
    EquityRow,
    FillRow,
    MarkRow,
    OrderHistoryRow,
    OrderRow,
    PositionHistoryRow,
    PositionRow,
)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the writer needs it. Without `newest_by` a row is added once and a repetition changes nothing.

    With it a row replaces the one with the same key unless that one is newer by this column.
    """

    name: str
    row: type[Any]
    key: tuple[str, ...]
    newest_by: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        fields: tuple[str, ...] = self.row._fields
        return fields

    @property
    def json_columns(self) -> frozenset[str]:
        """Columns that hold a JSON document."""
        return frozenset(name for name, kind in self.row.__annotations__.items() if "JsonText" in str(kind))


TABLES: Final = (
    Table("journal_records", JournalRow, ("oms_sequence",)),
    Table("quarantined_records", QuarantineRow, ("stream", "sequence")),
    Table("accounts", AccountRow, ("account",), "ledger_sequence"),
    Table("dead_letters", DeadLetterRow, ("dlq_epoch", "dlq_sequence")),
    Table("orders", OrderRow, ("account", "client_order_id"), "oms_sequence"),
    Table("order_history", OrderHistoryRow, ("account", "client_order_id", "oms_sequence", "event_no")),
    Table("fills", FillRow, ("venue", "venue_account", "instrument_id", "trade_id", "entry_no")),
    Table("positions", PositionRow, ("account", "strategy", "instrument_id"), "oms_sequence"),
    Table(
        "position_history",
        PositionHistoryRow,
        ("account", "strategy", "instrument_id", "oms_sequence", "entry_no"),
    ),
    Table("balances", BalanceRow, ("account", "venue_account", "asset"), "oms_sequence"),
    Table("equity", EquityRow, ("account", "oms_sequence")),
    Table("marks", MarkRow, ("account", "instrument_id"), "oms_sequence"),
    Table("risk_decisions", DecisionRow, ("oms_sequence", "verdict_no")),
    Table("commands", CommandRow, ("command_id",), "ctl_sequence"),
    Table("halts", HaltRow, ("halt_id",), "oms_sequence"),
    Table("resumes", ResumeRow, ("resume_id",)),
    Table("halts_seen", HaltSeenRow, ("halt_id", "service", "slot"), "ctl_sequence"),
    Table("limits", LimitsRow, ("account", "oms_sequence")),
    Table("capital", CapitalRow, ("account", "oms_sequence")),
    Table("strategies", StrategyRow, ("account", "strategy"), "oms_sequence"),
    Table("alerts", AlertRow, ("alert_id",)),
    Table("candles", CandleRow, ("instrument_id", "interval", "open_time"), "stream_sequence"),
    Table("instruments", InstrumentRow, ("instrument_id",), "stream_sequence"),
    Table("decision_traces", TraceRow, ("traces_epoch", "traces_sequence")),
)
OF_ROW: Final = {table.row: table for table in TABLES}
BY_NAME: Final = {table.name: table for table in TABLES}
_KEY_OF: Final = {table.row: attrgetter(*table.key) for table in TABLES if table.newest_by is not None}


class Writes:
    """The rows of one transaction by table. Where the newest wins, a later row replaces an earlier one."""

    def __init__(self) -> None:
        self._added: dict[type[Any], list[Any]] = {}
        self._newest: dict[type[Any], dict[Any, Any]] = {}

    def add(self, row: Any) -> None:
        kind = type(row)
        key_of = _KEY_OF.get(kind)
        if key_of is None:
            self._added.setdefault(kind, []).append(row)
        else:
            self._newest.setdefault(kind, {})[key_of(row)] = row

    def extend(self, rows: Iterable[Any]) -> None:
        for row in rows:
            self.add(row)

    def merge(self, other: Writes) -> None:
        """Adds everything of `other`, which no row here shares a key with."""
        for kind, rows in other._added.items():
            self._added.setdefault(kind, []).extend(rows)
        for kind, newest in other._newest.items():
            self._newest.setdefault(kind, {}).update(newest)

    def by_table(self) -> Iterator[tuple[Table, list[Any]]]:
        """In the order in which tables are written, the same in every transaction."""
        for table in TABLES:
            if rows := self.of(table.row):
                yield table, rows

    def of(self, row_type: type[R]) -> list[R]:
        """The rows of one type."""
        if row_type in _KEY_OF:
            return list(self._newest.get(row_type, {}).values())
        return self._added.get(row_type, [])
