"""Before the first row: the database answers, and its schema is the one of this build."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Final

import psycopg

from pitwire.common.errors import UsageError
from pitwire.persistence.adapters.postgres import CONNECT_TIMEOUT_S, plain_url
from pitwire.persistence.migrations import HEAD

WAIT_MIN_S: Final = 0.25
WAIT_MAX_S: Final = 5.0
USAGE: Final = 2


async def ensure_schema(url: str, *, on_trouble: Callable[[str], None]) -> None:
    """Waits for the database and migrates it where it is behind. `UsageError` when it is ahead of this build.

    The migration runs in a process of its own: it takes the lock that lets one process migrate at a time, and its
    libraries stay out of this one.
    """
    wait_s = WAIT_MIN_S
    while True:
        try:
            if await asyncio.to_thread(_revision, url) == HEAD:
                return
            if await _migrate():
                return
            reason = "the migration did not succeed; its reason stands above"
        except psycopg.OperationalError as error:
            reason = f"PostgreSQL: {str(error).strip().partition(chr(10))[0]}"
        on_trouble(reason)
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, WAIT_MAX_S)


def _revision(url: str) -> str | None:
    """The step the database is at; None for an empty one."""
    with psycopg.connect(plain_url(url), connect_timeout=CONNECT_TIMEOUT_S) as connection:
        row = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
        if row is None or row[0] is None:
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(found[0]) if found else None


async def _migrate() -> bool:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "pitwire.persistence", "migrate", stdout=2)
    code = await process.wait()
    if code == USAGE:
        raise UsageError(f"the schema of the database is not one that this build (schema {HEAD}) can work with")
    return code == 0
