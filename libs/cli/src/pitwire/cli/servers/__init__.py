"""Real servers, started from binaries on this machine and supervised: NATS and PostgreSQL.

    with NatsServer({"jetstream": True}, run_dir / "nats") as nats, Postgres(run_dir / "postgres") as postgres:
        ...  # nats.url, postgres.dsn

Both listen on 127.0.0.1 only, survive kill -9 of themselves, and never outlive the process that started them.
`outside_nats_url` and `outside_database_url` say where the servers are when somebody else runs them.
"""

import os

from pitwire.cli.servers.binaries import BinaryMissing
from pitwire.cli.servers.cluster import Filling
from pitwire.cli.servers.nats import NatsServer
from pitwire.cli.servers.postgres import Postgres
from pitwire.cli.servers.process import ChildProcess, DirectoryLock, ServerError

__all__ = [
    "BinaryMissing",
    "ChildProcess",
    "DirectoryLock",
    "Filling",
    "NatsServer",
    "Postgres",
    "ServerError",
    "outside_database_url",
    "outside_nats_url",
]


def outside_nats_url() -> str | None:
    """The address in `PITWIRE_NATS_URL`, or None when Pitwire is to start its own bus."""
    return os.environ.get("PITWIRE_NATS_URL") or None


def outside_database_url() -> str | None:
    """The address in `PITWIRE_DATABASE_URL` as SQLAlchemy wants it, or None when Pitwire is to start its own database.

    The forms that people have at hand, `postgres://` and `postgresql://`, are read as psycopg addresses.
    """
    url = os.environ.get("PITWIRE_DATABASE_URL")
    if not url:
        return None
    scheme, separator, rest = url.partition("://")
    if scheme in {"postgres", "postgresql"}:
        return f"postgresql+psycopg{separator}{rest}"
    return url
