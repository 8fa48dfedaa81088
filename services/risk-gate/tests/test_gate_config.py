"""The gate's settings come from the environment and the one configuration file."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.common.errors import ConfigError
from pitwire.risk_gate.config import Config


def test_a_missing_configuration_file_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PITWIRE_CONFIG", str(tmp_path / "nowhere.toml"))
    with pytest.raises(ConfigError, match="nowhere.toml"):
        Config.from_env()
