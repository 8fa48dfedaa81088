"""S-14: a strategy on instruments of several quote currencies counts in one, its account's."""

from __future__ import annotations

from decimal import Decimal

import pytest

from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.testing.journal import BTC, ETH, STRATEGY, Journal, mark, order_intent
from pitwire.common.testing.market import definition
from pitwire.strategy.core.intents import IntentBook
from pitwire.strategy.core.ledger import SubLedger

ETH_BTC, BNB = "ETH-BTC.sim", "BNB-USDT.sim"
D = Decimal


def bought(quantity: str, price: str, instrument_id: str, **fee: str) -> Journal:
    """An account whose one strategy bought once."""
    journal = Journal()
    journal.start()
    verdict = journal.approve(order_intent(1, "BUY", quantity, instrument_id=instrument_id, limit_price=price))
    journal.submitting(verdict)
    journal.fill(verdict, quantity, price, **fee)
    journal.marks(mark(BNB, "600"))
    return journal


def ledger(journal: Journal, *instruments: str, **prices: str) -> SubLedger:
    made = SubLedger(
        strategy=STRATEGY,
        capital=D(10_000),
        instruments=instruments,
        account=journal.state,
        registry=InstrumentRegistry(tuple(definition(each) for each in instruments)),
        intents=IntentBook(),
    )
    made.prices |= {instruments[0]: D(prices["first"])} | ({BTC: D(prices["btc"])} if "btc" in prices else {})
    return made


def test_profit_in_another_currency_is_converted_at_the_price_of_that_currency() -> None:
    """10 ETH at 0.05 BTC, now at 0.06, less 0.002 BTC of fee: 0.098 BTC, at 50,000 USDT."""
    journal = bought("10", "0.05", ETH_BTC, fee="0.002", fee_currency="BTC")
    capital = ledger(journal, ETH_BTC, BTC, first="0.06").capital
    assert ledger(journal, ETH_BTC, BTC, first="0.06", btc="50000").equity - capital == D(4_900)
    assert ledger(journal, ETH_BTC, BTC, first="0.06", btc="60000").equity - capital == D(5_880)
    assert ledger(journal, ETH_BTC, BTC, first="0.06").equity == capital, "no price says what BTC is worth"


def test_a_fee_in_a_third_asset_is_in_equity_at_its_price() -> None:
    """0.05 BNB at the 600 USDT that the ledger recorded, or at what the strategy sees itself."""
    journal = bought("1", "100", ETH, fee="0.05", fee_currency="BNB")
    seen = ledger(journal, ETH, first="110")
    assert seen.equity - seen.capital == D(10) - D(30)
    seen = ledger(journal, ETH, BNB, first="110")
    seen.prices[BNB] = D(400)
    assert seen.equity - seen.capital == D(10) - D(20)
    assert (seen.rate("USDT"), seen.rate("XRP")) == (D(1), None)


@pytest.mark.parametrize(("btc", "expected"), [("50000", "0.4"), ("25000", "0.8"), (None, "0")])
def test_a_size_in_the_accounts_currency_buys_what_it_is_worth_in_the_instruments(
    btc: str | None, expected: str
) -> None:
    """1,000 USDT are 0.02 BTC at 50,000, which buy 0.4 ETH at 0.05 BTC; without a price nothing is bought."""
    journal = bought("1", "100", ETH)
    seen = ledger(journal, ETH_BTC, BTC, first="0.05", **({"btc": btc} if btc else {}))
    assert seen.quantity_for(ETH_BTC, D(1_000), D("0.05")) == D(expected)
    assert seen.quantity_for(BTC, D(1_000), D(50_000)) == D("0.02")
