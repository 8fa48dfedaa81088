"""What `pitwire reconcile` shows of a venue account and its books, and which decision its options are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from libs.cli.tests.verify_world import QUOTES, System, healthy

from pitwire.cli.verify.auditor import Auditor
from pitwire.cli.views.reconciling import Decision, Line, compare, decision_of
from pitwire.common.errors import UsageError
from pitwire.common.testing.journal import ACCOUNT, VENUE_ACCOUNT

TRADED = {"BTC", "ETH", "USDT"}


def lines(system: System) -> list[Line]:
    auditor = Auditor(QUOTES)
    auditor.feed(system.records)
    auditor.finish()
    return compare(auditor.accounts[ACCOUNT], system.venue, TRADED)


def test_a_healthy_system_agrees_to_the_last_digit() -> None:
    assert lines(healthy()) == []


def test_a_balance_that_differs_is_shown_with_what_would_settle_it() -> None:
    system = healthy()
    system.balances["USDT"] -= Decimal("0.01")
    (line,) = lines(system)
    assert (line.venue_account, line.what, line.asset, line.missing) == (
        VENUE_ACCOUNT, "balance USDT", "USDT", Decimal("-0.01"),
    )  # fmt: skip
    assert Decimal(line.at_venue) + Decimal("0.01") == Decimal(line.by_books)


def test_an_asset_that_nobody_trades_here_is_nobodys_difference() -> None:
    system = healthy()
    system.balances["DOGE"] = Decimal(5)
    assert lines(system) == []
    system.balances["BNB"] += Decimal("0.1")
    assert [line.what for line in lines(system)] == ["balance BNB"], "fees were paid in it, so it is in the books"


def test_orders_that_work_on_one_side_only_are_shown() -> None:
    system = healthy()
    place = next(number for number, order in enumerate(system.orders) if order.is_working)
    foreign = replace(system.orders[place], client_order_id="web_1", venue_order_id="99")
    system.orders[place] = foreign
    found = {(line.what, line.at_venue) for line in lines(system)}
    assert ("order web_1", "works") in found
    assert len([line for line in lines(system) if line.at_venue == "not there"]) == 1


@pytest.mark.parametrize("chosen", [Decision.SHOW, Decision.ADOPT, Decision.FLATTEN, Decision.IGNORE])
def test_each_option_is_one_decision(chosen: Decision) -> None:
    given = {each.value: each is chosen for each in (Decision.ADOPT, Decision.FLATTEN, Decision.IGNORE)}
    assert decision_of(**given) is chosen


def test_two_options_are_no_decision() -> None:
    with pytest.raises(UsageError, match="--adopt and --ignore"):
        decision_of(adopt=True, flatten=False, ignore=True)
