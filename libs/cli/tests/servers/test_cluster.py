"""A data directory appears whole or not at all."""

from pathlib import Path

import pytest

from pitwire.cli.servers import ServerError
from pitwire.cli.servers.account import account_for
from pitwire.cli.servers.binaries import PostgresBinaries, find_postgres
from pitwire.cli.servers.cluster import empty_template, make_cluster, run

pytestmark = pytest.mark.integration


def make(target: Path, binaries: PostgresBinaries, *, cache: Path | None = None) -> None:
    account = account_for(find_postgres().folder / "postgres", target.parent)
    template = empty_template(cache, binaries, account) if cache else None
    make_cluster(target, binaries, account, template=template, durable=False)


def test_the_password_is_for_the_owner_alone(tmp_path: Path) -> None:
    make(tmp_path / "cluster", find_postgres())
    secret = tmp_path / "cluster" / "password"
    assert secret.stat().st_mode & 0o777 == 0o600
    assert len(secret.read_text()) >= 24


def test_a_failed_attempt_leaves_nothing_that_looks_made(tmp_path: Path) -> None:
    (tmp_path / "initdb").write_text("#!/bin/sh\necho no room left >&2; exit 1\n")
    (tmp_path / "initdb").chmod(0o755)
    with pytest.raises(ServerError, match="initdb in .* failed with code 1: no room left"):
        make(tmp_path / "cluster", PostgresBinaries(tmp_path, "test", "18.0"))
    assert not (tmp_path / "cluster").exists()
    make(tmp_path / "cluster", find_postgres())


def test_the_template_is_made_once(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    make(tmp_path / "first", find_postgres(), cache=cache)
    made = [path.stat().st_ino for path in cache.glob("*/data")]
    make(tmp_path / "second", find_postgres(), cache=cache)
    assert len(made) == 1
    assert [path.stat().st_ino for path in cache.glob("*/data")] == made


def test_a_command_that_cannot_run_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="initdb in .*No such file"):
        run([str(tmp_path / "initdb")], tmp_path, what="initdb")
