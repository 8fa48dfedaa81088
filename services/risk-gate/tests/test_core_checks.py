"""The checks of size, money and loss, each exact to one tick, lot or unit of money; one row a case."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pitwire.common.enums import DenialCode, Side
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.testing.journal import BTC, ETH, START_NS, STRATEGY, Journal, limits
from pitwire.common.testing.market import MINUTE_NS
from pitwire.risk_gate.core.checks import CHECKS, breach

D = Decimal
SOL = "SOL-USDT.sim"


def rows(table: str) -> list[tuple[str, str]]:
    told = [row.split("->") for row in table.strip().splitlines() if row and not row.startswith("#")]
    return [(" ".join(words.split()), " ".join(expected.split())) for words, expected in told]


ORDER_VALUE = """
# order_value_max 20000: may be reached, not passed
BUY 200@100                        -> OK
BUY 200.001@100                    -> ORDER_VALUE_EXCEEDED 20000 20000.1
BUY 200@100.01                     -> ORDER_VALUE_EXCEEDED 20000 20002
# a buy with a limit pays at most the limit, whatever the mark
mark 150; BUY 200@100              -> OK
mark 50; BUY 200@100               -> OK
# without a limit: mark plus the collar of 5 percent
BUY 190.476                        -> OK
BUY 190.477                        -> ORDER_VALUE_EXCEEDED 20000 20000.085
mark 200; BUY 95.238               -> OK
mark 200; BUY 95.239               -> ORDER_VALUE_EXCEEDED 20000 20000.19
# a reduction is bounded by what is held and always finds its way out
hold 200@100; mark 101; SELL 200   -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(ORDER_VALUE))
def test_order_value_is_limited_at_its_worst_price(new_desk: Any, words: str, expected: str) -> None:
    """S-18, S-26, R-1."""
    assert new_desk().play(words) == expected


POSITION_SIZE = """
# position_value_max 1000 at a mark of 100: ten units
BUY 10@100                               -> OK
BUY 10.001@100                           -> POSITION_SIZE_EXCEEDED 1000 1000.1
BUY 10@100.01                            -> POSITION_SIZE_EXCEEDED 1000 1000.1
# position, working orders and this one together
hold 6; BUY 4@100                        -> OK
hold 6; BUY 4.001@100                    -> POSITION_SIZE_EXCEEDED 1000 1000.1
hold 4; work BUY 3@100; BUY 3@100        -> OK
hold 4; work BUY 3@100; BUY 3.001@100    -> POSITION_SIZE_EXCEEDED 1000 1000.1
work BUY 6@100; work BUY 4@100; BUY 0.1@100 -> POSITION_SIZE_EXCEEDED 1000 1010
# a working order counts at the mark where that is higher than its limit
work BUY 6@50; BUY 5@100                 -> POSITION_SIZE_EXCEEDED 1000 1100
# another strategy's position is the account's too
hold 6 by reversion; BUY 4.001@100       -> POSITION_SIZE_EXCEEDED 1000 1000.1
# another instrument is not
hold 10 eth; BUY 10@100                  -> OK
# selling never lowers what buying may do before it is filled
hold 10; work SELL 5@100; BUY 0.1@100    -> POSITION_SIZE_EXCEEDED 1000 1010
# over the limit by a rise of the mark: no more, but out at any size
hold 10; mark 150; BUY 0.1@150           -> POSITION_SIZE_EXCEEDED 1000 1515
hold 10; mark 150; SELL 0.1@150          -> OK
hold 10; mark 150; SELL 10               -> OK
hold 10; mark 150; SELL 9@150            -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(POSITION_SIZE))
def test_position_size_counts_everything_that_may_still_fill(new_desk: Any, words: str, expected: str) -> None:
    """S-16, S-17, S-62, I-16: and a reducing sell is never refused for the size it lowers."""
    assert new_desk(position_value_max=D(1000)).play(words) == expected


OPEN_POSITIONS = """
# open_positions_max 2
hold 1; BUY 1@100 eth                        -> OK
hold 1; hold 1 eth; BUY 1@100 sol            -> OPEN_POSITIONS_EXCEEDED 2 3
hold 1; hold 1 eth; BUY 1@100                -> OK
hold 1; hold 1 eth; SELL 1@100               -> OK
hold 1; work BUY 1@100 eth; BUY 1@100 sol    -> OPEN_POSITIONS_EXCEEDED 2 3
work BUY 1@100; work BUY 1@100 eth; BUY 1@100 sol -> OPEN_POSITIONS_EXCEEDED 2 3
"""


@pytest.mark.parametrize(("words", "expected"), rows(OPEN_POSITIONS))
def test_open_positions_count_working_orders_too(new_desk: Any, words: str, expected: str) -> None:
    """S-17: pending orders open positions."""
    assert new_desk(open_positions_max=2).play(words) == expected


def test_dust_is_no_open_position(new_desk: Any) -> None:
    """S-8: what cannot be sold must not block a place for ever."""
    desk = new_desk(open_positions_max=1)
    desk.hold("1", fee="0.0004", fee_currency="BTC")
    verdict = desk.work("SELL", "0.999", limit_price="100")
    desk.journal.fill(verdict, "0.999", "100")
    desk.journal.marks()
    assert desk.state.net_position(BTC).quantity == D("0.0006")
    assert desk.outcome("BUY", "1", limit_price="100", instrument_id=ETH) == "OK"


HOLDINGS = """
SELL 0.05@100                           -> SELL_EXCEEDS_HOLDING 0 0.05
hold 2; SELL 2@100                      -> OK
hold 2; SELL 2.001@100                  -> SELL_EXCEEDS_HOLDING 2 2.001
hold 2; work SELL 1.5@110; SELL 0.5@100 -> OK
hold 2; work SELL 1.5@110; SELL 0.501@100 -> SELL_EXCEEDS_HOLDING 0.5 0.501
hold 2 by reversion; SELL 1@100         -> SELL_EXCEEDS_HOLDING 0 1
hold 2 by reversion; SELL 1@100 by manual -> SELL_EXCEEDS_HOLDING 0 1
work BUY 2@100; SELL 1@100              -> SELL_EXCEEDS_HOLDING 0 1
hold 2; SELL 1@100 reduce_only          -> OK
hold 2; BUY 1@100 reduce_only           -> NOT_A_REDUCTION 2 1
hold 2; work SELL 1.5@110; SELL 1@100 reduce_only -> NOT_A_REDUCTION 2 1
"""


@pytest.mark.parametrize(("words", "expected"), rows(HOLDINGS))
def test_a_strategy_sells_no_more_than_its_own_sub_ledger_holds(new_desk: Any, words: str, expected: str) -> None:
    """S-16: no naked short on spot, and no strategy sells another's coins."""
    assert new_desk().play(words) == expected


BALANCE = """
# 1,000 USDT, taker fee 10 basis points: 1 unit at 100 needs 100.1
BUY 9.99@100                            -> OK
BUY 9.991@100                           -> INSUFFICIENT_BALANCE 1000 1000.0991
BUY 10@99.9                             -> OK
BUY 10@99.91                            -> INSUFFICIENT_BALANCE 1000 1000.0991
# without a limit the collar is reserved too: 105.105 a unit
BUY 9.514                               -> OK
BUY 9.515                               -> INSUFFICIENT_BALANCE 1000 1000.074075
# what a working order may still take is not there
work BUY 5@100; BUY 4.99@100            -> OK
work BUY 5@100; BUY 4.991@100           -> INSUFFICIENT_BALANCE 499.5 499.5991
work BUY 5@100; work BUY 4@100 eth; BUY 1@100 sol -> INSUFFICIENT_BALANCE 99.1 100.1
# what was sold is there again
hold 9; SELL 9@100                      -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(BALANCE))
def test_an_order_must_be_affordable_with_its_fee_beside_all_others(new_desk: Any, words: str, expected: str) -> None:
    """S-24, R-9."""
    wide = {"daily_loss_max_percent": D(50), "drawdown_max_percent": D(50)}
    assert new_desk(capital="1000", taker_fee_bps="10", **wide).play(words) == expected


def test_a_sell_needs_the_coins_in_its_venue_account(desk: Any) -> None:
    """The sub-ledger may say more than the account at the venue has, when fees or a person took some."""
    desk.hold("2")
    desk.hold("1", instrument_id=ETH, fee="0.5", fee_currency="BTC")
    assert desk.outcome("SELL", "2", limit_price="100") == "INSUFFICIENT_BALANCE 1.5 2"
    assert desk.outcome("SELL", "1.5", limit_price="100") == "OK"


COLLAR = """
# price_collar_percent 5, mark 100: a limit may be 5 through the mark, and any distance away from it
BUY 1@105                                 -> OK
BUY 1@105.01                              -> PRICE_COLLAR_EXCEEDED 105 105.01
BUY 1@50                                  -> OK
hold 1; SELL 1@95                         -> OK
hold 1; SELL 1@94.99                      -> PRICE_COLLAR_EXCEEDED 95 94.99
hold 1; SELL 1@200                        -> OK
hold 1; mark 120; SELL 1@100              -> PRICE_COLLAR_EXCEEDED 114 100
# without a price there is nothing to mistype
hold 1; mark 120; SELL 1                  -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(COLLAR))
def test_a_limit_price_far_through_the_mark_is_a_mistake(new_desk: Any, words: str, expected: str) -> None:
    """S-24, R-2."""
    assert new_desk(price_collar_percent=D(5)).play(words) == expected


def test_the_limit_of_a_stop_order_is_measured_from_its_stop(new_desk: Any) -> None:
    """A stop far below the mark is no mistake, a limit far below its stop is."""
    desk = new_desk(price_collar_percent=D(5))
    desk.hold("2")
    stop = {"order_type": "STOP_LOSS_LIMIT", "stop_price": "80"}
    assert desk.outcome("SELL", "1", limit_price="76", **stop) == "OK"
    assert desk.outcome("SELL", "1", limit_price="75.99", **stop) == "PRICE_COLLAR_EXCEEDED 76 75.99"


@pytest.mark.parametrize(
    ("side", "order_type", "stop", "limit", "expected"),
    [
        ("SELL", "TAKE_PROFIT_LIMIT", "10", "10", "PRICE_COLLAR_EXCEEDED 95 10"),
        ("SELL", "TAKE_PROFIT_LIMIT", "120", "114", "OK"),
        ("SELL", "STOP_LOSS_LIMIT", "200", "94.99", "PRICE_COLLAR_EXCEEDED 95 94.99"),
        ("BUY", "TAKE_PROFIT_LIMIT", "200", "200", "PRICE_COLLAR_EXCEEDED 105 200"),
        ("BUY", "TAKE_PROFIT_LIMIT", "80", "84", "OK"),
        ("BUY", "STOP_LOSS_LIMIT", "10", "105", "OK"),
        ("BUY", "STOP_LOSS_LIMIT", "120", "126.01", "PRICE_COLLAR_EXCEEDED 126 126.01"),
    ],
)
def test_a_stop_that_the_mark_has_passed_does_not_move_the_collar(
    new_desk: Any, side: str, order_type: str, stop: str, limit: str, expected: str
) -> None:
    """It is a plain limit order then, and what it crosses is the market."""
    desk = new_desk(price_collar_percent=D(5))
    desk.hold("2")
    assert desk.outcome(side, "1", order_type=order_type, stop_price=stop, limit_price=limit) == expected


CONCENTRATION = """
# concentration_max_percent 1 of 100,000: ten units of one instrument at 100
BUY 10@100                          -> OK
BUY 10.001@100                      -> CONCENTRATION_EXCEEDED 1 1.0001
hold 6; BUY 4.001@100               -> CONCENTRATION_EXCEEDED 1 1.0001
hold 6; work BUY 4@100; BUY 0.1@100 -> CONCENTRATION_EXCEEDED 1 1.01
hold 10 eth; BUY 10@100             -> OK
hold 10; mark 150; SELL 1@150       -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(CONCENTRATION))
def test_one_instrument_is_a_bounded_share_of_equity(new_desk: Any, words: str, expected: str) -> None:
    """S-24, R-9."""
    assert new_desk(concentration_max_percent=D(1)).play(words) == expected


STRATEGY_EXPOSURE = """
# strategy_exposure_max_percent 100 of the 1,000 that `reversion` has
BUY 10@100 by reversion                                          -> OK
BUY 10.001@100 by reversion                                      -> STRATEGY_EXPOSURE_EXCEEDED 1000 1000.1
BUY 10@100.01 by reversion                                       -> STRATEGY_EXPOSURE_EXCEEDED 1000 1000.1
# over all its instruments, with what works
hold 8 by reversion; work BUY 1@100 eth by reversion; BUY 1@100 sol by reversion -> OK
hold 8 by reversion; work BUY 1@100 eth by reversion; BUY 2@100 sol by reversion -> STRATEGY_EXPOSURE_EXCEEDED 1000 1100
hold 6 by reversion; mark 150; BUY 1@100 eth by reversion        -> OK
hold 6 by reversion; mark 150; BUY 1.001@100 eth by reversion    -> STRATEGY_EXPOSURE_EXCEEDED 1000 1000.1
# a buy counts at the mark where that is higher than its limit, working or asked for
work BUY 6@50 by reversion; BUY 5@100 by reversion               -> STRATEGY_EXPOSURE_EXCEEDED 1000 1100
BUY 11@50 by reversion                                           -> STRATEGY_EXPOSURE_EXCEEDED 1000 1100
# nobody else's positions are in it, and it can always leave
hold 200; BUY 10@100 by reversion                                -> OK
hold 10 by reversion; mark 150; SELL 1@150 by reversion          -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(STRATEGY_EXPOSURE))
def test_a_strategy_holds_no_more_than_its_share_of_its_capital(new_desk: Any, words: str, expected: str) -> None:
    """S-24, R-8: per strategy."""
    assert new_desk(strategy_exposure_max_percent=D(100)).play(words) == expected


def test_working_stop_buys_count_against_the_strategy_at_their_worst_price(new_desk: Any) -> None:
    """I-16: at the mark of 100 two stop buys at 300 looked like a third of what they may cost."""
    stop = {"order_type": "STOP_LOSS", "stop_price": "300", "strategy": "reversion"}
    desk = new_desk(strategy_exposure_max_percent=D(100))
    three, two = (desk.intent("BUY", quantity, **stop) for quantity in ("3", "2"))
    assert [getattr(each, "code", "OK") for each in desk.ask_all(three, two)] == ["OK", "STRATEGY_EXPOSURE_EXCEEDED"]
    desk.work("BUY", "3", **stop)
    assert desk.state.exposure.of_strategy("reversion", BTC, Side.BUY).value == D(945)
    assert desk.outcome("BUY", "0.55", limit_price="100", strategy="reversion") == "OK"
    assert (
        desk.outcome("BUY", "0.551", limit_price="100", strategy="reversion")
        == "STRATEGY_EXPOSURE_EXCEEDED 1000 1000.1"
    )
    assert desk.outcome("BUY", "2", **stop) == "STRATEGY_EXPOSURE_EXCEEDED 1000 1575"


def test_orders_of_a_strategy_in_one_batch_count_against_its_exposure_and_rate(new_desk: Any) -> None:
    desk = new_desk(strategy_exposure_max_percent=D(100), orders_per_minute_max=3)
    buys = [desk.intent("BUY", quantity, limit_price="100", strategy="reversion") for quantity in ("6", "5", "4")]
    codes = [getattr(verdict, "code", "OK") for verdict in desk.ask_all(*buys)]
    assert codes == ["OK", "STRATEGY_EXPOSURE_EXCEEDED", "OK"]
    many = [desk.intent("BUY", "1", limit_price="100") for _ in range(4)]
    codes = [getattr(verdict, "code", "OK") for verdict in desk.ask_all(*many)]
    assert codes == ["OK", "OK", "OK", "ORDER_RATE_EXCEEDED"]


RATE = """
# orders_per_minute_max 2, of each strategy; exits pass, and count
work BUY 1@100; BUY 1@100                                       -> OK
work BUY 1@100; work BUY 1@100; BUY 1@100                       -> ORDER_RATE_EXCEEDED 2 3
work BUY 1@100; work BUY 1@100; BUY 1@100 by reversion          -> OK
hold 1; work BUY 1@100; SELL 1@100                              -> OK
hold 1; work SELL 1@100; BUY 1@100                              -> ORDER_RATE_EXCEEDED 2 3
"""


@pytest.mark.parametrize(("words", "expected"), rows(RATE))
def test_a_strategy_that_runs_wild_is_slowed_and_its_exits_are_not(new_desk: Any, words: str, expected: str) -> None:
    """S-24, R-3."""
    assert new_desk(orders_per_minute_max=2).play(words) == expected


def test_the_rate_of_orders_runs_on_the_market_clock_and_survives_a_restart(new_desk: Any) -> None:
    desk = new_desk(orders_per_minute_max=1)
    desk.journal.ts_market_ns = desk.ts_market_ns = START_NS // MINUTE_NS * MINUTE_NS
    desk.work("BUY", "1", limit_price="100")
    assert AccountState.restore(desk.state.snapshot()).strategy(STRATEGY).orders_at(desk.ts_market_ns) == 1
    desk.ts_market_ns += MINUTE_NS - 1
    assert desk.outcome("BUY", "1", limit_price="100") == "ORDER_RATE_EXCEEDED 1 2"
    desk.ts_market_ns += 1
    assert desk.outcome("BUY", "1", limit_price="100") == "OK"


LOSS = """
# 100,000 at the start of the day, 5 percent: at 5,000 it is used up
hold 200; mark 75.01; BUY 0.1@75                 -> OK
hold 200; mark 75; BUY 0.1@75                    -> DAILY_LOSS_EXCEEDED 5000 5000
hold 200; mark 74.99; BUY 0.1@75                 -> DAILY_LOSS_EXCEEDED 5000 5002
# exits pass at any loss, and only exits
hold 200; mark 50; SELL 200                      -> OK
hold 200; mark 50; SELL 0.1@50                   -> OK
hold 200; mark 50; BUY 0.1@50 eth                -> DAILY_LOSS_EXCEEDED 5000 10000
hold 200; mark 50; work SELL 150; SELL 50        -> OK
# buying is no loss
hold 200; hold 200 eth; BUY 0.1@100              -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(LOSS))
def test_loss_counts_from_the_start_of_the_day_and_includes_the_unrealised(
    new_desk: Any, words: str, expected: str
) -> None:
    """S-11, S-12, S-19, S-20: a buy is no loss, the limit is inclusive, exits always pass."""
    assert new_desk(drawdown_max_percent=D(100), position_value_max=D(10**6)).play(words) == expected


DRAWDOWN = """
# peak 110,000 (mark 150), 10 percent: at 99,000 it is used up
hold 200; mark 95.01; BUY 0.1@95           -> OK
hold 200; mark 95; BUY 0.1@95              -> DRAWDOWN_EXCEEDED 10 10
hold 200; mark 94.99; BUY 0.1@95           -> DRAWDOWN_EXCEEDED 10 10.001818181818181818
hold 200; mark 50; SELL 200                -> OK
"""


@pytest.mark.parametrize(("words", "expected"), rows(DRAWDOWN))
def test_drawdown_counts_from_the_durable_peak(new_desk: Any, words: str, expected: str) -> None:
    """S-12, S-19, S-21, S-22."""
    desk = new_desk(daily_loss_max_percent=D(100), position_value_max=D(10**6))
    first, rest = words.split(";", 1)
    desk.play(f"{first}; mark 150")
    desk.journal.marks(*desk.marks.values())
    assert desk.state.peak_equity == D(110_000)
    assert desk.play(rest) == expected


def test_an_account_without_capital_has_nothing_to_lose() -> None:
    """S-13, S-22: a base of zero is a breach and never a division."""
    journal = Journal()
    journal.start(capital="0")
    no = breach(journal.state, limits(), D(0))
    assert no is not None
    assert no.code is DenialCode.DAILY_LOSS_EXCEEDED
    journal.state.start_of_day_equity, journal.state.peak_equity = D(1), D(0)
    no = breach(journal.state, limits(), D(1))
    assert no is not None
    assert no.code is DenialCode.DRAWDOWN_EXCEEDED


@pytest.mark.parametrize("name", [n for n in AccountLimits.model_fields if n.endswith(("_max", "_percent", "_ms"))])
@pytest.mark.parametrize("nonsense", ["0", "-1", "NaN", "Infinity", 0, -1, 1.5, "", None])
def test_a_limit_that_makes_no_sense_is_refused_by_name(name: str, nonsense: object) -> None:
    """S-15, S-27."""
    raw = limits().model_dump(mode="json")
    with pytest.raises(ValidationError, match=name):
        AccountLimits.model_validate(raw | {name: nonsense})


OVER_ALL = {"strategy_exposure_max_percent"}
"""Of a strategy's capital: profits may be put to work too."""


PERCENTAGES = [name for name in AccountLimits.model_fields if name.endswith("_percent") and name not in OVER_ALL]


@pytest.mark.parametrize("name", PERCENTAGES)
def test_a_percentage_of_more_than_all_is_refused_by_name(name: str) -> None:
    """S-27: a loss limit of 101 percent would never be reached."""
    raw = limits().model_dump(mode="json")
    assert getattr(AccountLimits.model_validate(raw | {name: "100"}), name) == 100
    with pytest.raises(ValidationError, match=name):
        AccountLimits.model_validate(raw | {name: "100.01"})


def test_no_limit_of_money_has_a_default() -> None:
    """S-28: a default of 50,000 of nobody knows which currency is worse than none."""
    for name in ("order_value_max", "position_value_max", "daily_loss_max_percent", "drawdown_max_percent"):
        assert AccountLimits.model_fields[name].is_required()


def test_every_check_has_its_own_place() -> None:
    assert len(CHECKS) == len(set(CHECKS)) == 17
