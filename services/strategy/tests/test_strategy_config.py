"""Settings of the strategy service."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.common.errors import ConfigError
from pitwire.strategy.config import Config, check_books, check_instruments, spec_of

FILE = Path(__file__).parents[3] / "pitwire.toml"


def test_the_shipped_file_gives_a_spec_for_each_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_CONFIG", str(FILE))
    config = Config.from_env()
    specs = [spec_of(name, strategy) for name, strategy in config.pitwire.strategies.items()]
    assert [spec.name for spec in specs] == ["momentum", "mean_reversion"]
    assert all(spec.instruments and spec.ttl_ns == 2_000_000_000 for spec in specs)
    assert config.folders[0] == FILE.resolve().parent


def test_a_strategy_on_an_instrument_that_nobody_follows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """S-53: symbols of strategies were never checked against those of the system."""
    monkeypatch.setenv("PITWIRE_CONFIG", str(FILE))
    config = Config.from_env().pitwire
    strange = config.strategies["momentum"].model_copy(update={"instruments": ("XRP-USDT.sim",)})
    with pytest.raises(ConfigError, match=r"strategies\.odd\.instruments: XRP-USDT\.sim is not followed"):
        check_instruments(config.model_copy(update={"strategies": {"odd": strange}}))


def test_a_strategy_that_wants_a_book_that_nobody_follows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_CONFIG", str(FILE))
    config = Config.from_env().pitwire
    with pytest.raises(ConfigError, match=r"venues\.sim\.books: momentum has on_book and wants the book of BTC-USDT"):
        check_books(config, "momentum")
    sim = config.venues["sim"].model_copy(update={"books": config.venues["sim"].instruments})
    check_books(config.model_copy(update={"venues": {"sim": sim}}), "momentum")
