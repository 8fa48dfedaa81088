"""The store in PostgreSQL: the same rows as the one in memory, all or nothing, whatever happens to the answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, Protocol

import psycopg
import pytest
from services.persistence.tests.journal_world import QUOTES, Pair, entries_of
from services.persistence.tests.test_journal import spoil, trading
from services.persistence.tests.test_writer import Told

from pitwire.common.errors import StoreUnavailable, UsageError
from pitwire.persistence.adapters.memory import MemoryStore
from pitwire.persistence.adapters.migrate import migrate
from pitwire.persistence.adapters.postgres import PostgresStore
from pitwire.persistence.adapters.schema import ensure_schema
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal import JOURNAL, JournalBatch
from pitwire.persistence.core.journal_rows import JournalRow
from pitwire.persistence.core.needs import Needs
from pitwire.persistence.core.tables import TABLES, Table, Writes
from pitwire.persistence.core.trading_rows import BalanceRow
from pitwire.persistence.handlers.reading import read
from pitwire.persistence.handlers.release import release_stopped
from pitwire.persistence.migrations import HEAD
from pitwire.persistence.ports import Cursor, CursorMoved, JournalRewritten, Move, Store, StoreRefused

pytestmark = pytest.mark.integration


class HasDsn(Protocol):
    dsn: str

    def kill(self) -> None: ...
    def restart(self) -> None: ...


def connect(database: HasDsn) -> psycopg.Connection[Any]:
    return psycopg.connect(database.dsn.replace("+psycopg", ""), autocommit=True)


@pytest.fixture
async def store(migrated: HasDsn) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(migrated.dsn)
    yield made
    await made.close()


async def feed(store: Store, entries: Sequence[Entry], *, batch: int = 1_000) -> None:
    for start in range(0, len(entries), batch):
        part = entries[start : start + batch]
        projection = JournalBatch([read(entry) for entry in part], QUOTES)
        move = Move(JOURNAL, "1", (await store.cursor(JOURNAL)).sequence, part[-1].sequence)
        await store.commit(move, projection.needs, lambda found, p=projection: p.fold(found).writes)  # type: ignore[misc] # bound in this very pass


def one_row(asset: str = "BTC", amount: str = "1") -> Writes:
    writes = Writes()
    writes.add(BalanceRow("main", "a", asset, Decimal(amount), 1))
    return writes


def rows(database: HasDsn, table: Table) -> list[tuple[Any, ...]]:
    """The rows as the writer gives them: JSON as text of its values, bytes as bytes."""
    columns = [f"{name}::jsonb::text" if name in table.json_columns else f'"{name}"' for name in table.columns]
    with connect(database) as connection:
        cursor = connection.execute(f"SELECT {', '.join(columns)} FROM {table.name}".encode())
        return sorted((tuple(row) for row in cursor), key=str)


def remembered(memory: MemoryStore, table: Table, database: HasDsn) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = []
    with connect(database) as connection:
        for row in memory.rows(table.row):
            values = [
                connection.execute("SELECT %s::jsonb::text", (value,)).fetchone()[0]  # type: ignore[index] # a SELECT of a value has one row
                if name in table.json_columns and value is not None
                else value
                for name, value in zip(table.columns, row, strict=True)
            ]
            found.append(tuple(values))
    return sorted(found, key=str)


# ------------------------------------------------------------------------------------------------------------- schema
def shape(database: HasDsn) -> list[tuple[Any, ...]]:
    with connect(database) as connection:
        return connection.execute(
            "SELECT table_name, column_name, data_type, is_nullable, column_default, generation_expression "
            "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position"
        ).fetchall()


def test_the_schema_goes_up_down_and_up_again(postgres: HasDsn) -> None:
    assert migrate(postgres.dsn) == HEAD
    first = shape(postgres)
    assert migrate(postgres.dsn, "base", downgrade=True) == "base"
    assert [row for row in shape(postgres) if row[0] != "alembic_version"] == []
    assert migrate(postgres.dsn, "0001") == "0001"
    assert migrate(postgres.dsn) == HEAD
    assert migrate(postgres.dsn) == HEAD
    assert shape(postgres) == first


def test_rows_of_limits_from_before_a_step_get_what_held_then(postgres: HasDsn) -> None:
    assert migrate(postgres.dsn, "0003") == "0003"
    with connect(postgres) as connection:
        connection.execute(
            "INSERT INTO limits (account, oms_sequence, limits_version, order_value_max, position_value_max, "
            "open_positions_max, daily_loss_max_percent, drawdown_max_percent, instruments_allowed, "
            "instruments_restricted, strategies_allowed, mark_age_max_ms, command_id) "
            "VALUES ('main', 1, 1, 1, 1, 1, 5, 10, '{}', '{}', '{}', 1, '')"
        )
    assert migrate(postgres.dsn) == HEAD
    with connect(postgres) as connection:
        found = connection.execute("SELECT price_collar_percent, orders_per_minute_max FROM limits").fetchall()
        connection.execute("DELETE FROM limits")
    assert found == [(Decimal(5), 600)]


def test_every_table_and_column_is_explained_in_the_database(migrated: HasDsn) -> None:
    with connect(migrated) as connection:
        silent = connection.execute(
            "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 "
            "WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped "
            "AND c.relname <> 'alembic_version' AND col_description(c.oid, a.attnum) IS NULL"
        ).fetchall()
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace "
            "AND relname <> 'alembic_version' AND obj_description(oid) IS NULL"
        ).fetchall()
    assert (silent, tables) == ([], [])


def test_money_is_exact_and_moments_are_times(migrated: HasDsn) -> None:
    with connect(migrated) as connection:
        kinds = dict(
            connection.execute(
                "SELECT table_name || '.' || column_name, data_type FROM information_schema.columns "
                "WHERE table_schema = 'public'"
            ).fetchall()
        )
        assert {kind for name, kind in kinds.items() if name.endswith("_at")} == {"timestamp with time zone"}
        assert "double precision" not in kinds.values()
        connection.execute(
            "INSERT INTO marks (account, instrument_id, mark_price, oms_sequence, marked_ns) VALUES "
            "('a', 'i', 1, 1, 1722000000123456789), ('a', 'j', 1, 1, 0)"
        )
        found = connection.execute("SELECT marked_at::text FROM marks ORDER BY instrument_id").fetchall()
    assert found[0][0].startswith("2024-07-26 13:20:00.123457")
    assert found[1] == (None,)


async def test_processes_that_start_at_once_migrate_once(postgres: HasDsn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_DATABASE_URL", postgres.dsn)
    trouble: list[str] = []
    stores = [PostgresStore(postgres.dsn) for _ in range(3)]
    await asyncio.gather(*(ensure_schema(store, on_trouble=trouble.append) for store in stores))
    assert trouble == []
    assert {await store.revision() for store in stores} == {HEAD}
    for store in stores:
        await store.close()
    assert len(shape(postgres)) > 100


async def test_a_schema_of_a_newer_build_is_refused(migrated: HasDsn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_DATABASE_URL", migrated.dsn)
    with connect(migrated) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(UsageError, match="9999"):
        migrate(migrated.dsn)
    store = PostgresStore(migrated.dsn)
    with pytest.raises(UsageError, match="can work with"):
        await ensure_schema(store, on_trouble=lambda _: None)
    await store.close()


# --------------------------------------------------------------------------------------------------------------- rows
@pytest.mark.parametrize("batch", [1, 4, 1_000])
async def test_rows_are_those_of_the_store_in_memory(store: PostgresStore, migrated: HasDsn, batch: int) -> None:
    memory, entries = MemoryStore(), [*entries_of(trading())]
    await feed(memory, entries)
    await feed(store, entries, batch=batch)
    for table in TABLES:
        assert rows(migrated, table) == remembered(memory, table, migrated), table.name
    assert await store.cursor(JOURNAL) == Cursor(entries[-1].sequence, "1")


async def test_two_accounts_share_a_batch(store: PostgresStore, migrated: HasDsn) -> None:
    memory, pair = MemoryStore(), Pair()
    await feed(memory, pair.entries)
    await feed(store, pair.entries, batch=5)
    for table in TABLES:
        assert rows(migrated, table) == remembered(memory, table, migrated), table.name


async def test_the_journal_copy_proves_itself_in_plain_sql(store: PostgresStore, migrated: HasDsn) -> None:
    await feed(store, entries_of(trading()))
    with connect(migrated) as connection:
        count = connection.execute(
            "SELECT count(*) FROM journal_records "
            "WHERE encode(sha256(convert_to(payload::text, 'UTF8')), 'hex') <> sha256"
        ).fetchone()
        broken = connection.execute(
            "SELECT oms_sequence FROM (SELECT oms_sequence, prev_hash, lag(sha256, 1, '') OVER (ORDER BY ledger_no) AS "
            "before FROM journal_records WHERE ledger_no IS NOT NULL) AS chain WHERE prev_hash <> before"
        ).fetchall()
    assert (count, broken) == ((0,), [])


async def test_a_replay_adds_only_what_is_missing_and_tells_of_the_cursor(
    store: PostgresStore, migrated: HasDsn
) -> None:
    entries = entries_of(trading())
    await feed(store, entries)
    before = {table.name: rows(migrated, table) for table in TABLES}
    with connect(migrated) as connection:
        connection.execute("UPDATE journal_cursor SET cursor = 3 WHERE stream = 'OMS'")
        connection.execute("DELETE FROM journal_records WHERE oms_sequence = 9")
    await feed(store, entries[3:], batch=6)
    assert {table.name: rows(migrated, table) for table in TABLES} == before
    with connect(migrated) as connection:
        told = connection.execute(
            "SELECT stream, cursor_before, cursor_after FROM journal_cursor_regressions"
        ).fetchall()
        assert told == [("OMS", entries[-1].sequence, 3)]
        connection.execute("DELETE FROM journal_cursor")
        assert connection.execute("SELECT count(*) FROM journal_cursor_regressions").fetchone() == (2,)


async def test_another_record_at_a_stored_sequence_is_refused(store: PostgresStore) -> None:
    entries = entries_of(trading())
    await feed(store, entries)
    assert await store.hash_at(5) is not None
    assert await store.hash_at(5_000) is None
    writes = Writes()
    writes.add(JournalRow(5, "s", "K", "main", None, None, None, None, "another", None, 0))
    with pytest.raises(JournalRewritten, match="sequence 5"):
        await store.commit(Move("X", "1", 0, 1), Needs(), lambda _: writes)


async def test_rows_and_cursor_are_stored_together_or_not_at_all(store: PostgresStore, migrated: HasDsn) -> None:
    def fail(_: object) -> Writes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.commit(Move(JOURNAL, "1", 0, 5), Needs(), fail)
    too_large = Writes()
    too_large.add(BalanceRow("main", "a", "BTC", Decimal(1), 2**63))
    with pytest.raises(StoreRefused, match="out of range"):
        await store.commit(Move(JOURNAL, "1", 0, 5), Needs(), lambda _: too_large)
    assert await store.cursor(JOURNAL) == Cursor()
    with connect(migrated) as connection:
        assert connection.execute("SELECT count(*) FROM balances").fetchone() == (0,)


async def test_numbers_come_back_to_the_last_digit(store: PostgresStore, migrated: HasDsn) -> None:
    for number, text in enumerate(("1E-36", "123456789012345678901234.123456789012345678901234", "-0.1", "1.50"), 1):
        await store.commit(Move("X", "1", number - 1, number), Needs(), lambda _, t=text: one_row("BTC", t))  # type: ignore[misc] # bound in this very pass
        with connect(migrated) as connection:
            row = connection.execute("SELECT amount FROM balances").fetchone()
        assert row == (Decimal(text),)


async def test_only_one_of_two_processes_stores_a_batch(migrated: HasDsn) -> None:
    stores = [PostgresStore(migrated.dsn) for _ in range(2)]
    move = Move(JOURNAL, "1", 0, 5)
    done = await asyncio.gather(*(store.commit(move, Needs(), lambda _: one_row()) for store in stores))
    assert sorted(done) == [False, True]
    with pytest.raises(CursorMoved) as moved:
        await stores[0].commit(Move(JOURNAL, "1", 3, 9), Needs(), lambda _: one_row())
    assert moved.value.found == 5
    await stores[0].restart(JOURNAL, "2")
    assert await stores[1].cursor(JOURNAL) == Cursor(0, "2")
    for store in stores:
        await store.close()


async def test_a_stopped_account_goes_on_from_its_stored_records(store: PostgresStore, migrated: HasDsn) -> None:
    memory, told, entries = MemoryStore(), Told(), entries_of(trading())
    await feed(memory, entries)
    await feed(store, spoil(entries, 12, data=b"?"), batch=5)
    assert await store.stopped() == [("main", 12)]
    await release_stopped(store, QUOTES, told)
    assert await store.stopped() == [("main", 12)]
    with connect(migrated) as connection:
        connection.execute("UPDATE quarantined_records SET data = %s", (entries[11].data,))
    await release_stopped(store, QUOTES, told)
    assert told.notices[-1].code == "ACCOUNT_ROWS_GO_ON"
    assert await store.stopped() == []
    for table in TABLES:
        if table.name not in {"journal_records", "quarantined_records"}:
            assert rows(migrated, table) == remembered(memory, table, migrated), table.name
    with connect(migrated) as connection:
        found = connection.execute("SELECT sequence, released_at IS NOT NULL FROM quarantined_records").fetchall()
    assert found == [(12, True)]


# ------------------------------------------------------------------------------------------------------------ outages
async def test_a_server_that_was_killed_is_unavailable_and_then_serves_again(
    store: PostgresStore, migrated: HasDsn
) -> None:
    await store.commit(Move("X", "1", 0, 1), Needs(), lambda _: one_row())
    migrated.kill()
    try:
        with pytest.raises(StoreUnavailable):
            await store.cursor("X")
        with pytest.raises(StoreUnavailable):
            await store.cursor("X")
    finally:
        migrated.restart()
    assert await store.cursor("X") == Cursor(1, "1")


@asynccontextmanager
async def losing_answers(database: HasDsn, marker: bytes) -> AsyncIterator[str]:
    """A way to the database that breaks once, right after the server has got `marker` and before it can answer."""
    address, _, name = database.dsn.rpartition("/")
    host, port = address.rpartition("@")[2].split(":")
    broken = asyncio.Event()
    ways: list[asyncio.StreamWriter] = []

    async def upwards(client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        while data := await client.read(65_536):
            server.write(data)
            if marker in data and not broken.is_set():
                broken.set()
                return

    async def downwards(server: asyncio.StreamReader, client: asyncio.StreamWriter, *, is_first: bool) -> None:
        while data := await server.read(65_536):
            if is_first and broken.is_set():
                break
            client.write(data)
        client.close()

    async def serve(client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        is_first = not broken.is_set()
        far, requests = await asyncio.open_connection(host, int(port))
        ways.extend((answers, requests))
        up = asyncio.create_task(upwards(client, requests))
        down = asyncio.create_task(downwards(far, answers, is_first=is_first))
        await asyncio.wait((up, down), return_when=asyncio.ALL_COMPLETED if is_first else asyncio.FIRST_COMPLETED)
        requests.close()
        await asyncio.gather(up, down, return_exceptions=True)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    mine = server.sockets[0].getsockname()[1]
    async with server:
        yield f"{address.rpartition('@')[0]}@127.0.0.1:{mine}/{name}"
        for way in ways:
            way.close()
        await asyncio.gather(*(way.wait_closed() for way in ways), return_exceptions=True)


async def test_an_unknown_commit_is_resolved_by_the_cursor(migrated: HasDsn) -> None:
    async with losing_answers(migrated, b"COMMIT") as dsn:
        store = PostgresStore(dsn)
        move = Move(JOURNAL, "1", 0, 5)
        with pytest.raises(StoreUnavailable):
            await store.commit(move, Needs(), lambda _: one_row())
        assert not await store.commit(move, Needs(), lambda _: one_row("BTC", "2"))
        await store.close()
    with connect(migrated) as connection:
        assert connection.execute("SELECT asset, amount FROM balances").fetchall() == [("BTC", Decimal(1))]
