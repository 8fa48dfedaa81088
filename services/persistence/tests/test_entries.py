"""What a subject says, and texts that the database can hold."""

from __future__ import annotations

from decimal import Decimal

from services.persistence.tests.journal_world import entries_of

from pitwire.common import subjects
from pitwire.common.ids import content_hash, partition_of
from pitwire.common.schemas.ledger import IncarnationStarted, LeaderChanged
from pitwire.common.testing.journal import Journal
from pitwire.persistence.core.entries import Entry, decimals_text, json_text, place_of, storable
from pitwire.persistence.core.needs import needs_of
from pitwire.persistence.handlers.reading import read


def test_ledger_and_execution_subjects_name_their_account() -> None:
    assert (place_of(subjects.ledger("main")).account, place_of(subjects.ledger("main")).is_ledger) == ("main", True)
    assert (place_of(subjects.exec_events("main")).account, place_of(subjects.exec_events("main")).is_ledger) == (
        "main",
        False,
    )
    assert place_of(subjects.RESUME).account is None


def test_a_foreign_partition_belongs_to_nobody() -> None:
    wrong = subjects.ledger("main").replace(str(partition_of("main")), str(partition_of("main") ^ 1))
    assert place_of(wrong).account is None
    assert "partition" in place_of(wrong).problem


def test_a_record_is_read_with_its_hash() -> None:
    journal = Journal()
    journal.start()
    leader, *_ = entries_of(journal)
    found = read(leader)
    assert isinstance(found.message, LeaderChanged)
    assert (found.sha256, found.problem, found.stops) == (content_hash(leader.data), "", None)


def test_what_cannot_be_read_says_why_and_whom_it_stops() -> None:
    subject = subjects.ledger("main")
    assert "not JSON" in read(Entry(1, subject, "LeaderChanged/1", b"{")).problem
    assert "does not belong" in read(Entry(1, subject, "Candle/1", b"{}")).problem
    assert "field required" in read(Entry(1, subject, "LeaderChanged/1", b"{}")).problem.lower()
    assert read(Entry(1, subject, "LeaderChanged/1", b"{")).stops == "main"
    assert read(Entry(1, subjects.halt("ops"), "Halt/1", b"{")).stops is None


def test_a_record_for_another_account_on_this_subject_stops_this_one() -> None:
    journal = Journal(account="other")
    journal.start()
    record = next(e for e in entries_of(journal) if e.schema == IncarnationStarted.schema_name())
    found = read(Entry(record.sequence, subjects.ledger("main"), record.schema, record.data))
    assert (found.stops, found.problem) == ("main", "it says account other on the subject of main")


def test_texts_lose_what_postgresql_cannot_hold() -> None:
    assert storable("a\x00b") == "a\N{SYMBOL FOR NULL}b"
    assert storable("plain") == "plain"
    assert json_text({"k\x00": "v\\u0000"}) == '{"k\N{SYMBOL FOR NULL}":"v\\\\u0000"}'
    assert decimals_text([("BTC", Decimal("1E-8")), ("USDT", Decimal("-0"))]) == '{"BTC":"0.00000001","USDT":"0"}'


def test_a_batch_asks_for_each_key_once_in_order() -> None:
    journal = Journal()
    journal.start()
    needs = needs_of([read(entry) for entry in entries_of(journal)])
    assert list(needs.accounts) == ["main"]
    assert list(needs.strategies) == [("main", "momentum")]
    assert not needs.orders
