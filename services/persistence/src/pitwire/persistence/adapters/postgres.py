"""The store in PostgreSQL: psycopg, COPY for rows that are added, one JSON document for rows that change.

No SQLAlchemy here: it would be a quarter of this process's memory, and only the migrations need it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import psycopg
from psycopg.types.string import TextLoader

from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.errors import StoreUnavailable
from pitwire.persistence.adapters.loading import load, stored_entries
from pitwire.persistence.adapters.statements import documents, statements_of
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal import JOURNAL
from pitwire.persistence.core.journal_rows import JournalRow
from pitwire.persistence.core.needs import Found, Needs
from pitwire.persistence.core.tables import Table, Writes
from pitwire.persistence.ports import Cursor, CursorMoved, JournalRewritten, Move, Projection, StoreRefused

CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_MS: Final = 30_000
LOCK_TIMEOUT_MS: Final = 10_000
IDLE_TIMEOUT_MS: Final = 60_000
SILENCE_MAX_MS: Final = 10_000
"""A server that does not acknowledge what was sent for so long counts as gone."""

T = TypeVar("T")

_OPTIONS: Final = (
    f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c lock_timeout={LOCK_TIMEOUT_MS} "
    f"-c idle_in_transaction_session_timeout={IDLE_TIMEOUT_MS} -c timezone=UTC -c client_min_messages=warning"
)
_SELECT_CURSOR: Final = "SELECT cursor, stream_epoch FROM journal_cursor WHERE stream = %s"
_RELEASED: Final = """
UPDATE quarantined_records SET released_at = now()
FROM accounts WHERE quarantined_records.account = %s AND accounts.account = quarantined_records.account
AND released_at IS NULL AND sequence < coalesce(accounts.stopped_sequence, sequence + 1)
"""
_SET_CURSOR: Final = """
INSERT INTO journal_cursor (stream, cursor, stream_epoch) VALUES (%s, %s, %s)
ON CONFLICT (stream) DO UPDATE SET cursor = excluded.cursor, stream_epoch = excluded.stream_epoch, updated_at = now()
"""


class PostgresStore:
    """One connection, used by one thread of its own, so that the event loop never waits for the database."""

    def __init__(self, url: str) -> None:
        self._url = plain_url(url)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store")
        self._connection: psycopg.Connection[Any] | None = None

    async def revision(self) -> str | None:
        """The step the schema is at; None for an empty database."""
        return await self._call(self._revision)

    async def cursor(self, stream: str) -> Cursor:
        return await self._call(self._cursor, stream)

    async def commit(self, move: Move, needs: Needs, fold: Callable[[Found], Writes]) -> bool:
        return await self._call(self._commit, move, needs, fold)

    async def restart(self, stream: str, epoch: str) -> None:
        await self._call(self._restart, stream, epoch)

    async def hash_at(self, sequence: int) -> str | None:
        return await self._call(self._hash_at, sequence)

    async def stopped(self) -> list[tuple[str, int]]:
        return await self._call(self._stopped)

    async def release(self, account: str, project: Callable[[list[Entry]], Projection]) -> None:
        await self._call(self._release, account, project)

    async def close(self) -> None:
        """Ends the connection; a transaction that is still open is rolled back by the server."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=False)

    async def _call(self, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work, args)

    def _guarded(self, work: Callable[..., T], args: tuple[Any, ...]) -> T:
        """Runs `work` on a live connection; sorts what goes wrong by what the caller should do."""
        try:
            return work(self._connected(), *args)
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            raise StoreRefused(_first_line(error)) from None
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction) as error:
            self._drop()
            raise StoreUnavailable(f"PostgreSQL: {_first_line(error)}") from None

    def _connected(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(
                self._url,
                connect_timeout=CONNECT_TIMEOUT_S,
                options=_OPTIONS,
                application_name="pitwire-persistence",
                keepalives_idle=5,
                keepalives_interval=2,
                keepalives_count=3,
                tcp_user_timeout=SILENCE_MAX_MS,
            )
            for kind in ("json", "jsonb"):
                self._connection.adapters.register_loader(kind, TextLoader)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _revision(connection: psycopg.Connection[Any]) -> str | None:
        with connection.transaction():
            known = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
            if known is None or known[0] is None:
                return None
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return str(row[0]) if row else None

    @staticmethod
    def _cursor(connection: psycopg.Connection[Any], stream: str) -> Cursor:
        with connection.transaction():
            row = connection.execute(_SELECT_CURSOR, (stream,)).fetchone()
        return Cursor(*row) if row else Cursor()

    @staticmethod
    def _restart(connection: psycopg.Connection[Any], stream: str, epoch: str) -> None:
        with connection.transaction():
            connection.execute(_SET_CURSOR, (stream, 0, epoch))

    @staticmethod
    def _hash_at(connection: psycopg.Connection[Any], sequence: int) -> str | None:
        with connection.transaction():
            row = connection.execute(
                "SELECT sha256 FROM journal_records WHERE oms_sequence = %s", (sequence,)
            ).fetchone()
        return row[0] if row else None

    @staticmethod
    def _stopped(connection: psycopg.Connection[Any]) -> list[tuple[str, int]]:
        with connection.transaction():
            return connection.execute(
                "SELECT account, stopped_sequence FROM accounts WHERE stopped_sequence IS NOT NULL ORDER BY account"
            ).fetchall()

    def _release(
        self, connection: psycopg.Connection[Any], account: str, project: Callable[[list[Entry]], Projection]
    ) -> None:
        with connection.transaction():
            _locked_cursor(connection, JOURNAL)
            after = -1
            while entries := stored_entries(connection, account, after):
                batch = project(entries)
                folded = batch.fold(load(connection, batch.needs))
                for table, rows in folded.writes.by_table():
                    (self._upsert if table.newest_by else self._add_missing)(connection, table, rows)
                if folded.notices:
                    break
                after = entries[-1].sequence
            connection.execute(_RELEASED, (account,))

    def _commit(
        self, connection: psycopg.Connection[Any], move: Move, needs: Needs, fold: Callable[[Found], Writes]
    ) -> bool:
        try:
            return self._try_commit(connection, move, needs, fold, add=self._copy)
        except psycopg.errors.UniqueViolation:
            # Rows of a replay are there already: the same again, row by row only what is missing.
            return self._try_commit(connection, move, needs, fold, add=self._add_missing)

    def _try_commit(
        self,
        connection: psycopg.Connection[Any],
        move: Move,
        needs: Needs,
        fold: Callable[[Found], Writes],
        *,
        add: Callable[[psycopg.Connection[Any], Table, Sequence[Any]], None],
    ) -> bool:
        with connection.transaction():
            found = _locked_cursor(connection, move.stream)
            if found >= move.upto:
                return False
            if found != move.after:
                raise CursorMoved(stream=move.stream, expected=move.after, found=found)
            crashpoint(CrashPoint.ROWS_LOCKED)
            for table, rows in fold(load(connection, needs)).by_table():
                if table.newest_by is None:
                    add(connection, table, rows)
                else:
                    self._upsert(connection, table, rows)
            crashpoint(CrashPoint.ROWS_WRITTEN)
            connection.execute(_SET_CURSOR, (move.stream, move.upto, move.epoch))
            crashpoint(CrashPoint.ROWS_CURSOR_MOVED)
        return True

    @staticmethod
    def _copy(connection: psycopg.Connection[Any], table: Table, rows: Sequence[Any]) -> None:
        with connection.cursor().copy(statements_of(table).copy) as copy:
            for row in rows:
                copy.write_row(row)

    @staticmethod
    def _add_missing(connection: psycopg.Connection[Any], table: Table, rows: Sequence[Any]) -> None:
        if table.row is JournalRow:
            _refuse_rewritten(connection, rows)
        connection.execute(statements_of(table).add_missing, (documents(table, rows),))

    @staticmethod
    def _upsert(connection: psycopg.Connection[Any], table: Table, rows: Sequence[Any]) -> None:
        connection.execute(statements_of(table).upsert, (documents(table, rows),))


def _locked_cursor(connection: psycopg.Connection[Any], stream: str) -> int:
    """Where the stream stands; nobody else moves it before this transaction ends."""
    while True:
        row = connection.execute(_SELECT_CURSOR + " FOR UPDATE", (stream,)).fetchone()
        if row is not None:
            return int(row[0])
        connection.execute(
            "INSERT INTO journal_cursor (stream, cursor) VALUES (%s, 0) ON CONFLICT DO NOTHING", (stream,)
        )


def _refuse_rewritten(connection: psycopg.Connection[Any], rows: Sequence[JournalRow]) -> None:
    """A record that is there already must be the same record."""
    known = connection.execute(
        "SELECT oms_sequence, sha256 FROM journal_records WHERE oms_sequence = ANY(%s)",
        ([r.oms_sequence for r in rows],),
    )
    hashes = dict(known.fetchall())
    for row in rows:
        if hashes.get(row.oms_sequence, row.sha256) != row.sha256:
            raise JournalRewritten(
                f"the journal record at sequence {row.oms_sequence} is not the one that was copied here before"
            )


def plain_url(url: str) -> str:
    """The address as psycopg wants it: without SQLAlchemy's driver name."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme.partition('+')[0]}{separator}{rest}"


def _first_line(error: Exception) -> str:
    """What went wrong, without the address, which holds a password."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
