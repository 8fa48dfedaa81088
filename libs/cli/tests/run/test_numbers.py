"""Figures of a run and how they are told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from pitwire.cli.run.numbers import Numbers, StrategyNumbers, net_positions
from pitwire.cli.run.summary import SpeedMeter, live_line, money, summary_document

PART = StrategyNumbers(
    orders=2, fills=1, denials=0, position={"BTC-USDT.sim": Decimal("0.1")}, realised_pnl=Decimal(5), fees=Decimal(1)
)
NUMBERS = Numbers(
    candles=10,
    orders=2,
    fills=1,
    denials=3,
    equity=Decimal("100004.126"),
    positions={"BTC-USDT.sim": Decimal("0.100")},
    strategies={"momentum": PART},
)
VENUE = {"speed": 60.0, "speed_reached": 59.6, "ended": False}


def row(strategy: str, instrument: str, quantity: str) -> dict[str, object]:
    return {"strategy": strategy, "instrument_id": instrument, "quantity": Decimal(quantity)}


def test_positions_are_added_over_strategies_and_flat_ones_left_out() -> None:
    rows = [row("a", "BTC", "1"), row("b", "BTC", "0.5"), row("a", "ETH", "2"), row("b", "ETH", "-2")]
    assert net_positions(rows) == {"BTC": Decimal("1.5")}


def test_the_live_line_says_everything_at_once() -> None:
    assert live_line(NUMBERS, VENUE, ()) == (
        "candles 10 | orders 2  fills 1  denials 3 | positions BTC-USDT.sim 0.1 | equity 100,004.13 | speed 60 of 60"
    )


def test_the_live_line_says_what_is_missing_instead_of_guessing() -> None:
    assert live_line(None, {}, ("execution",)) == "database not reached | NOT READY: execution"
    assert "positions none" in live_line(replace(NUMBERS, positions={}, equity=None), VENUE, ())
    assert "equity unknown" in live_line(replace(NUMBERS, equity=None), VENUE, ())
    assert live_line(NUMBERS, VENUE | {"ended": True}, ()).endswith("the recording has ended")


def test_the_summary_holds_totals_strategies_speed_and_verdict() -> None:
    document = summary_document(NUMBERS, VENUE, {"holds": True}, seconds=20.00049, restarts=1)
    assert (document["candles"], document["orders"], document["fills"], document["denials"]) == (10, 2, 1, 3)
    assert document["strategies"]["momentum"]["realised_pnl"] == 5
    assert document["strategies"]["momentum"]["position"] == {"BTC-USDT.sim": Decimal("0.1")}
    assert (document["speed_reached"], document["verify"], document["seconds"]) == (59.6, {"holds": True}, 20.0)


def test_without_a_database_figures_are_null_and_never_zero() -> None:
    document = summary_document(None, {}, None, seconds=1, restarts=0)
    assert {document[key] for key in ("candles", "orders", "fills", "denials", "equity", "speed_reached")} == {None}


def test_speed_is_market_time_over_wall_time_since_the_market_was_let_go() -> None:
    meter = SpeedMeter(market_ms=1_000, now_ns=5_000_000_000)
    assert meter.reached(market_ms=1_000, now_ns=5_000_000_000) == 0
    assert meter.reached(market_ms=121_000, now_ns=7_000_000_000) == 60


def test_money_has_two_decimals() -> None:
    assert (money(Decimal("1234.5")), money(None)) == ("1,234.50", "unknown")
