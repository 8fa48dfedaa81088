"""Settings of execution."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.common.errors import ConfigError
from pitwire.execution.config import Config

FILE = """
[venues.sim]
rest = "http://127.0.0.1:1"
ws = "ws://127.0.0.1:1"
ws_api = "ws://127.0.0.1:1/ws-api/v3"
instruments = ["BTC-USDT"]
[venue_accounts.sim-main]
venue = "sim"
account = "main"
key_file = "keys/k.json"
[accounts.main]
quote = "USDT"
capital = {USDT = "1000"}
[accounts.main.limits]
order_value_max = "1"
position_value_max = "1"
open_positions_max = 1
daily_loss_max_percent = "1"
drawdown_max_percent = "1"
instruments_allowed = ["BTC-USDT.sim"]
"""


def test_each_account_knows_its_venue_accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pitwire.toml"
    path.write_text(FILE)
    monkeypatch.setenv("PITWIRE_CONFIG", str(path))
    monkeypatch.setenv("PITWIRE_DATA_DIR", str(tmp_path / "data"))
    config = Config.from_env()
    assert config.venue_accounts_of("main") == {"sim-main": "sim"}
    assert config.service.data_dir == tmp_path / "data"
    assert config.pitwire.venue_accounts["sim-main"].key_file == tmp_path / "keys" / "k.json"


def test_a_mistake_in_the_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pitwire.toml"
    path.write_text(FILE.replace('venue = "sim"', 'venue = "moon"'))
    monkeypatch.setenv("PITWIRE_CONFIG", str(path))
    with pytest.raises(ConfigError, match=r"venue_accounts\.sim-main\.venue"):
        Config.from_env()
