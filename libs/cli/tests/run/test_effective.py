"""The configuration a run really uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pitwire.cli.discovery import VenueAddress
from pitwire.cli.run.effective import load_given, simulated_venue, write_effective
from pitwire.cli.run.plan import RunFolder
from pitwire.common.config import load_config
from pitwire.common.errors import ConfigError

SHIPPED = Path(__file__).parents[4] / "pitwire.toml"
ADDRESS = VenueAddress(
    http="http://127.0.0.1:1234",
    ws="ws://127.0.0.1:1234",
    ws_api="ws://127.0.0.1:1234/ws-api/v3",
    control="http://127.0.0.1:1235",
)
KEYS = {"api_key": "k", "api_secret": "s"}


def written(folder: Path) -> RunFolder:
    run = RunFolder(folder)
    _, raw = load_given(SHIPPED)
    write_effective(raw, run, venue="sim", address=ADDRESS, keys=KEYS)
    return run


def test_addresses_of_the_simulated_venue_are_filled_in_and_the_rest_stays(tmp_path: Path) -> None:
    effective, shipped = load_config(written(tmp_path).config), load_config(SHIPPED)
    assert effective.venues["sim"].rest == ADDRESS.http
    assert effective.venues["sim"].ws_api == ADDRESS.ws_api
    assert effective.accounts == shipped.accounts
    assert effective.strategies == shipped.strategies


def test_key_file_is_written_for_its_owner_alone(tmp_path: Path) -> None:
    key_file = load_config(written(tmp_path).config).venue_accounts["sim-main"].key_file
    assert json.loads(key_file.read_text()) == KEYS
    assert key_file.stat().st_mode & 0o077 == 0


def test_paths_are_meant_from_the_folder_of_the_given_file(tmp_path: Path) -> None:
    given = tmp_path / "pitwire.toml"
    given.write_text(SHIPPED.read_text().replace('type = "momentum"', 'type = "own/dip.py:Dip"'))
    config, raw = load_given(given)
    run = RunFolder(tmp_path / "elsewhere")
    run.root.mkdir()
    write_effective(raw, run, venue=None, address=None, keys={})
    effective = load_config(run.config)
    assert effective.strategies["momentum"].type == f"{tmp_path}/own/dip.py:Dip"
    assert effective.strategies["mean_reversion"].type == "mean_reversion"
    assert effective.venue_accounts == config.venue_accounts


def test_writing_again_replaces_the_key(tmp_path: Path) -> None:
    written(tmp_path)
    assert json.loads(written(tmp_path).key_file("sim-main").read_text()) == KEYS


def test_paper_mode_with_two_venues_is_refused(tmp_path: Path) -> None:
    text = SHIPPED.read_text() + (
        '\n[venues.other]\nrest = "http://h"\nws = "ws://h"\nws_api = "ws://h"\ninstruments = ["BTC-USDT"]\n'
    )
    path = tmp_path / "pitwire.toml"
    path.write_text(text)
    config, _ = load_given(path)
    with pytest.raises(ConfigError, match="simulates one venue, not 2"):
        simulated_venue(config, path)


def test_no_venue_is_simulated_outside_paper_mode(tmp_path: Path) -> None:
    path = tmp_path / "pitwire.toml"
    path.write_text(SHIPPED.read_text().replace('mode = "paper"', 'mode = "testnet"'))
    config, _ = load_given(path)
    assert simulated_venue(config, path) is None


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("order_value_max", "order_valu_max", "accounts.main.limits.order_valu_max: unknown key"),
        ('order_value_max = "10000"', 'order_value_max = "-1"', "accounts.main.limits.order_value_max"),
        ('order_value_max = "10000"', 'order_value_max = "NaN"', "accounts.main.limits.order_value_max"),
        ('account = "main"\ncapital', 'account = "nobody"\ncapital', "strategies.momentum.account"),
        (
            '["BTC-USDT.sim", "ETH-USDT.sim"]\ninterval',
            '["BTC-USDT.moon"]\ninterval',
            "strategies.momentum.instruments",
        ),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_place(tmp_path: Path, old: str, new: str, place: str) -> None:
    path = tmp_path / "pitwire.toml"
    path.write_text(SHIPPED.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_given(path)
    assert place in str(caught.value)
    assert str(path) in str(caught.value)
