"""Servers that run elsewhere are named in the environment."""

import pytest

from pitwire.cli.servers import outside_database_url, outside_nats_url


def test_without_the_variables_pitwire_starts_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PITWIRE_NATS_URL", raising=False)
    monkeypatch.setenv("PITWIRE_DATABASE_URL", "")
    assert (outside_nats_url(), outside_database_url()) == (None, None)


def test_an_outside_bus_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_NATS_URL", "nats://bus:4222")
    assert outside_nats_url() == "nats://bus:4222"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_an_outside_database_is_read_in_every_usual_form(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_DATABASE_URL", f"{scheme}://user:word@host:5432/name?sslmode=require")
    assert outside_database_url() == "postgresql+psycopg://user:word@host:5432/name?sslmode=require"
