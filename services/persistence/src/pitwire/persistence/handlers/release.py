"""Accounts whose rows had stopped go on by themselves once a build can read what stopped them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pitwire.common import registry
from pitwire.common.enums import AlertSeverity
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal import Folded, JournalBatch, Notice
from pitwire.persistence.core.needs import Found
from pitwire.persistence.handlers.reading import read
from pitwire.persistence.handlers.writer import Report
from pitwire.persistence.ports import Store


async def release_stopped(store: Store, quotes: Mapping[str, str], report: Report) -> None:
    """Tries every stopped account again, from its stored records; tells how each came out."""
    for account, sequence in await store.stopped():
        release = _Release(account, quotes)
        await store.release(account, release.project)
        if not release.notices:
            text = f"rows of {account} go on from journal sequence {sequence}: this build can read it"
            release.notices.append(Notice(AlertSeverity.WARNING, "ACCOUNT_ROWS_GO_ON", text, account))
        for notice in release.notices:
            await report.notice(notice)


class _Release:
    """Keeps what the last batch had to tell."""

    def __init__(self, account: str, quotes: Mapping[str, str]) -> None:
        self._account = account
        self._quotes = quotes
        self.notices: list[Notice] = []

    def project(self, entries: list[Entry]) -> _Release:
        self._batch = JournalBatch(
            [read(_with_schema(entry)) for entry in entries], self._quotes, released=self._account
        )
        self.needs = self._batch.needs
        return self

    def fold(self, found: Found) -> Folded:
        folded = self._batch.fold(found)
        self.notices[:] = folded.notices
        return folded


def _with_schema(entry: Entry) -> Entry:
    """The entry under the full name of its schema; the journal copy keeps only the kind."""
    full = next((name for name in registry.SCHEMAS if name.partition("/")[0] == entry.schema), entry.schema)
    return replace(entry, schema=full)
