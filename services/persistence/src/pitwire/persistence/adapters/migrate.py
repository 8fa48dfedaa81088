"""Brings the schema to where this build wants it; run in a process of its own, which alone pays for SQLAlchemy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import psycopg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from pitwire.common.errors import StoreUnavailable, UsageError

MIGRATIONS: Final = Path(__file__).parents[1] / "migrations"
LOCK_KEY: Final = 0x70_69_74_77_69_72_65
"""Of the advisory lock that lets one process migrate at a time ("pitwire")."""

LOCK_TIMEOUT_S: Final = 60
CONNECT_TIMEOUT_S: Final = 5


def migrate(url: str, revision: str = "head", *, downgrade: bool = False) -> str:
    """Moves the schema to `revision` in one transaction, under a lock; returns the revision reached.

    `StoreUnavailable` when the database does not answer; `UsageError` for a revision this build does not know, which
    is also what a database of a newer build has.
    """
    engine = create_engine(sqlalchemy_url(url), poolclass=NullPool, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
    try:
        with engine.begin() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT_S}s'"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
            config = _config()
            config.attributes["connection"] = connection
            (command.downgrade if downgrade else command.upgrade)(config, revision)
            reached = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except CommandError as error:
        raise UsageError(f"database schema: {error}") from None
    except (OperationalError, psycopg.OperationalError) as error:
        reason = str(error.__cause__ or error).strip().partition("\n")[0]
        raise StoreUnavailable(f"PostgreSQL: {reason}") from None
    finally:
        engine.dispose()
    return str(reached or "base")


def head() -> str:
    """The newest revision this build knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def sqlalchemy_url(url: str) -> str:
    """The address with the driver named, as SQLAlchemy wants it."""
    scheme, separator, rest = url.partition("://")
    return f"postgresql+psycopg{separator}{rest}" if scheme in {"postgres", "postgresql"} else url


def _config() -> Config:
    config = Config(stdout=sys.stderr)
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config
