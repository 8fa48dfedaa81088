"""An account whose rows had stopped goes on, from the stored records, once what stopped it can be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from services.persistence.tests.journal_world import QUOTES, Pair, entries_of, feed
from services.persistence.tests.test_journal import everything, spoil, stored, trading
from services.persistence.tests.test_writer import Told

from pitwire.persistence.adapters.memory import MemoryStore
from pitwire.persistence.core.journal_rows import AccountRow, JournalRow, QuarantineRow
from pitwire.persistence.handlers import reading
from pitwire.persistence.handlers.release import release_stopped


def mended(store: MemoryStore, sequence: int, data: bytes) -> None:
    """What a newer build would see: the same record, now readable."""
    kept = store._tables["quarantined_records"]
    kept["OMS", sequence] = kept["OMS", sequence]._replace(data=data)


def comparable(store: MemoryStore) -> dict[str, Any]:
    """Rows without what only tells of the stop."""
    found = everything(store)
    del found["quarantined_records"]
    found["journal_records"] = [row._replace(kind="", payload=None) for row in store.rows(JournalRow)]
    return found


@pytest.mark.parametrize("at", [10, 14, 19])
async def test_the_rows_are_those_of_a_journal_that_was_always_readable(at: int) -> None:
    journal = trading()
    entries = entries_of(journal)
    store, told = MemoryStore(), Told()
    await feed(store, spoil(entries, at, data=b"?"), batch=6)
    mended(store, at, entries[at - 1].data)
    await release_stopped(store, QUOTES, told)
    assert [notice.code for notice in told.notices] == ["ACCOUNT_ROWS_GO_ON"]
    whole = comparable(await stored(journal))
    released = comparable(store)
    for rows in (whole["journal_records"], released["journal_records"]):
        rows[:] = [replace_hash(row) if row.oms_sequence == at else row for row in rows]
    assert released == whole


def replace_hash(row: JournalRow) -> JournalRow:
    return row._replace(sha256="", ledger_no=None, exec_no=None, epoch=None, prev_hash=None, written_ns=0)


async def test_what_still_cannot_be_read_stays_stopped_and_is_told_again() -> None:
    entries = entries_of(trading())
    store, told = MemoryStore(), Told()
    await feed(store, spoil(entries, 10, data=b"?"))
    before = everything(store)
    await release_stopped(store, QUOTES, told)
    assert "ACCOUNT_ROWS_STOPPED" in [notice.code for notice in told.notices]
    assert everything(store) == before


async def test_a_second_stop_further_on_is_where_it_stands_then() -> None:
    entries = entries_of(trading())
    store, told = MemoryStore(), Told()
    await feed(store, spoil(spoil(entries, 10, data=b"?"), 15, data=b"?"))
    mended(store, 10, entries[9].data)
    await release_stopped(store, QUOTES, told)
    assert [row.stopped_sequence for row in store.rows(AccountRow)] == [15]
    assert len(store.rows(QuarantineRow)) == 2


async def test_the_other_accounts_are_left_alone() -> None:
    pair = Pair()
    bad = next(entry.sequence for entry in pair.main.entries if entry.is_ledger and entry.sequence > 12)
    store = MemoryStore()
    await feed(store, spoil(pair.entries, bad, data=b"?"))
    mended(store, bad, next(entry.data for entry in pair.entries if entry.sequence == bad))
    other = next(row for row in store.rows(AccountRow) if row.account == "other")
    await release_stopped(store, QUOTES, Told())
    assert next(row for row in store.rows(AccountRow) if row.account == "other") == other
    assert await store.stopped() == []


async def test_nothing_is_told_where_nothing_stopped() -> None:
    told = Told()
    await release_stopped(await stored(trading()), QUOTES, told)
    assert told.notices == []
    assert reading.read(replace(entries_of(trading())[0], schema="LeaderChanged/1")).message is not None
