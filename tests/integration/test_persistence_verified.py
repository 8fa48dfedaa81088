"""verify on a real PostgreSQL: rows as persistence writes them hold; what somebody edits with psql is named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import psycopg
import pytest
from libs.cli.tests.verify_world import QUOTES as VERIFY_QUOTES
from libs.cli.tests.verify_world import System, give_commands, healthy
from tests.integration.test_persistence_store import feed

from pitwire.cli.verify import Outcome, Sources, verify
from pitwire.cli.verify.evidence import VenueAccount
from pitwire.cli.verify.running import PostgresSource
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.clock import SystemClock
from pitwire.common.codec import SCHEMA_HEADER
from pitwire.common.errors import StoreUnavailable
from pitwire.persistence.adapters.postgres import PostgresStore
from pitwire.persistence.core.entries import Entry

pytestmark = pytest.mark.integration


class HasDsn(Protocol):
    dsn: str


class World:
    """A healthy journal on a bus, its rows in a real database, its venue as it says."""

    def __init__(self, system: System, database: HasDsn) -> None:
        self.system = system
        self.database = database
        self.server = MemoryServer()

    async def fill(self) -> None:
        bus = MemoryBus(self.server)
        for record in self.system.records:
            await bus.append(record.subject, record.data, {SCHEMA_HEADER: record.schema or ""})
        await give_commands(bus, self.system)
        store = PostgresStore(self.database.dsn)
        await feed(store, [Entry(r.sequence, r.subject, r.schema, r.data) for r in self.system.records], batch=7)
        await store.close()

    async def venues(self, journal_before: int) -> Sequence[VenueAccount]:
        return [self.system.venue]

    async def verify(self) -> Outcome:
        sources = Sources(
            MemoryBus(self.server), PostgresSource(self.database.dsn), self.venues, VERIFY_QUOTES, SystemClock()
        )
        return await verify(sources, wait_s=0)

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.database.dsn.replace("+psycopg", ""), autocommit=True) as connection:
            assert connection.execute(statement.encode()).rowcount >= 1, statement


@pytest.fixture
async def world(migrated: HasDsn) -> World:
    made = World(healthy(), migrated)
    await made.fill()
    return made


async def test_rows_as_persistence_writes_them_hold(world: World) -> None:
    outcome = await world.verify()
    assert outcome.holds, [(check.id, check.detail) for check in outcome.checks if not check.holds]
    assert next(check for check in outcome.checks if check.id == "NUMERIC").figure == "26 columns"


COPIED = (
    "venue, venue_account, instrument_id, trade_id, is_reversal, oms_sequence, account, strategy, client_order_id, "
    "venue_order_id, side, quantity, price, notional, fee, fee_currency, realised_pnl"
)
DOUBLE = f"INSERT INTO fills ({COPIED}, entry_no) SELECT {COPIED}, 2 FROM fills WHERE trade_id = '2'"
EDITS: list[tuple[str, str, str]] = [
    ("a fill deleted", "DELETE FROM fills WHERE trade_id = '2'", "I-8.rows"),
    ("a fill doubled", DOUBLE, "I-8.rows"),
    ("a fill changed", "UPDATE fills SET quantity = quantity + 0.00000001 WHERE trade_id = '2'", "I-8.rows"),
    ("a fee changed", "UPDATE fills SET fee = fee * 2 WHERE trade_id = '2'", "I-8.rows"),
    (
        "an order id reused",
        "UPDATE orders SET venue_order_id = (SELECT max(venue_order_id) FROM orders) WHERE venue_order_id = '11'",
        "I-4.orders",
    ),
    ("a reservation left", "UPDATE orders SET leaves_quantity = 6 WHERE order_status = 'CANCELED'", "I-17.rows"),
    ("the cursor moved back", "UPDATE journal_cursor SET cursor = 7", "I-27.cursor"),
    ("a ledger record dropped", "DELETE FROM journal_records WHERE ledger_no = 3", "I-27.journal"),
    ("a payload edited", "UPDATE journal_records SET payload = '{}' WHERE ledger_no = 3", "I-27.journal"),
    ("a position edited", "UPDATE positions SET quantity = quantity + 1 WHERE strategy = '*'", "I-9"),
    ("a halt made stale", "UPDATE halts SET cleared_by = NULL", "I-21.rows"),
    ("a balance edited", "UPDATE balances SET amount = amount + 1 WHERE asset = 'BTC'", "I-10.balances"),
    ("equity edited", "UPDATE equity SET equity = equity + 1, cash = cash + 1", "I-11.rows"),
    ("a denial turned", "UPDATE risk_decisions SET verdict = 'DENIED', code = 'NO_MARK'", "I-27.decisions"),
    ("limits loosened", "UPDATE limits SET order_value_max = 1000000", "I-20"),
    ("an account stopped", "UPDATE accounts SET stopped_sequence = 3", "I-27.rows"),
    ("a column made a float", "ALTER TABLE fills ALTER COLUMN fee TYPE double precision", "NUMERIC"),
]


@pytest.mark.parametrize(("statement", "expected"), [pytest.param(s, e, id=name) for name, s, e in EDITS])
async def test_what_is_edited_with_psql_is_named(world: World, statement: str, expected: str) -> None:
    if statement.startswith("ALTER"):
        with psycopg.connect(world.database.dsn.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute(statement.encode())
    else:
        world.execute(statement)
    outcome = await world.verify()
    violated: dict[str, Any] = {check.id: check.detail for check in outcome.checks if not check.holds}
    assert expected in violated
    assert violated[expected]


async def test_a_cursor_moved_back_and_forth_again_stays_named(world: World) -> None:
    world.execute("UPDATE journal_cursor SET cursor = 7")
    world.execute(f"UPDATE journal_cursor SET cursor = {world.system.records[-1].sequence}")
    outcome = await world.verify()
    (broken,) = [check for check in outcome.checks if not check.holds]
    assert broken.id == "I-27.cursor"
    assert "moved back from 30 to 7 by pitwire" in broken.detail
    world.execute("DELETE FROM journal_cursor_regressions")
    assert (await world.verify()).holds


async def test_a_database_without_tables_says_so(postgres: HasDsn) -> None:
    source = PostgresSource(postgres.dsn)
    assert await source.cursor() == 0
    with pytest.raises(StoreUnavailable, match="is persistence running"):
        await source.tables()
    with pytest.raises(StoreUnavailable, match="did not answer"):
        await PostgresSource("postgresql://nobody@127.0.0.1:9/x").cursor()
