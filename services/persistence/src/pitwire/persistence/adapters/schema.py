"""Before the first row: the database answers, and its schema is the one of this build."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import Final

from pitwire.common.errors import StoreUnavailable, UsageError
from pitwire.persistence.adapters.postgres import PostgresStore
from pitwire.persistence.migrations import HEAD

WAIT_MIN_S: Final = 0.25
WAIT_MAX_S: Final = 5.0
USAGE: Final = 2


async def ensure_schema(store: PostgresStore, *, on_trouble: Callable[[str], None]) -> None:
    """Waits for the database and migrates it where it is behind. `UsageError` when it is ahead of this build.

    The migration runs in a process of its own: it takes the lock that lets one process migrate at a time, and its
    libraries stay out of this one.
    """
    wait_s = WAIT_MIN_S
    while True:
        try:
            if await store.revision() == HEAD or await _migrate():
                return
            reason = "the migration did not succeed; its reason stands above"
        except StoreUnavailable as error:
            reason = str(error)
        on_trouble(reason)
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, WAIT_MAX_S)


async def _migrate() -> bool:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "pitwire.persistence", "migrate", stdout=2)
    code = await process.wait()
    if code == USAGE:
        raise UsageError(f"the schema of the database is not one that this build (schema {HEAD}) can work with")
    return code == 0
