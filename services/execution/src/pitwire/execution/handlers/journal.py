"""The one ordered reader of the journal in this process: each record to the account it belongs to, halts to all."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import DecodeError, InvariantBroken
from pitwire.common.halts import undecodable_halt
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.ledger import Halt, Resume
from pitwire.execution.handlers.account_desk import AccountDesk
from pitwire.execution.handlers.halting import HaltDesk
from pitwire.execution.ports import Shell


class JournalReader:
    """Folds for ever, from where every account stands; `caught_up`: everything stored before the start is folded."""

    def __init__(self, shell: Shell, desks: Sequence[AccountDesk], halts: HaltDesk) -> None:
        self.caught_up = asyncio.Event()
        self.sequence = 0
        self._shell = shell
        self._desks = desks
        self._halts = halts
        self._by_subject = {subject: desk for desk in desks for subject in desk.subjects}

    async def run(self) -> None:
        filters = (*self._by_subject, subjects.HALTS, subjects.RESUME)
        self.sequence = min((desk.core.sequence for desk in self._desks), default=0)
        async for batch in self._shell.bus.read(topology.OMS.name, filters, after=self.sequence):
            for record in batch:
                await self._take(record)
            if batch:
                self.sequence = batch[-1].sequence
                self._shell.progress(cursor=self.sequence, lag=batch[-1].pending)
            else:
                crashpoint(CrashPoint.EXECUTION_FOLDED)
                self.caught_up.set()
            for desk in self._desks:
                if not desk.core.stopped:
                    desk.core.read_to(self.sequence)
                await desk.writer.on_folded()
                await desk.snapshots.save_when_due(self.sequence)

    async def _take(self, record: Record) -> None:
        for each in self._desks:
            each.snapshots.reads(record)
        desk = self._by_subject.get(record.subject)
        if desk is not None and record.sequence <= desk.core.sequence:
            return
        own = desk.writer.own(record) if desk is not None else None
        try:
            message = own or codec.decode_known(record.subject, record.schema, record.data)
        except DecodeError as error:
            await self._unreadable(record, desk, error.reason)
            return
        if desk is None:
            await self._to_all(record.sequence, message)
            return
        try:
            await desk.observe(record.sequence, message)
        except InvariantBroken as broken:
            self._halts.publish(await desk.poison(record, str(broken)))

    async def _to_all(self, sequence: int, message: Message) -> None:
        if isinstance(message, Halt):
            await self._halts.on_halt(sequence, message)
        elif isinstance(message, Resume):
            await self._halts.on_resume(sequence, message)

    async def _unreadable(self, record: Record, desk: AccountDesk | None, reason: str) -> None:
        """An unreadable halt halts everything, an unreadable record of an account stops it: none is skipped."""
        if desk is not None:
            self._halts.publish(await desk.poison(record, reason))
            return
        await self._shell.quarantine(record, reason, stream=topology.OMS.name)
        if subjects.tokens(subjects.HALT, record.subject) is not None:
            await self._halts.on_halt(record.sequence, undecodable_halt(record.sequence, ts_ns=record.ts_ns))
            return
        text = f"resume at sequence {record.sequence} cannot be read: {reason}; what it was to clear still holds"
        await self._shell.alert(AlertSeverity.CRITICAL, "POISON", text)
