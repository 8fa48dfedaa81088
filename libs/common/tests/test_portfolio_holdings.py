"""The account's fold: equity, peak, day, deposits, limits and strategies."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.common.enums import DenialCode, Side
from pitwire.common.errors import InvariantBroken
from pitwire.common.portfolio import AccountState
from pitwire.common.portfolio.holdings import Holdings
from pitwire.common.schemas.ledger import (
    Approved,
    CapitalRecorded,
    DayRolled,
    Denied,
    LimitsApplied,
    StrategyRegistered,
)
from pitwire.common.testing.journal import (
    BTC,
    ETH,
    STRATEGY,
    VENUE_ACCOUNT,
    Journal,
    approved,
    limits,
    mark,
    order_intent,
)

D = Decimal


@pytest.fixture
def journal() -> Journal:
    opened = Journal()
    opened.start()
    return opened


def buy(journal: Journal, quantity: str = "2", price: str = "100") -> Approved:
    return journal.approve(order_intent(1, Side.BUY, quantity, limit_price=price), worst_price=price)


def test_buying_is_no_loss_and_equity_follows_the_mark(journal: Journal) -> None:
    """S-11, S-12: neither the notional of a buy nor locked money is a loss."""
    verdict = buy(journal, "100", "100")
    state = journal.state
    assert state.equity() == D(100_000)
    journal.submitting(verdict)
    journal.fill(verdict, "100", "100", fee="10", fee_currency="USDT")
    journal.marks(mark(BTC, "100"))
    assert state.equity() == D(99_990)
    journal.marks(mark(BTC, "101.5"))
    assert (state.equity(), state.cash) == (D(100_140), D(89_990))
    assert state.equity({BTC: mark(BTC, "90")}) == D(98_990)
    assert state.statement().gap == 0


def test_the_peak_is_durable_and_only_rises(journal: Journal) -> None:
    """S-21, I-20."""
    verdict = buy(journal, "100", "100")
    journal.submitting(verdict)
    journal.fill(verdict, "100", "100")
    journal.marks(mark(BTC, "150"))
    journal.marks(mark(BTC, "80"))
    state = journal.state
    assert (state.peak_equity, state.equity(), state.start_of_day_equity) == (D(105_000), D(98_000), D(100_000))
    assert AccountState.restore(state.snapshot()).peak_equity == D(105_000)


def test_money_put_in_or_taken_out_is_neither_profit_nor_drawdown(journal: Journal) -> None:
    """S-23, I-11."""
    state = journal.state
    journal.write(CapitalRecorded, asset="USDT", amount=D(-40_000), venue_account=VENUE_ACCOUNT)
    assert (state.equity(), state.peak_equity, state.start_of_day_equity) == (D(60_000), D(60_000), D(60_000))
    journal.write(CapitalRecorded, asset="USDT", amount=D(10_000), venue_account=VENUE_ACCOUNT)
    assert (state.equity(), state.peak_equity, state.start_of_day_equity) == (D(70_000), D(70_000), D(70_000))


def test_a_deposit_in_another_asset_counts_from_its_first_mark_and_never_as_profit(journal: Journal) -> None:
    """S-14, S-23."""
    state = journal.state
    journal.write(CapitalRecorded, asset="BTC", amount=D(2), venue_account=VENUE_ACCOUNT)
    assert state.equity() == D(100_000)
    journal.marks(mark(BTC, "500"))
    assert (state.equity(), state.peak_equity, state.start_of_day_equity) == (D(101_000), D(101_000), D(101_000))
    journal.write(CapitalRecorded, asset="BTC", amount=D(-1), venue_account=VENUE_ACCOUNT)
    assert (state.equity(), state.start_of_day_equity) == (D(100_500), D(100_500))
    journal.marks(mark(BTC, "400"))
    assert (state.equity(), state.start_of_day_equity) == (D(100_400), D(100_500))
    assert state.statement().gap == 0
    assert state.exposed_instruments() == (BTC,)


def test_fees_in_a_third_asset_are_a_loss_at_its_mark(journal: Journal) -> None:
    """S-4, I-13."""
    verdict = buy(journal)
    journal.submitting(verdict)
    journal.fill(verdict, "2", "100", fee="0.01", fee_currency="ETH")
    journal.marks(mark(BTC, "100"), mark(ETH, "2000"))
    state = journal.state
    assert state.equity() == D(99_980)
    assert state.balance(VENUE_ACCOUNT, "ETH") == D("-0.01")
    assert state.start_of_day_equity == D(100_000)
    assert state.statement().gap == 0


def test_prices_in_another_currency_are_converted_and_never_summed_as_they_are() -> None:
    """S-14."""
    holdings = Holdings("USDT")
    journal = Journal()
    journal.start()
    cross = "ETH-BTC.sim"
    verdict = approved(order_intent(1, Side.BUY, "10", limit_price="0.05", instrument_id=cross), worst_price="0.05")
    journal.decide(verdict)
    journal.submitting(verdict)
    journal.fill(verdict, "10", "0.05")
    journal.marks(mark(cross, "0.06"))
    state = journal.state
    assert state.equity() == D(100_000)
    journal.marks(mark(BTC, "20000"))
    assert state.equity() == D(100_000) + D("0.1") * 20_000
    assert state.statement().gap == 0
    assert holdings.rate("BTC") is None
    assert set(state.exposed_instruments()) == {cross, BTC}


def test_each_session_day_is_rolled_once(journal: Journal) -> None:
    """S-21, I-24."""
    journal.write(DayRolled, day="2023-11-15", start_equity=D(90_000))
    state = journal.state
    assert (state.day, state.start_of_day_equity, state.peak_equity) == ("2023-11-15", D(90_000), D(100_000))
    with pytest.raises(InvariantBroken, match="rolled after"):
        journal.write(DayRolled, day="2023-11-15", start_equity=D(80_000))


def test_limits_of_the_file_and_of_an_operator_are_told_apart(journal: Journal) -> None:
    state = journal.state
    journal.write(LimitsApplied, limits=limits(open_positions_max=1), command_id="c1")
    assert state.limits is not None
    assert state.configured_limits is not None
    assert (state.limits.open_positions_max, state.configured_limits.open_positions_max) == (1, 5)
    again = AccountState.restore(state.snapshot())
    assert (again.limits, again.configured_limits) == (state.limits, state.configured_limits)


def test_every_verdict_uses_up_its_number_and_unreadable_ones_are_counted(journal: Journal) -> None:
    state = journal.state
    malformed = Denied(strategy=STRATEGY, intent_no=0, code=DenialCode.MALFORMED)
    journal.decide(malformed, malformed)
    assert (state.strategy(STRATEGY).malformed, state.last_intent_no(STRATEGY)) == (2, 0)
    journal.decide(Denied(strategy=STRATEGY, intent_no=4, code=DenialCode.NO_MARK, intent=order_intent(4, "BUY", "1")))
    assert (state.strategy(STRATEGY).malformed, state.last_intent_no(STRATEGY)) == (0, 4)
    assert state.last_intent_no("nobody") == 0


def test_who_may_trade_and_with_how_much(journal: Journal) -> None:
    journal.write(StrategyRegistered, strategy="reversion", capital=D(5_000))
    state = journal.state
    assert (state.strategy_capital("reversion"), state.strategy_capital("nobody")) == (D(5_000), None)
    assert state.strategies == (STRATEGY, "reversion")
    assert (state.capital_recorded("USDT"), state.capital_recorded("BTC")) == (True, False)


def test_sub_ledgers_are_apart_and_add_up(journal: Journal) -> None:
    journal.write(StrategyRegistered, strategy="reversion", capital=D(5_000))
    for number, strategy in ((1, STRATEGY), (1, "reversion")):
        verdict = journal.approve(order_intent(number, "BUY", "2", limit_price="100", strategy=strategy))
        journal.submitting(verdict)
        journal.fill(verdict, "2", "100")
        journal.marks()
    state = journal.state
    assert list(state.holdings()) == [(STRATEGY, BTC, D(2)), ("reversion", BTC, D(2))]
    assert state.net_position(BTC).quantity == D(4)
    assert state.working_orders() == ()
