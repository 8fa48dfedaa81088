"""The configuration of a bus that somebody else runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitwire.cli.discovery import NotRunning
from pitwire.cli.views.topology import apply_to_running, write_server_config

SHIPPED = Path(__file__).parents[4] / "pitwire.toml"


def test_the_server_gets_public_keys_only_and_seeds_are_for_their_owner_alone(tmp_path: Path) -> None:
    seeds, file = tmp_path / "seeds", tmp_path / "deep" / "nats.json"
    write_server_config(SHIPPED, seeds, file, host="0.0.0.0", port=4222, store="/data")
    text = file.read_text()
    document = json.loads(text)
    assert (document["port"], document["jetstream"]["store_dir"]) == (4222, "/data")
    written = sorted(seeds.glob("*.nk"))
    assert "operator.nk" in [path.name for path in written]
    assert [path.name for path in written if path.read_text().strip() in text] == []
    assert [path.name for path in written if path.stat().st_mode & 0o077] == []


def test_identities_that_are_there_are_kept(tmp_path: Path) -> None:
    for _ in range(2):
        write_server_config(SHIPPED, tmp_path / "s", tmp_path / "nats.json", host="127.0.0.1", port=1, store="/d")
    first = (tmp_path / "nats.json").read_text()
    write_server_config(SHIPPED, tmp_path / "s", tmp_path / "nats.json", host="127.0.0.1", port=1, store="/d")
    assert (tmp_path / "nats.json").read_text() == first


def test_apply_without_a_bus_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        apply_to_running(tmp_path, None)
