"""Finding the running system."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pitwire.cli.discovery import NotRunning, Running, VenueAddress, find_running, remove_current, write_current
from pitwire.cli.servers import DirectoryLock
from pitwire.common.errors import ConfigError

RUNNING = Running(
    nats_url="nats://127.0.0.1:1",
    database_url="postgresql+psycopg://u:secret@127.0.0.1:2/d",
    operator_seed=Path("/x/operator.nk"),
    config=Path("/x/pitwire.toml"),
    run=Path("/x"),
    pid=3,
    started_ns=4,
    market="generated",
    speed=60.0,
    venue=VenueAddress("http://a", "ws://a", "ws://a/ws-api/v3", "http://b"),
    health={"strategy": "http://c"},
)


def test_what_up_leaves_is_what_the_others_find_while_it_lives(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path, timeout_s=1):
        write_current(tmp_path, RUNNING)
        assert find_running(tmp_path, {}) == RUNNING


def test_the_file_holds_a_password_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    write_current(tmp_path, RUNNING)
    write_current(tmp_path, RUNNING)
    assert (tmp_path / "current.json").stat().st_mode & 0o077 == 0


def test_what_a_killed_up_left_behind_is_not_believed(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path, timeout_s=1):
        write_current(tmp_path, RUNNING)
    with pytest.raises(NotRunning):
        find_running(tmp_path, {})


def test_nothing_is_found_after_it_was_taken_away(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path, timeout_s=1):
        write_current(tmp_path, RUNNING)
        remove_current(tmp_path)
        with pytest.raises(NotRunning, match="pitwire up"):
            find_running(tmp_path, {})


def test_the_environment_wins(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path, timeout_s=1):
        write_current(tmp_path, RUNNING)
        found = find_running(tmp_path, {"PITWIRE_NATS_URL": "nats://elsewhere:4222"})
    assert found == replace(RUNNING, nats_url="nats://elsewhere:4222")


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    environ = {"PITWIRE_NATS_URL": "nats://h:1", "PITWIRE_NATS_SEED_FILE": "/s.nk", "PITWIRE_CONFIG": "/c.toml"}
    found = find_running(tmp_path, environ)
    assert (found.nats_url, found.operator_seed, found.config) == ("nats://h:1", Path("/s.nk"), Path("/c.toml"))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "current.json").write_text("{")
    with pytest.raises(ConfigError, match=r"current\.json"):
        find_running(tmp_path, {})
