"""The plain books of verify, held to figures worked out by hand: they share no code with the folds they judge."""

from __future__ import annotations

from fractions import Fraction

from pitwire.cli.verify.truth import Holding, OpenOrder, Truth, trade_key
from pitwire.common.enums import ExecType, Side
from pitwire.common.schemas.execution import ExecEvent, ExecReport
from pitwire.common.schemas.ledger import Approved
from pitwire.common.testing.journal import BTC, VENUE_ACCOUNT, Journal, order_intent


def started() -> Journal:
    journal = Journal()
    journal.start()
    return journal


def books(*steps: tuple[str, str, str, str, str]) -> Truth:
    """Side, quantity, price, fee, fee currency of fills of one order each."""
    journal, truth = started(), Truth()
    for number, (side, quantity, price, fee, currency) in enumerate(steps, start=1):
        verdict = journal.approve(order_intent(number, side, quantity, limit_price=price))
        truth.approve(verdict)
        journal.fill(verdict, quantity, price, fee=fee, fee_currency=currency)
        feed(truth, journal)
    return truth


def feed(truth: Truth, journal: Journal) -> None:
    """The execution events written since the last call."""
    for entry in journal.entries:
        if isinstance(entry.event, ExecEvent):
            truth.execution(entry.sequence, entry.event)
    journal.entries.clear()


def one_order(quantity: str = "2") -> tuple[Journal, Truth, Approved]:
    journal, truth = started(), Truth()
    verdict = journal.approve(order_intent(1, "BUY", quantity, limit_price="100"))
    truth.approve(verdict)
    return journal, truth, verdict


def net(truth: Truth) -> Holding:
    return truth.holdings["*", BTC]


def test_adds_weigh_in_and_reductions_release_their_share() -> None:
    truth = books(("BUY", "1", "100", "0", "USDT"), ("BUY", "2", "106", "0", "USDT"), ("SELL", "1", "110", "0", "USDT"))
    assert net(truth).quantity == 2
    assert net(truth).cost == 208
    assert net(truth).realised == 6


def test_a_flip_closes_all_and_opens_the_rest_at_its_price() -> None:
    truth = books(("BUY", "1", "100", "0", "USDT"), ("SELL", "3", "110", "0", "USDT"), ("BUY", "2", "110", "0", "USDT"))
    assert net(truth).quantity == 0
    assert net(truth).cost == 0
    assert net(truth).realised == 10


def test_a_fee_in_base_is_held_less_and_counts_at_the_price_of_its_trade() -> None:
    truth = books(("BUY", "1", "100", "0.001", "BTC"))
    assert net(truth).quantity == Fraction(999, 1000)
    assert net(truth).fees == Fraction(1, 10)
    assert truth.balances[VENUE_ACCOUNT, "BTC"] == Fraction(999, 1000)
    assert truth.balances[VENUE_ACCOUNT, "USDT"] == -100


def test_a_fee_in_a_third_asset_leaves_the_position_alone() -> None:
    truth = books(("BUY", "1", "100", "0.2", "BNB"))
    assert net(truth).quantity == 1
    assert net(truth).fees == 0
    assert truth.balances[VENUE_ACCOUNT, "BNB"] == Fraction(-1, 5)


def test_prices_paid_bound_the_average() -> None:
    truth = books(("BUY", "1", "100", "0", "USDT"), ("BUY", "1", "90", "0", "USDT"), ("SELL", "1", "95", "0", "USDT"))
    assert [net(truth).lowest, net(truth).highest] == [Fraction(90), Fraction(100)]


def test_a_repeated_trade_is_booked_once() -> None:
    journal, truth, verdict = one_order()
    journal.fill(verdict, "1", "100", trade_id="7")
    journal.fill(verdict, "1", "100", trade_id="7")
    feed(truth, journal)
    assert net(truth).quantity == 1
    assert truth.repeated == 1


def test_a_bust_takes_the_trade_back_and_a_correction_replaces_it() -> None:
    journal, truth, verdict = one_order()
    journal.fill(verdict, "1", "100", trade_id="7")
    journal.fill(verdict, "1", "100", trade_id="8")
    journal.report(verdict, ExecType.TRADE_CANCEL, trade_id="7")
    journal.report(verdict, ExecType.TRADE_CORRECT, trade_id="8", last_quantity="1", last_price="99")
    feed(truth, journal)
    assert net(truth).quantity == 1
    assert net(truth).cost == 99
    assert [told.busted for told in truth.trades.values()] == [True, False]


def test_what_may_still_fill_shrinks_with_fills_and_ends_with_the_order() -> None:
    journal, truth, verdict = one_order("4")
    journal.report(verdict, ExecType.NEW, venue_order_id="1")
    journal.fill(verdict, "1", "100")
    feed(truth, journal)
    order = truth.orders[verdict.client_order_id]
    assert [order.open_quantity, order.open_value, order.open_amount] == [Fraction(3), Fraction(300), Fraction(300)]
    assert truth.open_on(BTC, Side.BUY) == 3
    journal.report(verdict, ExecType.CANCELED)
    feed(truth, journal)
    assert truth.open_on(BTC, Side.BUY) == 0
    truth.forget_settled()
    assert not truth.orders


def test_what_the_venue_counts_as_filled_stays_reserved_until_its_trades_come() -> None:
    journal, truth, verdict = one_order("4")
    journal.report(verdict, ExecType.CANCELED, cum_quantity="2")
    feed(truth, journal)
    assert truth.orders[verdict.client_order_id].open_quantity == 2
    journal.fill(verdict, "2", "100", cum_quantity="2")
    feed(truth, journal)
    assert truth.orders[verdict.client_order_id].open_quantity == 0


def test_silence_keeps_the_reservation_and_not_sent_releases_it() -> None:
    journal, truth, verdict = one_order("4")
    journal.report(verdict, ExecType.UNKNOWN)
    feed(truth, journal)
    assert truth.open_on(BTC, Side.BUY) == 4
    journal.not_sent(verdict)
    feed(truth, journal)
    assert truth.open_on(BTC, Side.BUY) == 0


def test_an_order_without_quantity_reserves_nothing() -> None:
    order = OpenOrder("s", BTC, VENUE_ACCOUNT, Side.BUY, Fraction(0), Fraction(1), "USDT", Fraction(5))
    assert order.open_amount == 0


def test_a_trade_without_an_id_is_known_by_order_and_quantity() -> None:
    journal, _, verdict = one_order()
    report = journal.report_of(verdict, ExecType.TRADE, last_quantity="1", last_price="1", cum_quantity="1.50")
    assert isinstance(report, ExecReport)
    assert trade_key(report)[3] == f"{verdict.client_order_id}@1.5"
