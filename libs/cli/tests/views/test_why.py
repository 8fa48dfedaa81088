"""The story of one evaluation as a person reads it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pitwire.cli.views.why import chain_text, market_ns
from pitwire.common.errors import UsageError

SEEN: dict[str, Any] = {
    "event_at": datetime(2024, 7, 26, 18, 0, tzinfo=UTC),
    "strategy": "momentum",
    "instrument_id": "BTC-USDT.sim",
    "signal": "BUY",
    "reason": "crossed up",
    "values": {"fast": "101"},
    "target_position": Decimal("0.100"),
    "intent_no": 3,
    "verdict": None,
    "order": None,
    "fills": [],
}
DENIED: dict[str, Any] = {
    "verdict": "DENIED",
    "code": "ORDER_VALUE_EXCEEDED",
    "limit_value": Decimal(1000),
    "observed": Decimal("6500.0"),
    "detail": "",
    "client_order_id": None,
    "side": "BUY",
    "quantity": Decimal("0.1"),
    "order_type": "MARKET",
    "limit_price": None,
}


def test_a_denial_is_told_with_code_limit_observed_and_meaning() -> None:
    text = chain_text(SEEN | {"verdict": DENIED})
    assert "saw      fast 101" in text
    assert "asked    BUY 0.1 MARKET" in text
    assert "DENIED ORDER_VALUE_EXCEEDED: limit 1,000, observed 6,500." in text
    assert "order_value_max" in text


def test_an_order_is_told_to_its_fills() -> None:
    order = {"order_status": "FILLED", "cum_quantity": Decimal("0.1"), "average_price": Decimal(65000), "reason": ""}
    fill = {
        "quantity": Decimal("0.1"),
        "price": Decimal(65000),
        "fee": Decimal("0.0001"),
        "fee_currency": "BTC",
        "liquidity": "TAKER",
        "realised_pnl": Decimal(0),
    }
    approved = DENIED | {"verdict": "APPROVED", "code": None, "client_order_id": "ID"}
    text = chain_text(SEEN | {"verdict": approved, "order": order, "fills": [fill]})
    assert "APPROVED, order ID" in text
    assert "FILLED, filled 0.1 at 65,000" in text
    assert "fee 0.0001 BTC, TAKER" in text


def test_no_intent_and_no_answer_yet_are_two_things() -> None:
    assert "asked    for nothing" in chain_text(SEEN | {"intent_no": 0})
    assert "was not answered yet" in chain_text(SEEN)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:01Z", 1_000_000_000),
        ("1970-01-01 00:00:01", 1_000_000_000),
        ("1970-01-01T01:00:01+01:00", 1_000_000_000),
        ("2024-07-26T18:00:00.25Z", 1_722_016_800_250_000_000),
    ],
)
def test_times_are_iso_and_utc_unless_they_say_otherwise(text: str, ns: int) -> None:
    assert market_ns(text) == ns


def test_a_time_that_is_none_is_refused() -> None:
    with pytest.raises(UsageError, match="2024-07-26T18:00:00Z"):
        market_ns("yesterday")
