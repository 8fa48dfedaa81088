"""What a person mistypes is caught before the gate is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.cli.views.operating import approved_order, check_names, check_order, place_order, set_limits
from pitwire.common.config import load_config
from pitwire.common.enums import CommandStatus
from pitwire.common.errors import PitwireError, UsageError
from pitwire.common.schemas.control import CommandResult

CONFIG = load_config(Path(__file__).parents[4] / "pitwire.toml")
MARKET = {
    "side": "BUY",
    "order_type": "MARKET",
    "time_in_force": "GTC",
    "quantity": "0.01",
    "instrument_id": "BTC-USDT.sim",
}


def result(text: str) -> CommandResult:
    return CommandResult(
        command_id="c", operator="operator", service="risk-gate", status=CommandStatus.DONE, data={"1": text}, ts_ns=1
    )


def test_good_orders_pass() -> None:
    check_order(MARKET)
    check_order(MARKET | {"order_type": "LIMIT", "limit_price": "60000.10"})
    check_names(MARKET, "main", CONFIG)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"side": "HOLD"}, "give one of BUY, SELL"),
        ({"quantity": "0"}, "above zero"),
        ({"quantity": "-1"}, "above zero"),
        ({"quantity": "NaN"}, "above zero"),
        ({"quantity": "lots"}, "not a number"),
        ({"order_type": "LIMIT"}, "needs a --price"),
        ({"limit_price": "1"}, "takes no --price"),
        ({"time_in_force": "GTD"}, "GTC, IOC, FOK"),
    ],
)
def test_a_mistyped_order_is_refused_with_what_would_be_right_also_where_nothing_runs(
    change: dict[str, str], what: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=what):
        place_order(tmp_path, account="main", reason="r", args=MARKET | change)


@pytest.mark.parametrize(
    ("change", "account", "what"),
    [({"instrument_id": "BTCUSDT"}, "main", "known: BTC-USDT.sim"), ({}, "other", "known: main")],
)
def test_a_name_that_is_not_configured_is_refused_with_those_that_are(
    change: dict[str, str], account: str, what: str
) -> None:
    with pytest.raises(UsageError, match=what):
        check_names(MARKET | change, account, CONFIG)


def test_the_order_id_is_taken_from_an_approval_and_from_nothing_else() -> None:
    assert approved_order(result("APPROVED ABC")) == "ABC"
    assert approved_order(result("DENIED ORDER_VALUE_EXCEEDED limit=1 observed=2")) == ""
    assert approved_order(result("")) == ""


@pytest.mark.parametrize("change", ["order_value_max", "=5", "order_value_max="])
def test_a_limit_is_changed_by_name_and_value(change: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="write it as"):
        set_limits(tmp_path, account="main", reason="r", changes=(change,))


def test_a_well_written_change_needs_a_running_system(tmp_path: Path) -> None:
    with pytest.raises(PitwireError, match="nothing runs here"):
        set_limits(tmp_path, account="main", reason="r", changes=("order_value_max=5",))
