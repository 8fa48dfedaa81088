"""What the looking commands make of known rows in a real database."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest

from pitwire.cli.output import Table
from pitwire.cli.run.numbers import NumbersReader
from pitwire.cli.views.book import show_positions
from pitwire.cli.views.pnl import show_pnl
from pitwire.cli.views.strategies import show_strategies
from pitwire.common.errors import StoreUnavailable

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BTC = "BTC-USDT.sim"
ROWS = """
insert into positions (account, strategy, instrument_id, oms_sequence, quantity, cost, average_price, realised_pnl,
  fees, other_fees, fill_count, opened_ns, updated_ns)
values ('main', 'momentum', 'BTC-USDT.sim', 7, 2, 120000, 60000, 50.5, 12.25, '{}', 3, 1, 1),
       ('main', 'mean_reversion', 'BTC-USDT.sim', 7, 0, 0, null, -10, 1, '{}', 2, 1, 1),
       ('main', '*', 'BTC-USDT.sim', 7, 2, 120000, 60000, 40.5, 13.25, '{}', 5, 1, 1);
insert into marks (account, instrument_id, mark_price, oms_sequence, marked_ns)
values ('main', 'BTC-USDT.sim', 61000, 7, 1);
insert into equity (account, oms_sequence, kind, quote, equity, cash, positions_value, realised_pnl, unrealised_pnl,
  fees, capital, other, day, start_of_day_equity, peak_equity, drawdown_percent, market_ns, written_ns)
values ('main', 6, 'DayRolled', 'USDT', 1, 1, 0, 0, 0, 0, 100000, 0, '2025-01-01', 100000, 100000, 0, 1, 1),
  ('main', 7, 'Marks', 'USDT', 102027.25, 0, 0, 40.5, 2000, 13.25, 100000, 0, '2025-01-01', 101000, 103000, 1, 1, 1);
insert into strategies (account, strategy, capital, paused, pause_reason, oms_sequence, registered_ns)
values ('main', 'momentum', 20000, true, 'looks odd', 7, 1);
"""


class HasDsn(Protocol):
    dsn: str


@pytest.fixture
def database(migrated: HasDsn, monkeypatch: pytest.MonkeyPatch) -> str:
    """The schema with a few rows; the commands find it by the environment."""
    with psycopg.connect(migrated.dsn.replace("+psycopg", "")) as connection:
        connection.execute(ROWS.encode())
    monkeypatch.setenv("PITWIRE_DATABASE_URL", migrated.dsn)
    monkeypatch.setenv("PITWIRE_CONFIG", str(ROOT / "pitwire.toml"))
    return migrated.dsn


def documents(reply: Any) -> Any:
    return reply.document


def test_pnl_is_realised_plus_unrealised_less_fees_and_the_newest_equity(database: str, tmp_path: Path) -> None:
    found = documents(show_pnl(tmp_path, account=""))
    momentum = next(row for row in found["strategies"] if row["strategy"] == "momentum")
    assert momentum["unrealised_pnl"] == Decimal(2000)
    assert momentum["net_pnl"] == Decimal("50.5") + 2000 - Decimal("12.25")
    flat = next(row for row in found["strategies"] if row["strategy"] == "mean_reversion")
    assert (flat["unrealised_pnl"], flat["net_pnl"]) == (0, -11)
    account = found["accounts"][0]
    assert (account["net_pnl"], account["daily_pnl"]) == (Decimal("2027.25"), Decimal("1027.25"))


def test_positions_are_valued_at_the_mark_and_flat_ones_shown_on_demand(database: str, tmp_path: Path) -> None:
    held = documents(show_positions(tmp_path, account="", strategy="", everything=False))
    assert [row["strategy"] for row in held] == ["*", "momentum"]
    assert held[1]["value"] == 122000
    everything = documents(show_positions(tmp_path, account="main", strategy="mean_reversion", everything=True))
    assert [row["quantity"] for row in everything] == [0]


def test_strategies_show_what_is_paused_and_why(database: str, tmp_path: Path) -> None:
    found = {row["strategy"]: row for row in documents(show_strategies(tmp_path))}
    assert found["momentum"]["state"] == "paused: looks odd"
    assert found["mean_reversion"]["state"] == "running"
    assert found["momentum"]["position"] == {BTC: Decimal(2)}


def test_figures_of_a_run_come_back_after_the_database_was_away(database: str) -> None:
    reader = NumbersReader(database, ("momentum",))
    first = reader.read()
    assert (first.equity, first.positions) == (Decimal("102027.25"), {BTC: Decimal(2)})
    with psycopg.connect(database.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() "
            "and datname = current_database()"
        )
    with pytest.raises(StoreUnavailable):
        reader.read()
    assert reader.read() == first
    reader.close()


def test_without_tables_it_says_what_to_look_at(
    postgres: HasDsn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITWIRE_DATABASE_URL", postgres.dsn)
    with pytest.raises(StoreUnavailable, match="is persistence running"):
        show_pnl(tmp_path, account="")


TRACES = """
insert into decision_traces (traces_epoch, traces_sequence, account, strategy, instrument_id, signal, reason, values,
  intent_no, event_ns, decided_ns)
values ('a', 1, 'main', 'momentum', 'BTC-USDT.sim', 'WARMING_UP', 'before the market', '{}', 0, 1796000000000000000, 1),
       ('a', 2, 'main', 'momentum', 'BTC-USDT.sim', 'HOLD', 'in the recording', '{}', 0, 1722000000000000000, 2)
"""


def test_the_last_words_are_the_last_also_where_the_market_is_of_another_year(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database.replace("+psycopg", "")) as connection:
        connection.execute(TRACES.encode())
    said = next(
        part for part in show_strategies(tmp_path).parts if isinstance(part, Table) and part.title == "last words"
    )
    assert [row[-1] for row in said.rows] == ["in the recording"]
