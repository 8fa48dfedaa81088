"""The configuration wants what the market has."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.cli.run.venue import refuse_unserved, served_symbols
from pitwire.cli.run.venue_control import VenueControlFailed
from pitwire.common.config import load_config
from pitwire.common.errors import ConfigError

CONFIG = load_config(Path(__file__).parents[4] / "pitwire.toml")


def test_what_the_market_has_passes() -> None:
    refuse_unserved(CONFIG, "sim", frozenset({"BTC-USDT", "ETH-USDT", "SOL-USDT"}), "generated")


def test_what_it_lacks_is_named_with_what_it_has() -> None:
    with pytest.raises(
        ConfigError, match=r"venues\.sim\.instruments: ETH-USDT not in the market \(folder\); it has BTC"
    ):
        refuse_unserved(CONFIG, "sim", frozenset({"BTC-USDT"}), "folder")


async def test_a_venue_that_does_not_answer_is_named() -> None:
    with pytest.raises(VenueControlFailed, match="exchangeInfo"):
        await served_symbols("http://127.0.0.1:1")
