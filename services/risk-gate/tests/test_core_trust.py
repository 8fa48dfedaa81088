"""Market data in doubt lets only reductions pass, and what spoke against it stands in the record."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.common.enums import DenialCode, VenueState
from pitwire.common.schemas.ledger import Approved, CancelApproved, Denied, RiskDecision
from pitwire.common.schemas.market import MarketDoubt, VenueStatus
from pitwire.common.testing.journal import BTC, ETH
from pitwire.common.testing.market import feed_status
from pitwire.common.units import NS_PER_S
from pitwire.risk_gate.core import STATUS_AGE_MAX_NS, IntentInput, MarketTrust, decided

NOW_NS = 100 * NS_PER_S
SILENT = "no market-data tells the status of sim"


def doubt(*told: tuple[VenueStatus, int], instrument_id: str = BTC, now_ns: int = NOW_NS) -> str:
    """What speaks against it after these statuses, each heard so many nanoseconds ago."""
    trust = MarketTrust()
    for status, age_ns in told:
        trust.on_status(status, NOW_NS - age_ns)
    return trust.doubt(instrument_id, now_ns)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({}, ""),
        ({"stale_instruments": (ETH,), "unsynced_books": (ETH,), "doubted": {ETH: "DIVERGED"}}, ""),
        ({"state": VenueState.STALE}, "feed of sim is STALE"),
        ({"state": VenueState.DISCONNECTED}, "feed of sim is DISCONNECTED"),
        ({"state": VenueState.MAINTENANCE}, "feed of sim is MAINTENANCE"),
        ({"stale_instruments": (BTC,)}, f"{BTC} is silent or not trading"),
        ({"unsynced_books": (BTC,)}, f"book of {BTC} is not in sequence"),
        ({"doubted": {BTC: "SKEWED"}}, f"{BTC} is flagged SKEWED"),
    ],
)
def test_each_word_of_a_status_against_an_instrument(changed: dict[str, Any], reason: str) -> None:
    assert doubt((feed_status(**changed), 0)) == reason


def test_silence_is_no_trust_and_one_publisher_that_is_well_is_enough() -> None:
    well, stale = feed_status(), feed_status(epoch="e2", state=VenueState.STALE)
    assert doubt() == SILENT
    assert doubt((feed_status(venue="other"), 0)) == SILENT
    assert doubt((well, STATUS_AGE_MAX_NS)) == ""
    assert doubt((well, STATUS_AGE_MAX_NS + 1)) == SILENT
    assert doubt((stale, 0), (well, 0)) == doubt((well, 0), (stale, 0)) == ""
    assert doubt((well, STATUS_AGE_MAX_NS + 1), (stale, 0)) == "feed of sim is STALE"
    assert doubt((well, 1), (feed_status(state=VenueState.STALE), 0)) == "feed of sim is STALE", "its newest word"


def test_doubt_stops_what_raises_exposure_and_nothing_else(desk: Any) -> None:
    desk.hold("2")
    resting = desk.work("BUY", "1", limit_price="90")
    desk.doubts = {BTC: "feed of sim is STALE"}
    denied = desk.ask("BUY", "1", limit_price="100")
    assert isinstance(denied, Denied)
    assert (denied.code, denied.detail) == (DenialCode.DOUBTFUL_MARKET, "feed of sim is STALE")
    assert desk.outcome("SELL", "1") == "OK"
    assert isinstance(desk.ask_all(desk.cancel(resting.client_order_id))[0], CancelApproved)
    assert desk.outcome("BUY", "1", limit_price="100", instrument_id=ETH) == "OK"


def test_the_record_says_what_was_doubted(desk: Any) -> None:
    desk.doubts = {BTC: "feed of sim is STALE"}
    batch = [IntentInput(0, "momentum", desk.intent("BUY", "1", limit_price="100"))]
    place = {"account": "main", "ledger_no": 9, "epoch": 1, "cursors": {}, "ts_ns": desk.now_ns}
    record = decided(desk.state, batch, desk.context(), place=place)
    assert record.doubts == (MarketDoubt(instrument_id=BTC, reason="feed of sim is STALE"),)


async def test_a_gate_trusts_nothing_until_the_feed_spoke_and_nothing_after_it_fell_silent(world: Any) -> None:
    await world.desk()
    await world.price("60000")
    await world.ask(1)
    world.clock.advance(ns=STATUS_AGE_MAX_NS + 1)
    await world.ask(2)
    await world.feed(doubted={BTC: "DIVERGED"})
    await world.ask(3)
    await world.feed()
    await world.ask(4)
    verdicts = world.verdicts()
    assert [type(verdict) for verdict in verdicts] == [Approved, Denied, Denied, Approved]
    assert [verdict.detail for verdict in verdicts[1:3]] == [SILENT, f"{BTC} is flagged DIVERGED"]
    recorded = [record.doubts for record in world.ledger() if isinstance(record, RiskDecision)]
    assert [[each.reason for each in doubts] for doubts in recorded] == [
        [],
        [SILENT],
        [f"{BTC} is flagged DIVERGED"],
        [],
    ]


async def test_a_gate_that_starts_anew_does_not_trade_on_the_marks_of_its_ledger_alone(world: Any) -> None:
    """Its market clock has not begun: without a word of the feed an old mark would look fresh."""
    first = await world.desk()
    await world.price("60000")
    await world.ask(1)
    await first.shell.kill()
    await world.desk("again")
    await world.ask(2)
    denied = world.verdicts()[-1]
    assert (denied.code, denied.detail) == (DenialCode.DOUBTFUL_MARKET, SILENT)
    await world.feed(ts_event_ns=1_722_000_000 * NS_PER_S + 200 * NS_PER_S)
    await world.ask(3)
    assert world.verdicts()[-1].code is DenialCode.STALE_MARK, "the status says how far the market is"
