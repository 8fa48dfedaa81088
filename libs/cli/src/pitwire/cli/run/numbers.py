"""The figures of a run, read from PostgreSQL: what a person with psql would count."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from pitwire.cli.database import Database, Row, open_database
from pitwire.common.errors import StoreUnavailable

TOTALS: Final = """
select
  (select count(*) from candles where not backfilled) as candles,
  (select count(*) from orders) as orders,
  (select count(*) from fills where entry_no = 1) as fills,
  (select count(*) from risk_decisions where verdict = 'DENIED') as denials
"""
EQUITY: Final = """
select sum(equity) as equity from (
  select distinct on (account) account, equity from equity order by account, oms_sequence desc
) as newest
"""
BY_STRATEGY: Final = """
select name,
  (select count(*) from orders where strategy = name) as orders,
  (select count(*) from fills where strategy = name and entry_no = 1) as fills,
  (select count(*) from risk_decisions where strategy = name and verdict = 'DENIED') as denials
from unnest(%(names)s::text[]) as name
"""
POSITIONS: Final = """
select strategy, instrument_id, quantity, realised_pnl, fees from positions
where strategy <> '*' order by strategy, instrument_id
"""


@dataclass(frozen=True, slots=True)
class StrategyNumbers:
    """One strategy's part."""

    orders: int
    fills: int
    denials: int
    position: Mapping[str, Decimal]
    realised_pnl: Decimal
    fees: Decimal

    def document(self) -> dict[str, Any]:
        return {
            "orders": self.orders,
            "fills": self.fills,
            "denials": self.denials,
            "position": dict(self.position),
            "realised_pnl": self.realised_pnl,
            "fees": self.fees,
        }


@dataclass(frozen=True, slots=True)
class Numbers:
    """All of it at one moment."""

    candles: int
    orders: int
    fills: int
    denials: int
    equity: Decimal | None
    positions: Mapping[str, Decimal]
    strategies: Mapping[str, StrategyNumbers]


class NumbersReader:
    """Reads on one connection that is opened again when it broke; `StoreUnavailable` while there is none."""

    def __init__(self, url: str, strategies: tuple[str, ...]) -> None:
        self._url = url
        self._strategies = strategies
        self._database: Database | None = None

    def read(self) -> Numbers:
        try:
            self._database = self._database or open_database(self._url)
            return read_numbers(self._database, self._strategies)
        except StoreUnavailable:
            self.close()
            raise

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None


def read_numbers(database: Database, strategies: tuple[str, ...]) -> Numbers:
    """All figures, on an open connection."""
    totals = database.row(TOTALS)
    held = database.rows(POSITIONS)
    parts = {row["name"]: _strategy(row, held) for row in database.rows(BY_STRATEGY, {"names": list(strategies)})}
    return Numbers(
        candles=totals["candles"],
        orders=totals["orders"],
        fills=totals["fills"],
        denials=totals["denials"],
        equity=database.row(EQUITY)["equity"],
        positions=net_positions(held),
        strategies=parts,
    )


def net_positions(held: list[Row]) -> dict[str, Decimal]:
    """Quantity by instrument over all strategies; flat ones left out."""
    net: dict[str, Decimal] = {}
    for row in held:
        net[row["instrument_id"]] = net.get(row["instrument_id"], Decimal(0)) + row["quantity"]
    return {instrument: quantity for instrument, quantity in net.items() if quantity}


def _strategy(row: Row, held: list[Row]) -> StrategyNumbers:
    own = [position for position in held if position["strategy"] == row["name"]]
    return StrategyNumbers(
        orders=row["orders"],
        fills=row["fills"],
        denials=row["denials"],
        position={position["instrument_id"]: position["quantity"] for position in own},
        realised_pnl=sum((position["realised_pnl"] for position in own), Decimal(0)),
        fees=sum((position["fees"] for position in own), Decimal(0)),
    )
