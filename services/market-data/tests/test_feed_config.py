"""Which candles are followed, and mistakes named with their place."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.common.config import PitwireConfig
from pitwire.common.errors import ConfigError
from pitwire.market_data.config import intervals_of


def config(**strategy: Any) -> PitwireConfig:
    venue = {"rest": "http://h", "ws": "ws://h", "ws_api": "ws://h/a", "instruments": ["BTC-USDT", "ETH-USDT"]}
    limits = {
        "order_value_max": "1", "position_value_max": "1", "open_positions_max": 1, "daily_loss_max_percent": "1",
        "drawdown_max_percent": "1", "instruments_allowed": ["BTC-USDT.sim"],
    }  # fmt: skip
    one = {"type": "momentum", "account": "main", "capital": "1", "instruments": ["BTC-USDT.sim"]} | strategy
    return PitwireConfig.model_validate(
        {
            "venues": {"sim": venue},
            "venue_accounts": {},
            "accounts": {"main": {"quote": "USDT", "capital": {}, "limits": limits}},
            "strategies": {"one": one},
        }
    )


def test_every_instrument_has_the_base_interval_and_those_of_its_strategies() -> None:
    found = intervals_of(config(interval="5m"))
    assert found == {"sim": {"BTC-USDT.sim": ("1m", "5m"), "ETH-USDT.sim": ("1m",)}}


def test_an_interval_that_is_none_is_named_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"strategies\.one\.interval: interval '7x' must be"):
        intervals_of(config(interval="7x"))


def test_a_strategy_on_an_instrument_that_is_not_followed_is_named() -> None:
    """S-53: symbols of strategies were never checked against those of the system."""
    with pytest.raises(ConfigError, match=r"strategies\.one\.instruments: XRP-USDT\.sim is not followed"):
        intervals_of(config(instruments=["XRP-USDT.sim"]))
