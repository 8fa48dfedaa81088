"""Which account PostgreSQL runs as."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pitwire.cli.servers import ServerError, account
from pitwire.cli.servers.account import NOBODY, Account, account_for, root_ways


def test_an_ordinary_user_stays_who_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert account_for(Path("/bin/true"), tmp_path) == Account((), None)


def test_root_takes_the_first_way_that_works(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ways() -> Iterator[Account]:
        yield Account(("/bin/false",), 0)
        yield Account(("/nowhere/setpriv",), NOBODY)
        yield Account(("/usr/bin/env",), NOBODY)

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "root_ways", ways)
    assert account_for(Path("/bin/true"), tmp_path).prefix == ("/usr/bin/env",)


def test_root_without_any_way_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(account, "root_ways", lambda: iter(()))
    with pytest.raises(ServerError, match=r"refuses to run as root.*PITWIRE_DATABASE_URL"):
        account_for(Path("/bin/true"), tmp_path)


def test_a_machine_without_the_tools_offers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    assert list(root_ways()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_giving_reaches_everything_below(tmp_path: Path) -> None:
    deep = tmp_path / "given" / "deep"
    deep.mkdir(parents=True)
    (deep / "file").touch()
    (tmp_path / "kept").touch()
    Account((), NOBODY).give(tmp_path / "given")
    assert {path.stat().st_uid for path in (tmp_path / "given", deep, deep / "file")} == {NOBODY}
    assert (tmp_path / "kept").stat().st_uid == 0
