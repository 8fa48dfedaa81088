"""A broken, missing, foreign or reordered record stops the fold; it is never skipped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pitwire.common import codec
from pitwire.common.errors import InvariantBroken, LostRace
from pitwire.common.portfolio import PENDING_MAX, AccountState
from pitwire.common.portfolio import state as state_module
from pitwire.common.portfolio.chain import Chain
from pitwire.common.schemas.ledger import Cursors, IncarnationStarted, LeaderChanged, MarksRecorded, RiskDecision
from pitwire.common.testing.journal import ACCOUNT, BTC, Entry, Journal, approved, mark, order_intent


def story() -> Journal:
    """An opening, one order with two fills, marks."""
    journal = Journal()
    journal.start()
    verdict = journal.approve(order_intent(1, "BUY", "2", limit_price="100"))
    journal.submitting(verdict)
    journal.report(verdict, "NEW")
    journal.fill(verdict, "1", "100")
    journal.marks(mark(BTC, "101"))
    journal.fill(verdict, "1", "100")
    journal.marks(mark(BTC, "102"))
    return journal


def changed(entries: list[Entry], at: int, **fields: Any) -> list[Entry]:
    event = entries[at].event.model_copy(update=fields)
    return [*entries[:at], replace(entries[at], event=event, raw=codec.encode(event)), *entries[at + 1 :]]


def without(entries: list[Entry], at: int) -> list[Entry]:
    return [*entries[:at], *entries[at + 1 :]]


def find(entries: list[Entry], model: type, nth: int = 0) -> int:
    return [at for at, entry in enumerate(entries) if isinstance(entry.event, model)][nth]


Tamper = Callable[[list[Entry]], list[Entry]]
TAMPERINGS: dict[str, tuple[Tamper, str]] = {
    "a ledger record is missing": (lambda e: without(e, find(e, MarksRecorded)), "ledger_no"),
    "a ledger record is changed": (
        lambda e: changed(e, find(e, RiskDecision), ts_ns=5),
        "prev_hash",
    ),
    "a ledger record is of another account": (lambda e: changed(e, find(e, MarksRecorded), account="other"), "account"),
    "a cursor goes back": (lambda e: changed(e, find(e, MarksRecorded), cursors=Cursors(oms_sequence=1)), "cursor"),
    "a cursor lies ahead of its record": (
        lambda e: changed(e, find(e, MarksRecorded), cursors=Cursors(oms_sequence=999)),
        "cursor",
    ),
    "an old leader wrote": (lambda e: changed(e, find(e, MarksRecorded), epoch=0), "epoch"),
    "a leader came without a new epoch": (
        lambda e: changed(e, find(e, MarksRecorded), epoch=2),
        "epoch",
    ),
    "an execution event is of another account": (
        lambda e: changed(e, len(e) - 2, account="other"),
        "record of account other",
    ),
    "an execution event is numbered twice": (lambda e: changed(e, len(e) - 2, exec_no=3), "exec_no"),
    "an old execution leader wrote": (lambda e: changed(e, len(e) - 2, epoch=0), "epoch"),
    "a decision is of another incarnation": (
        lambda e: changed(e, find(e, RiskDecision), incarnation="i2"),
        "incarnation",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_a_tampered_journal_does_not_fold(name: str) -> None:
    """I-10, I-28, I-40."""
    journal = story()
    tamper, reason = TAMPERINGS[name]
    with pytest.raises(InvariantBroken, match=reason):
        journal.fold(tamper(journal.entries))


def test_a_missing_execution_event_is_seen_by_the_next_one() -> None:
    """I-28."""
    journal = story()
    entries = without(journal.entries, find(journal.entries, MarksRecorded, 1) - 1)
    journal.fold(entries)
    with pytest.raises(InvariantBroken, match="exec_no"):
        journal.fold(without(journal.entries, find(journal.entries, MarksRecorded, 0) - 1))


def test_only_a_new_leader_raises_the_epoch() -> None:
    journal = story()
    journal.lead()
    assert journal.state.epoch == 2
    journal.marks()
    stale = LeaderChanged(
        service="risk-gate",
        leader="z",
        epoch=2,
        account=ACCOUNT,
        ledger_no=journal.state.ledger_no + 1,
        prev_hash=journal.state.prev_hash,
        cursors=journal.state.cursors,
        ts_ns=1,
    )
    with pytest.raises(InvariantBroken, match="epoch 2 after 2"):
        journal.state.apply_ledger(len(journal.entries) + 1, stale, codec.encode(stale))


def test_a_ledger_may_begin_with_any_leader() -> None:
    """After an archive the first record kept is not epoch 1."""
    state = AccountState("main", "USDT")
    first = IncarnationStarted(
        account="main", ledger_no=1, epoch=7, cursors=Cursors(), ts_ns=1, incarnation="i9", reason="rebuilt"
    )
    state.apply_ledger(1, first, codec.encode(first))
    assert (state.epoch, state.incarnation) == (7, "i9")


def test_a_writer_that_ran_ahead_of_another_leader_must_fold_again() -> None:
    """Two leaders: the loser has applied what the winner's record does not cover."""
    journal = story()
    loser = journal.fold()
    verdict = approved(order_intent(2, "BUY", "1", limit_price="100"), worst_price="100")
    covered = len(journal.entries)
    journal.submitting(verdict)
    loser.observe(journal.entries[-1].sequence, journal.entries[-1].event)  # type: ignore[arg-type]  # not a ledger record
    loser.advance(loser.observed_sequence)
    journal.write(MarksRecorded, cursor=covered, marks=())
    entry = journal.entries[-1]
    with pytest.raises(LostRace, match="fold again"):
        loser.apply_ledger(entry.sequence, entry.event, entry.raw)  # type: ignore[arg-type]  # a ledger record
    assert journal.fold().state_hash() == journal.state.state_hash()


def test_advancing_and_then_writing_gives_the_state_that_a_reader_gets() -> None:
    journal = story()
    verdict = journal.approve(order_intent(2, "BUY", "1", limit_price="100"))
    journal.submitting(verdict)
    journal.fill(verdict, "1", "100")
    writer = journal.state
    assert not writer.is_advanced
    changes = writer.advance(writer.observed_sequence)
    assert [fill.quantity for fill in changes.fills] == [Decimal(1)]
    assert (writer.is_advanced, writer.has_news) == (True, True)
    with pytest.raises(InvariantBroken, match="between a decision and its record"):
        writer.snapshot()
    journal.marks()
    assert not writer.has_news
    assert journal.fold().state_hash() == writer.state_hash()


def test_events_that_no_record_covers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """I-31."""
    monkeypatch.setattr(state_module, "PENDING_MAX", 3)
    journal = story()
    for number in range(3):
        journal.halt(f"h{number}")
    with pytest.raises(InvariantBroken, match="wait for a ledger record"):
        journal.halt("h3")
    assert PENDING_MAX > 3


def test_the_place_in_the_chain_survives_a_snapshot() -> None:
    journal = story()
    chain = journal.state.chain
    again = Chain.restore("main", chain.snapshot())
    assert again.snapshot() == chain.snapshot()
    assert again.advanced_to == chain.advanced_to
