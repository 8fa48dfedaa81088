"""A journal's decisions made again: the same bytes, or the difference by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from libs.cli.tests.verify_world import QUOTES, changed, record_of

from pitwire.cli.verify.repeated import Repeater, Repetition
from pitwire.common import codec, refusals
from pitwire.common.bus.port import Record
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.ledger import Approved, Denied, RiskDecision
from pitwire.common.schemas.market import MarketDoubt
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.common.testing.journal import (
    ACCOUNT,
    BTC,
    INCARNATION,
    START_NS,
    STRATEGY,
    VENUE_ACCOUNT,
    Journal,
    mark,
    order_intent,
)
from pitwire.common.testing.market import definition
from pitwire.common.units import NS_PER_S
from pitwire.risk_gate import core as gate

VENUES = {ACCOUNT: {VENUE_ACCOUNT: "sim"}}
INSTRUMENTS = InstrumentRegistry((definition(BTC),))


def context(journal: Journal, price: str = "100") -> gate.DecisionContext:
    return gate.DecisionContext(
        now_ns=journal.ts_ns,
        ts_market_ns=journal.ts_market_ns,
        marks={BTC: mark(BTC, price)},
        instruments=INSTRUMENTS,
        approval_ttl_ns=gate.APPROVAL_TTL_NS,
        venue_accounts=VENUES[ACCOUNT],
    )


def decided(journal: Journal, price: str, *intents: OrderIntent | CancelIntent) -> Sequence[object]:
    """Lets the gate decide and writes down what it said."""
    state = journal.fold()
    state.advance(journal.entries[-1].sequence)
    inputs = [gate.IntentInput(0, STRATEGY, each) for each in intents]
    verdicts, marks = gate.decide(state, inputs, context(journal, price))
    journal.decide(*verdicts, marks=marks)
    return verdicts


def traded() -> list[Record]:
    """An approval that fills, a denial, a duplicate, a cancel of nothing."""
    journal = Journal()
    journal.start()
    first, denied = decided(journal, "100", order_intent(1, "BUY", "10"), order_intent(2, "BUY", "100000"))
    assert isinstance(first, Approved)
    assert not isinstance(denied, Approved)
    journal.submitting(first)
    journal.fill(first, "10", "100", order_status="FILLED")
    unknown = CancelIntent(
        account=ACCOUNT,
        strategy=STRATEGY,
        intent_no=3,
        valid_until_ns=START_NS + NS_PER_S,
        ts_ns=START_NS,
        orig_client_order_id="nobody",
    )
    decided(journal, "101.5", order_intent(1, "BUY", "1"), unknown, order_intent(4, "SELL", "10"))
    return [record_of(entry) for entry in journal.entries]


def repeated(records: list[Record], *, instruments: InstrumentRegistry = INSTRUMENTS) -> Repetition:
    repeater = Repeater(QUOTES, VENUES, instruments)
    repeater.feed(records)
    return repeater.accounts[ACCOUNT]


def test_decisions_made_again_are_the_same_bytes() -> None:
    found = repeated(traded())
    assert (found.decisions, found.verdicts, found.not_repeatable, found.differing.count) == (2, 5, 0, 0)


def test_a_decision_is_made_again_on_what_its_record_covers_though_more_came_before_it() -> None:
    """The fill stands in the journal before the decision that the gate made without having read it."""
    journal = Journal()
    journal.start()
    (first,) = decided(journal, "100", order_intent(1, "BUY", "10"))
    assert isinstance(first, Approved)
    journal.submitting(first)
    seen = journal.entries[-1].sequence
    state = journal.fold()
    state.advance(seen)
    journal.fill(first, "10", "100", order_status="FILLED")
    verdicts, _ = gate.decide(state, [gate.IntentInput(0, STRATEGY, order_intent(2, "SELL", "10"))], context(journal))
    journal.write(RiskDecision, cursor=seen, incarnation=INCARNATION, verdicts=verdicts, marks=())
    found = repeated([record_of(entry) for entry in journal.entries])
    assert (found.decisions, found.differing.told) == (2, [])


def test_a_denial_for_doubtful_data_is_made_again_from_the_doubts_in_its_record() -> None:
    journal = Journal()
    journal.start()
    state = journal.fold()
    state.advance(journal.entries[-1].sequence)
    doubts = {BTC: "feed of sim is STALE"}
    verdicts, marks = gate.decide(
        state,
        [gate.IntentInput(0, STRATEGY, order_intent(1, "BUY", "10"))],
        replace(context(journal), doubts=doubts),
    )
    told = tuple(MarketDoubt(instrument_id=name, reason=reason) for name, reason in doubts.items())
    journal.write(RiskDecision, incarnation=INCARNATION, verdicts=verdicts, marks=marks, doubts=told)
    records = [record_of(entry) for entry in journal.entries]
    assert (repeated(records).decisions, repeated(records).differing.told) == (1, [])
    assert repeated([*records[:-1], changed(records[-1], doubts=())]).differing.count == 1


def test_a_halt_that_cannot_be_read_halts_in_the_repetition_too() -> None:
    journal = Journal()
    journal.start()
    journal.halt(f"undecodable-{len(journal.entries) + 1}")
    at = len(journal.entries) - 1
    (denied,) = decided(journal, "100", order_intent(1, "BUY", "10"))
    assert isinstance(denied, Denied)
    records = [record_of(entry) for entry in journal.entries]
    records[at] = replace(records[at], data=b"not a halt", schema=None)
    found = repeated(records)
    assert (found.decisions, found.differing.told) == (1, [])


def test_a_verdict_that_the_gate_would_not_give_is_named() -> None:
    records = traded()
    at = next(place for place, record in enumerate(records) if record.schema == RiskDecision.schema_name())
    first = codec.decode(RiskDecision, records[at].data, subject=records[at].subject)
    longer = first.verdicts[0].model_copy(update={"valid_until_ns": 1})
    found = repeated([*records[:at], changed(records[at], verdicts=(longer, *first.verdicts[1:]))])
    assert found.differing.count == 1
    assert f"decision at {at + 1} of {ACCOUNT}: verdict 1 has valid_until_ns 1" in found.differing.told[0]


def test_a_refusal_that_came_from_other_processes_is_counted_and_not_judged() -> None:
    records = traded()
    at = next(place for place, record in enumerate(records) if record.schema == RiskDecision.schema_name())
    denied = Denied(strategy=STRATEGY, intent_no=1, code=refusals.Disagreement.code, intent=order_intent(1, "BUY", "1"))
    found = repeated([*records[:at], changed(records[at], verdicts=(denied,))])
    assert (found.decisions, found.not_repeatable, found.differing.count) == (1, 1, 0)


def test_a_decision_on_other_definitions_differs() -> None:
    other = InstrumentRegistry((definition(BTC, lot_size=Decimal(3)),))
    assert repeated(traded(), instruments=other).differing.count
