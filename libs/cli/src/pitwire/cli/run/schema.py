"""The schema of the database, made once by its migrations and copied into each new database from then on."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Final

from pitwire.cli.run.plan import base_env
from pitwire.cli.servers import Filling, ServerError
from pitwire.persistence import migrations

MIGRATION_TIMEOUT_S: Final = 60.0


def schema_filling() -> Filling:
    """A database as this build's persistence wants it."""
    steps = sorted(Path(migrations.__path__[0]).glob("**/*.py"))
    return Filling(sha256(b"".join(step.read_bytes() for step in steps)).hexdigest(), _migrate)


def _migrate(database_url: str) -> None:
    argv = [sys.executable, "-m", "pitwire.persistence", "migrate"]
    env = base_env() | {"PITWIRE_DATABASE_URL": database_url}
    try:
        done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=MIGRATION_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ServerError(f"the schema was not made within {MIGRATION_TIMEOUT_S:g} s") from None
    if done.returncode != 0:
        raise ServerError(f"the schema could not be made: {done.stderr.strip()}")
