"""What is made without checks equals what is made with them."""

from __future__ import annotations

from decimal import Decimal

from pitwire.backtest.core.trusted import trusted
from pitwire.common import codec
from pitwire.common.enums import ExecType, OrderStatus, Side
from pitwire.common.schemas.execution import ExecReport


def test_a_trusted_message_is_the_checked_one() -> None:
    fields = {
        "account": "main",
        "exec_no": 1,
        "epoch": 0,
        "strategy": "momentum",
        "client_order_id": "A1",
        "ts_ns": 5,
        "venue": "sim",
        "venue_account": "sim-main",
        "instrument_id": "BTC-USDT.sim",
        "side": Side.BUY,
        "exec_type": ExecType.TRADE,
        "order_status": OrderStatus.FILLED,
        "last_quantity": Decimal("0.1"),
        "ts_event_ns": 4,
    }
    checked = ExecReport.model_validate(fields)
    made = trusted(ExecReport, **fields)
    assert made == checked
    assert codec.encode(made) == codec.encode(checked)
    assert made.model_copy(update={"reason": "x"}).reason == "x"
