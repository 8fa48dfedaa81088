"""The configuration file: every mistake is named with its place, and nothing wrong is accepted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.common.config import ServiceSettings, load_config
from pitwire.common.errors import ConfigError

GOOD = """
[venues.sim]
rest = "http://127.0.0.1:1"
ws = "ws://127.0.0.1:1"
ws_api = "ws://127.0.0.1:1/ws-api/v3"
instruments = ["BTC-USDT"]

[venue_accounts.sim-main]
venue = "sim"
account = "main"
key_file = "keys/sim.json"

[accounts.main]
quote = "USDT"
capital = { USDT = "100000" }

[accounts.main.limits]
order_value_max = "10000"
position_value_max = "20000"
open_positions_max = 5
daily_loss_max_percent = "5"
drawdown_max_percent = "15"
instruments_allowed = ["BTC-USDT.sim"]

[strategies.momentum]
type = "momentum"
account = "main"
capital = "50000"
instruments = ["BTC-USDT.sim"]
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "pitwire.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_the_file_and_resolves_key_files_from_its_folder(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, GOOD))
    assert config.venue_accounts["sim-main"].key_file == tmp_path / "keys/sim.json"
    assert config.instruments() == ("BTC-USDT.sim",)


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('order_value_max = "10000"', 'order_value_max = "-1"', "accounts.main.limits.order_value_max"),
        ('order_value_max = "10000"', "order_value_max = 10000.0", "accounts.main.limits.order_value_max"),
        ('order_value_max = "10000"', 'order_value_max = "NaN"', "accounts.main.limits.order_value_max"),
        ('drawdown_max_percent = "15"', 'drawdown_max_percent = "150"', "drawdown_max_percent"),
        ("open_positions_max = 5", "open_positions_max = 0", "open_positions_max"),
        ('quote = "USDT"', 'quote = "USDT"\nquoted = 1', "accounts.main.quoted: unknown key"),
        (
            "[accounts.main.limits]",
            "[accounts.main.limits]\nmax_orders = 1",
            "accounts.main.limits.max_orders: unknown key",
        ),
        (
            'venue = "sim"',
            'venue = "binance"',
            "venue_accounts.sim-main.venue: 'binance' is not configured; known: sim",
        ),
        ('account = "main"\ncapital', 'account = "other"\ncapital', "strategies.momentum.account"),
        ('instruments = ["BTC-USDT"]', "instruments = []", "venues.sim.instruments"),
        ('instruments = ["BTC-USDT"]', 'instruments = ["BTCUSDT"]', "venues.sim.instruments.0"),
        (
            'instruments = ["BTC-USDT.sim"]\n',
            'instruments = ["BTC-USDT.sim", "ETH-EUR.sim"]\n',
            "ETH-EUR.sim is quoted in EUR, and account main counts in USDT; add EUR-USDT of some venue",
        ),
        ("[strategies.momentum]", "[strategies.manual]", "kept for orders of operators"),
        ("[venues.sim]", "[venues.sim", "is not TOML"),
        ('rest = "http://127.0.0.1:1"', 'rest = "ftp://x"', "venues.sim.rest"),
    ],
)
def test_names_what_is_wrong(tmp_path: Path, old: str, new: str, named: str) -> None:
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    assert named in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "nowhere.toml")


def test_the_hash_changes_with_any_setting(tmp_path: Path) -> None:
    first = load_config(write(tmp_path, GOOD)).config_hash
    assert load_config(write(tmp_path, GOOD)).config_hash == first
    assert load_config(write(tmp_path, GOOD.replace('"10000"', '"10001"'))).config_hash != first


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PITWIRE_HEALTH_PORT", "http"),
        ("PITWIRE_HEALTH_PORT", "70000"),
        ("PITWIRE_SLOT", "a.b"),
        ("PITWIRE_LOG_LEVEL", "x"),
    ],
)
def test_a_bad_environment_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name.removeprefix("PITWIRE_").lower()):
        ServiceSettings.from_env({name: value})


def test_an_empty_environment_has_safe_defaults() -> None:
    settings = ServiceSettings.from_env({})
    assert settings.health_host == "127.0.0.1"


def binance(network: str, mode: str, extra: str = "") -> str:
    """The good file with one venue that names its network and no address."""
    addresses = GOOD.partition("[venue_accounts")[0]
    venue = f'[run]\nmode = "{mode}"\n[venues.sim]\nnetwork = "{network}"\ninstruments = ["BTC-USDT"]\n{extra}\n'
    return GOOD.replace(addresses, venue)


@pytest.mark.parametrize(
    ("network", "mode", "rest"),
    [
        ("testnet", "testnet", "https://testnet.binance.vision"),
        ("demo", "testnet", "https://demo-api.binance.com"),
        ("live", "live", "https://api.binance.com"),
    ],
)
def test_a_network_sets_the_addresses(tmp_path: Path, network: str, mode: str, rest: str) -> None:
    venue = load_config(write(tmp_path, binance(network, mode))).venues["sim"]
    assert venue.rest == rest
    assert all(url.startswith("wss://") for url in (venue.ws, venue.ws_api))
    here = load_config(write(tmp_path, binance(network, mode, 'rest = "http://127.0.0.1:1"'))).venues["sim"]
    assert (here.rest, here.ws_api) == ("http://127.0.0.1:1", venue.ws_api)


@pytest.mark.parametrize(
    ("network", "mode", "named"),
    [
        ("live", "paper", "venues.sim.network: live does not go with run.mode paper"),
        ("live", "testnet", "does not go with run.mode testnet"),
        ("testnet", "live", "does not go with run.mode live"),
        ("testnet", "paper", "does not go with run.mode paper"),
        ("moon", "paper", "venues.sim.network"),
        ("simulated", "paper", "venues.sim.rest"),
    ],
)
def test_a_network_that_does_not_go_with_the_mode_is_refused(
    tmp_path: Path, network: str, mode: str, named: str
) -> None:
    """X-19: no slip in one line reaches real money."""
    with pytest.raises(ConfigError, match=named.replace(".", r"\.")):
        load_config(write(tmp_path, binance(network, mode)))


def test_a_real_address_under_the_name_of_the_simulated_venue_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="api.binance.com is not simulated"):
        load_config(write(tmp_path, GOOD.replace("http://127.0.0.1:1", "https://api.binance.com")))


@pytest.mark.parametrize(
    ("extra", "named"),
    [
        ('exchange = "kraken"', "exchange: kraken needs kind = ccxt"),
        ('kind = "binance"', "rest, ws, ws_api: needed where no network sets it|venues.sim.rest"),
    ],
)
def test_a_venue_without_addresses_is_one_of_ccxt(tmp_path: Path, extra: str, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        load_config(write(tmp_path, binance("simulated", "paper", extra)))
    kraken = binance("live", "live", 'kind = "ccxt"\nexchange = "kraken"')
    assert load_config(write(tmp_path, kraken)).venues["sim"].rest == ""
