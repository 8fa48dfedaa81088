"""Addresses of the database in the forms that others want."""

from __future__ import annotations

import pytest

from pitwire.cli.addresses import password_line, plain_url, public_url
from pitwire.cli.database import open_database
from pitwire.common.errors import StoreUnavailable

URL = "postgresql+psycopg://pitwire:se%3Acret@127.0.0.1:5433/trading"


def test_psql_gets_the_address_without_the_driver() -> None:
    assert plain_url(URL) == "postgresql://pitwire:se%3Acret@127.0.0.1:5433/trading"
    assert plain_url("postgresql://h/d") == "postgresql://h/d"


def test_what_is_shown_holds_no_password() -> None:
    assert public_url(URL) == "postgresql://pitwire@127.0.0.1:5433/trading"
    assert public_url("postgresql://h/d") == "postgresql://h/d"


def test_the_password_file_is_as_libpq_reads_it() -> None:
    assert password_line(URL) == "127.0.0.1:5433:trading:pitwire:se\\:cret\n"
    assert password_line("postgresql://h/d") == ""


def test_a_database_that_is_not_there_is_said_without_its_password() -> None:
    with pytest.raises(StoreUnavailable, match="cannot be reached") as caught:
        open_database("postgresql+psycopg://u:secret@127.0.0.1:1/d")
    assert "secret" not in str(caught.value)
