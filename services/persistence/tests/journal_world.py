"""A journal of the common builder, its records as a stream holds them, and a store that was fed with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pitwire.common import codec, subjects
from pitwire.common.schemas.ledger import Halt, Resume
from pitwire.common.testing import journal as built
from pitwire.persistence.adapters.memory import MemoryStore
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal import JOURNAL, Folded, JournalBatch, Notice
from pitwire.persistence.core.needs import Found
from pitwire.persistence.core.tables import Writes
from pitwire.persistence.handlers.reading import read
from pitwire.persistence.ports import Move

QUOTES = {"main": "USDT", "other": "USDT"}


def entry_of(entry: built.Entry, account: str) -> Entry:
    """The stored form of what the builder wrote."""
    event = entry.event
    if isinstance(event, Halt):
        subject = subjects.halt(event.source)
    elif isinstance(event, Resume):
        subject = subjects.RESUME
    else:
        subject = subjects.ledger(account) if entry.is_ledger else subjects.exec_events(account)
    schema = codec.headers_for(event)[codec.SCHEMA_HEADER]
    return Entry(entry.sequence, subject, schema, entry.raw)


def entries_of(*journals: built.Journal) -> list[Entry]:
    """The records of all journals in stream order."""
    found = [entry_of(entry, journal.account) for journal in journals for entry in journal.entries]
    return sorted(found, key=lambda entry: entry.sequence)


async def feed(store: MemoryStore, entries: Sequence[Entry], *, batch: int = 1_000) -> list[Notice]:
    """Stores the entries in batches; returns what was told."""
    told: list[Notice] = []
    for start in range(0, len(entries), batch):
        part = entries[start : start + batch]
        projection = JournalBatch([read(entry) for entry in part], QUOTES)
        last: list[Folded] = []

        def fold(found: Found, projection: JournalBatch = projection, last: list[Folded] = last) -> Writes:
            last[:] = [projection.fold(found)]
            return last[0].writes

        after = store.cursors[JOURNAL].sequence if JOURNAL in store.cursors else 0
        await store.commit(Move(JOURNAL, "1", after, part[-1].sequence), projection.needs, fold)
        told += last[0].notices if last else ()
    return told


class Pair:
    """Two accounts on one journal, their records in turn."""

    def __init__(self) -> None:
        self.main, self.other = built.Journal(), built.Journal(account="other")
        for step in (self._start, self._trade, self._trade):
            for journal, before in ((self.main, self.other), (self.other, self.main)):
                journal._sequence = max(journal._sequence, before._sequence)
                step(journal)

    @property
    def entries(self) -> list[Entry]:
        return entries_of(self.main, self.other)

    @staticmethod
    def _start(journal: built.Journal) -> None:
        journal.start()

    @staticmethod
    def _trade(journal: built.Journal) -> None:
        number = journal.state.last_intent_no(built.STRATEGY) + 1
        intent = built.order_intent(number, "BUY", "1", limit_price="100", account=journal.account)
        verdict = journal.approve(intent)
        journal.submitting(verdict)
        journal.fill(verdict, "1", "100", trade_id=f"{journal.account}{number}")


def told_of(notices: Iterable[Notice]) -> list[str]:
    return [notice.code for notice in notices]
