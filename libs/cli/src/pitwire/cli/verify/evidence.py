"""What verify judges: the journal, a consistent picture of PostgreSQL, and what the venue says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pitwire.common.schemas.control import Command, Heartbeat

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class VenueOrder:
    """An order as the venue lists it, in our words."""

    client_order_id: str
    venue_order_id: str
    instrument_id: str
    side: str
    order_type: str
    time_in_force: str
    quantity: Decimal
    cum_quantity: Decimal
    limit_price: Decimal
    stop_price: Decimal
    status: str
    is_working: bool

    @property
    def leaves_quantity(self) -> Decimal:
        return self.quantity - self.cum_quantity if self.is_working else Decimal(0)


@dataclass(frozen=True, slots=True)
class VenueTrade:
    """A trade of ours as the venue lists it."""

    instrument_id: str
    trade_id: str
    venue_order_id: str
    side: str
    quantity: Decimal
    price: Decimal
    fee: Decimal
    fee_currency: str


@dataclass(frozen=True, slots=True)
class VenueAccount:
    """Everything one venue account says, at one moment. `journal_before` had been written when it was asked."""

    venue: str
    venue_account: str
    account: str
    orders: tuple[VenueOrder, ...]
    trades: tuple[VenueTrade, ...]
    balances: Mapping[str, Decimal]
    journal_before: int = 0


@dataclass(frozen=True, slots=True)
class BusEvidence:
    """What the bus holds beside the journal: commands by id, read after it, and each process' last heartbeat."""

    commands: Mapping[str, Command] = field(default_factory=dict[str, Command])
    heartbeats: tuple[Heartbeat, ...] = ()


@dataclass(frozen=True, slots=True)
class Tables:
    """Rows by table, all read in one transaction. JSON columns are text."""

    rows: Mapping[str, list[Row]]
    numeric_columns: Mapping[str, str] = field(default_factory=dict[str, str])
    """Type of every money column, as `table.column`."""

    def of(self, table: str) -> list[Row]:
        return self.rows.get(table, [])

    @property
    def cursor(self) -> int:
        """How far the journal is stored."""
        return next((int(row["cursor"]) for row in self.of("journal_cursor") if row["stream"] == "OMS"), 0)
