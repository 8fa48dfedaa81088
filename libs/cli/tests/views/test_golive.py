"""What speaks against the next step, by the configuration that it would have."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.cli.views.golive import _clock, _money, limits, step
from pitwire.common.config import Mode, PitwireConfig, load_config
from pitwire.execution.adapters.binance.probe import Probe

CONFIG = load_config(Path(__file__).parents[4] / "pitwire.toml")


def changed(**limit: Any) -> PitwireConfig:
    raw = CONFIG.model_dump()
    raw["accounts"]["main"]["limits"] |= limit
    return PitwireConfig.model_validate(raw)


@pytest.mark.parametrize(
    ("wanted", "runs", "reason"),
    [
        (Mode.TESTNET, Mode.PAPER, ""),
        (Mode.LIVE, Mode.TESTNET, ""),
        (Mode.LIVE, Mode.LIVE, ""),
        (Mode.LIVE, Mode.PAPER, "let it run in testnet first"),
        (Mode.PAPER, Mode.PAPER, "paper needs no leave"),
    ],
)
def test_nobody_jumps_a_step(wanted: Mode, runs: Mode, reason: str) -> None:
    assert step(wanted, runs).reason.startswith(reason)
    assert bool(step(wanted, runs).reason) == bool(reason)


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({}, ""),
        ({"order_value_max": "100001"}, "order_value_max 100001"),
        ({"daily_loss_max_percent": "25"}, "daily_loss_max_percent 25 is above 10"),
        ({"instruments_allowed": []}, "instruments_allowed names nothing"),
    ],
)
def test_limits_have_to_limit_something(limit: dict[str, Any], reason: str) -> None:
    (found,) = limits(changed(**limit))
    assert found.reason.startswith(reason)
    assert bool(found.reason) == bool(reason)


def test_a_clock_that_is_off_and_money_that_is_not_there_are_reasons() -> None:
    good, bad = Probe(-200, {"USDT": Decimal(100_000)}), Probe(900, {"USDT": Decimal(99)})
    assert _clock("sim-main", good).reason == ""
    assert "NTP" in _clock("sim-main", bad).reason
    assert [each.reason for each in _money(CONFIG, "sim-main", good)] == [""]
    (found,) = _money(CONFIG, "sim-main", bad)
    assert (found.figure, "capital says 100000" in found.reason) == ("99 at the venue", True)
