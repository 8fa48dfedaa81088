"""The servers that the other integration tests stand on."""

from typing import Protocol

import nats
import psycopg
import pytest

pytestmark = pytest.mark.integration


class HasUrl(Protocol):
    url: str


class HasDsn(Protocol):
    dsn: str

    def kill(self) -> None: ...
    def restart(self) -> None: ...


async def test_the_bus_is_new_and_has_jetstream(nats_server: HasUrl) -> None:
    client = await nats.connect(nats_server.url)
    assert await client.jetstream().streams_info() == []
    await client.close()


@pytest.mark.parametrize("round_number", [1, 2])
def test_each_test_has_an_empty_database(postgres: HasDsn, round_number: int) -> None:
    with psycopg.connect(postgres.dsn.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE only_here (number int)")


def test_a_killed_database_comes_back_with_what_was_committed(postgres: HasDsn) -> None:
    address = postgres.dsn.replace("+psycopg", "")
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE kept AS SELECT generate_series(1, 100)")
    postgres.kill()
    postgres.restart()
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (100,)
