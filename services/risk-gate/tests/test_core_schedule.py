"""What the gate writes unasked: the session day once, marks in time, pauses; and what it tells of the account."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import DenialCode
from pitwire.common.errors import InvariantBroken
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.control import RiskMetrics
from pitwire.common.schemas.ledger import CapitalRecorded, Cursors, DayRolled, Denied, MarksRecorded, StrategyPaused
from pitwire.common.testing.journal import BTC, DAY, ETH, START_NS, STRATEGY, VENUE_ACCOUNT, Journal, limits, mark
from pitwire.risk_gate.core import day_due, marks_due, marks_record, metrics, new_marks, quarantine_due, session_day
from pitwire.risk_gate.core.schedule import MALFORMED_MAX, crosses_limit

D = Decimal
SECOND = 1_000_000_000
DAY_NS = 86_400 * SECOND


def place(desk: Any) -> dict[str, Any]:
    state = desk.state
    return {
        "account": state.account,
        "ledger_no": state.ledger_no + 1,
        "epoch": state.epoch,
        "prev_hash": state.prev_hash,
        "cursors": Cursors(oms_sequence=state.observed_sequence),
        "ts_ns": START_NS,
        "ts_market_ns": desk.ts_market_ns,
    }


def due(desk: Any, *, after_ns: int = 0, periodic: bool = True, quiet: bool = True) -> MarksRecorded | None:
    """What `marks_due` says at a market time after the last marks."""
    desk.ts_market_ns = max(desk.state.marks_ts_market_ns, START_NS) + after_ns
    if not marks_due(desk.state, desk.marks, ts_market_ns=desk.ts_market_ns, periodic=periodic, quiet=quiet):
        return None
    desk.state.advance(desk.state.observed_sequence)
    return marks_record(desk.state, desk.marks, place=place(desk))


# ---------------------------------------------------------------------------------------------------------------- day
def test_a_session_day_is_a_utc_day_of_the_market_clock() -> None:
    """S-59: no local clock, no time zone of the machine."""
    assert session_day(0) == "1970-01-01"
    assert session_day(DAY_NS - 1) == "1970-01-01"
    assert session_day(DAY_NS) == "1970-01-02"
    assert session_day(1_709_164_800 * SECOND - 1) == "2024-02-28"
    assert session_day(1_709_164_800 * SECOND) == "2024-02-29"
    assert session_day(START_NS) == DAY


def test_each_day_is_due_once_and_never_backwards(desk: Any) -> None:
    """S-21, I-24: the loss base is the equity at the start of the day."""
    desk.hold("2")
    desk.mark("110")
    marks = {BTC: desk.marks[BTC]}
    assert day_due(desk.state, marks, ts_market_ns=START_NS, place=place(desk)) is None
    event = day_due(desk.state, marks, ts_market_ns=START_NS + DAY_NS, place=place(desk))
    assert isinstance(event, DayRolled)
    assert (event.day, event.start_equity) == ("2023-11-15", D(100_020))
    desk.journal.write(DayRolled, day=event.day, start_equity=event.start_equity)
    for ns in (DAY_NS, 0, -DAY_NS):
        assert day_due(desk.state, marks, ts_market_ns=START_NS + ns, place=place(desk)) is None
    skipped = day_due(desk.state, marks, ts_market_ns=START_NS + 3 * DAY_NS, place=place(desk))
    assert skipped is not None
    assert skipped.day == "2023-11-17"


def test_no_day_is_rolled_before_the_market_has_a_time(desk: Any) -> None:
    assert day_due(desk.state, {}, ts_market_ns=0, place=place(desk)) is None


def test_a_day_is_rolled_on_everything_that_was_read(desk: Any) -> None:
    desk.journal.halt("h1")
    with pytest.raises(InvariantBroken, match="advance before deciding"):
        day_due(desk.state, {}, ts_market_ns=START_NS + DAY_NS, place=place(desk))


def test_yesterdays_loss_is_forgiven_by_the_new_day_and_the_peak_is_not(new_desk: Any) -> None:
    """S-20, S-21: loss from the start of the day, drawdown from the peak, both durable over a restart."""
    desk = new_desk(drawdown_max_percent=D(20), position_value_max=D(10**6))
    desk.hold("200")
    desk.mark("70")
    desk.journal.marks(desk.marks[BTC])
    assert desk.outcome("BUY", "0.1", limit_price="70").startswith("DAILY_LOSS_EXCEEDED")
    event = day_due(desk.state, desk.marks, ts_market_ns=START_NS + DAY_NS, place=place(desk))
    assert event is not None
    desk.journal.write(DayRolled, day=event.day, start_equity=event.start_equity)
    assert desk.outcome("BUY", "0.1", limit_price="70") == "OK"
    again = AccountState.restore(desk.state.snapshot())
    assert (again.day, again.start_of_day_equity, again.peak_equity) == ("2023-11-15", D(94_000), D(100_000))


# -------------------------------------------------------------------------------------------------------------- marks
def test_marks_are_recorded_once_a_second_while_something_is_exposed(desk: Any) -> None:
    desk.mark("100.01")
    assert due(desk, after_ns=10 * SECOND) is None
    desk.work("BUY", "1", limit_price="90")
    assert due(desk, after_ns=10 * SECOND) is None
    desk.mark("100.02")
    assert due(desk, after_ns=SECOND - 1) is None
    event = due(desk, after_ns=SECOND)
    assert event is not None
    assert [(m.instrument_id, m.mark_price) for m in event.marks] == [(BTC, D("100.02"))]
    assert due(desk, after_ns=SECOND, periodic=False) is None


def test_marks_are_recorded_at_once_where_a_limit_would_be_crossed(new_desk: Any) -> None:
    """S-19, R-11: loss and drawdown are seen when they happen, not when an order comes."""
    desk = new_desk(position_value_max=D(10**6))
    desk.hold("200")
    desk.mark("75.01")
    assert not crosses_limit(desk.state, desk.marks)
    assert due(desk, after_ns=1, periodic=False) is None
    desk.mark("75")
    assert crosses_limit(desk.state, desk.marks)
    event = due(desk, after_ns=1, periodic=False)
    assert event is not None
    desk.journal.marks(*event.marks)
    desk.mark("74")
    assert due(desk, after_ns=1, periodic=False) is None
    desk.mark("80")
    assert due(desk, after_ns=1, periodic=False) is not None


def test_news_of_the_journal_is_covered_at_once_and_acknowledgements_are_not(desk: Any) -> None:
    verdict = desk.work("BUY", "1", limit_price="90")
    desk.journal.submitting(verdict)
    desk.journal.report(verdict, "NEW")
    assert due(desk) is None
    desk.journal.fill(verdict, "1", "90")
    assert due(desk, periodic=False, quiet=False) is None
    event = due(desk, periodic=False)
    assert event is not None
    assert event.cursors.oms_sequence == desk.state.observed_sequence
    desk.state.advance(desk.state.observed_sequence)
    assert due(desk, periodic=False) is not None
    desk.journal.marks()
    assert due(desk, periodic=False) is None


def test_only_marks_of_what_is_exposed_and_changed_are_new(desk: Any) -> None:
    desk.hold("1")
    desk.mark("101")
    desk.mark("101", ETH)
    assert [m.instrument_id for m in new_marks(desk.state, desk.marks)] == [BTC]
    assert [m.instrument_id for m in new_marks(desk.state, desk.marks, [ETH])] == [BTC, ETH]
    assert new_marks(desk.state, {}) == ()


def test_the_first_mark_of_a_deposited_asset_is_recorded_before_it_counts(desk: Any) -> None:
    """S-14, S-23: until the ledger has its price, a deposit is in neither equity nor what it is measured from."""
    desk.journal.write(CapitalRecorded, asset="ETH", amount=D(5), venue_account=VENUE_ACCOUNT)
    assert figures(desk)["daily_pnl"] == 0
    event = due(desk, after_ns=SECOND)
    assert event is not None
    assert [m.instrument_id for m in event.marks] == [ETH]
    desk.journal.marks(*event.marks)
    assert figures(desk)["equity"] == D(100_500)
    assert figures(desk)["daily_pnl"] == 0


# --------------------------------------------------------------------------------------------------------- quarantine
def test_three_unreadable_intents_in_a_row_pause_that_strategy_alone(desk: Any) -> None:
    unreadable = Denied(strategy=STRATEGY, intent_no=0, code=DenialCode.MALFORMED)
    for _ in range(MALFORMED_MAX - 1):
        desk.journal.decide(unreadable)
    assert quarantine_due(desk.state, place=place(desk)) is None
    desk.journal.decide(unreadable)
    event = quarantine_due(desk.state, place=place(desk))
    assert event is not None
    assert (event.strategy, event.paused, event.reason) == (STRATEGY, True, "3 unreadable intents in a row")
    desk.journal.write(StrategyPaused, strategy=STRATEGY, paused=True, reason=event.reason)
    assert quarantine_due(desk.state, place=place(desk)) is None


def test_a_readable_intent_in_between_starts_the_count_again(desk: Any) -> None:
    unreadable = Denied(strategy=STRATEGY, intent_no=0, code=DenialCode.MALFORMED)
    desk.journal.decide(unreadable, unreadable)
    desk.work("BUY", "1", limit_price="90")
    desk.journal.decide(unreadable)
    assert quarantine_due(desk.state, place=place(desk)) is None


# ------------------------------------------------------------------------------------------------------------ figures
def figures(desk: Any) -> dict[str, Any]:
    found = metrics(desk.state, desk.marks, instruments=desk.instruments)
    RiskMetrics.model_validate(
        found | {"account": "main", "oms_sequence": 1, "ts_market_ns": START_NS, "ts_ns": START_NS}
    )
    return dict(found)


def test_the_figures_of_an_account_against_its_limits(new_desk: Any) -> None:
    desk = new_desk(position_value_max=D(10**6))
    desk.hold("200")
    desk.work("BUY", "1", limit_price="50", instrument_id=ETH)
    desk.mark("90")
    assert figures(desk) == {
        "equity": D(98_000),
        "cash": D(80_000),
        "start_of_day_equity": D(100_000),
        "peak_equity": D(100_000),
        "daily_pnl": D(-2_000),
        "daily_loss_remaining": D(3_000),
        "drawdown_percent": D(2),
        "drawdown_max_percent": D(10),
        "open_positions": 2,
        "working_orders": 1,
        "trading_state": "ACTIVE",
    }


def test_a_reached_limit_shows_as_reducing(new_desk: Any) -> None:
    desk = new_desk(position_value_max=D(10**6))
    desk.hold("200")
    desk.mark("75")
    found = figures(desk)
    assert (found["trading_state"], found["daily_loss_remaining"]) == ("REDUCING", D(0))
    desk.journal.halt("h1")
    desk.journal.marks()
    assert figures(desk)["trading_state"] == "HALTED"


def test_figures_of_an_account_without_anything(desk: Any) -> None:
    """S-22: no division by a peak of zero."""
    desk.journal = Journal()
    found = metrics(desk.state, {}, instruments=InstrumentRegistry())
    assert (found["drawdown_percent"], found["trading_state"]) == (D(0), "REDUCING")
    assert not crosses_limit(desk.state, {BTC: mark(BTC, "1")})
    assert limits().drawdown_max_percent == D(10)
