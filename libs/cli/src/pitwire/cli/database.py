"""Reading PostgreSQL: short, read-only, bounded in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from pitwire.cli.addresses import plain_url
from pitwire.cli.discovery import NotRunning, Running
from pitwire.common.errors import StoreUnavailable

CONNECT_TIMEOUT_S: Final = 3
STATEMENT_TIMEOUT_MS: Final = 10_000
Row = dict[str, Any]


class Database:
    """One read-only connection; every failure is a `StoreUnavailable` that says what to do."""

    def __init__(self, connection: psycopg.Connection[Row]) -> None:
        self._connection = connection

    def rows(self, query: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> list[Row]:
        try:
            return self._connection.execute(query.encode(), parameters).fetchall()
        except psycopg.errors.UndefinedTable:
            raise StoreUnavailable(
                "the tables are not there yet: is persistence running? see `pitwire status`"
            ) from None
        except psycopg.Error as error:
            raise StoreUnavailable(f"the database did not answer: {_first_line(error)}") from None

    def row(self, query: str, parameters: Mapping[str, object] | Sequence[object] = ()) -> Row:
        """The one row of an aggregate."""
        return self.rows(query, parameters)[0]

    def close(self) -> None:
        self._connection.close()


def open_database(url: str) -> Database:
    """Connects to the address as SQLAlchemy or psycopg write it."""
    try:
        connection = psycopg.Connection[Row].connect(
            plain_url(url),
            connect_timeout=CONNECT_TIMEOUT_S,
            options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS} -c default_transaction_read_only=on",
            autocommit=True,
            row_factory=dict_row,
        )
    except psycopg.Error as error:
        raise StoreUnavailable(f"the database cannot be reached: {_first_line(error)}") from None
    return Database(connection)


@contextmanager
def database_of(running: Running) -> Iterator[Database]:
    """The database of a running system."""
    if not running.database_url:
        raise NotRunning("no database is named: set PITWIRE_DATABASE_URL, or start a system with `pitwire up`")
    database = open_database(running.database_url)
    try:
        yield database
    finally:
        database.close()


def _first_line(error: Exception) -> str:
    """What went wrong, without the address, which holds a password."""
    return str(error).strip().partition("\n")[0]
