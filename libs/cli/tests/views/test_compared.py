"""What `pitwire compare` refuses, and how it tells what it found."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pitwire.backtest.core.beside_live import Beside, Filled
from pitwire.cli.views.compared import compare, reply
from pitwire.cli.views.replayed import Kept
from pitwire.common.enums import Side
from pitwire.common.errors import UsageError
from pitwire.common.testing.hands import CONFIG
from pitwire.common.testing.journal import BTC

NOTHING = Kept({}, {}, (), {}, 0)


def test_a_run_without_candles_is_refused() -> None:
    with pytest.raises(UsageError, match=f"{BTC}: no candles are kept"):
        compare(NOTHING, CONFIG, "main", {}, (Path(),))


def test_strategies_on_candles_of_different_lengths_are_refused() -> None:
    one = CONFIG.strategies["momentum"]
    both = {"momentum": one, "slow": one.model_copy(update={"interval": "1h"})}
    with pytest.raises(UsageError, match="are on candles of 1h and 1m; one interval is needed"):
        compare(NOTHING, CONFIG.model_copy(update={"strategies": both}), "main", {}, (Path(),))


def test_both_sides_stand_in_table_and_document() -> None:
    live = Filled(60_250_000_000, Decimal("0.5"), Decimal(101), Decimal("0.05"))
    found = reply([Beside(("momentum", BTC, Side.BUY, 60_000_000_000), live, None, "because")])
    document: Any = found.document
    (order,) = document["orders"]
    assert (order["live"]["price"], order["backtest"], order["delay_ms"], order["why"]) == (101, None, 250, "because")
    assert document["summary"]["only_live"] == 1
