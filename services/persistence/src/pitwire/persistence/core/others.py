"""Every stream but the journal as rows: no record depends on another, except a command and its answer."""

from __future__ import annotations

from collections.abc import Sequence

from pitwire.common.enums import AlertSeverity
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Command, CommandResult
from pitwire.common.schemas.market import Candle
from pitwire.persistence.core.control import ROWS, answered, asked, row_of
from pitwire.persistence.core.entries import Read, storable
from pitwire.persistence.core.journal import Folded, Notice
from pitwire.persistence.core.journal_rows import QuarantineRow
from pitwire.persistence.core.needs import Found, Needs
from pitwire.persistence.core.tables import Writes


class StreamBatch:
    """Consecutive records of one stream; `epoch` is the life of the stream they were read in."""

    def __init__(self, stream: str, epoch: str, batch: Sequence[Read]) -> None:
        self.needs = Needs()
        self._stream = stream
        self._epoch = epoch
        self._batch = batch
        for read in batch:
            if isinstance(read.message, Command | CommandResult):
                self.needs.commands[read.message.command_id] = None

    def fold(self, found: Found) -> Folded:
        """One row per record that can be read; the others are kept whole."""
        commands = {row.command_id: row for row in found.commands}
        writes, notices = Writes(), list[Notice]()
        for read in self._batch:
            message, sequence = read.message, read.entry.sequence
            if isinstance(message, Command):
                commands[message.command_id] = row = asked(message, commands.get(message.command_id), sequence)
                writes.add(row)
            elif isinstance(message, CommandResult):
                commands[message.command_id] = row = answered(message, commands.get(message.command_id), sequence)
                writes.add(row)
            elif (problem := read.problem or _problem_of(message)) or message is None:
                notices.append(self._set_aside(read, problem, writes))
            else:
                writes.add(row_of(message, sequence=sequence, epoch=self._epoch))
        return Folded(writes, tuple(notices))

    def _set_aside(self, read: Read, reason: str, writes: Writes) -> Notice:
        entry = read.entry
        writes.add(
            QuarantineRow(
                stream=self._stream,
                sequence=entry.sequence,
                subject=storable(entry.subject),
                schema_header=storable(entry.schema) if entry.schema is not None else None,
                reason=storable(reason),
                account=None,
                data=entry.data,
            )
        )
        text = f"{self._stream} sequence {entry.sequence} on {entry.subject}: {reason}"
        return Notice(AlertSeverity.WARNING, "RECORD_UNREADABLE", text)


def _problem_of(message: Message | None) -> str:
    if isinstance(message, Candle) and not message.closed:
        return "an open candle; only closed ones are kept"
    return "" if isinstance(message, ROWS) else f"no table keeps {type(message).__name__}"
