"""The journal of one account, as far as its strategies need it: own answers, fills, halts."""

from __future__ import annotations

import asyncio

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.errors import DecodeError, InvariantBroken
from pitwire.common.schemas.ledger import LeaderChanged, LedgerEvent
from pitwire.common.shell import Shell
from pitwire.strategy.core.desk import Desk, as_covered
from pitwire.strategy.core.outputs import Cause
from pitwire.strategy.handlers.outbox import Outbox


class JournalReader:
    """Feeds one desk from the copy of the journal, from its beginning on."""

    def __init__(self, shell: Shell, desk: Desk, outbox: Outbox) -> None:
        self._shell = shell
        self._desk = desk
        self._outbox = outbox
        self._ledger_subject = subjects.ledger(desk.state.account)
        self._caught_up = asyncio.Event()

    async def caught_up(self) -> None:
        """Returns when everything stored before the start is folded; the desk is live from then on."""
        await self._caught_up.wait()

    async def follow(self) -> None:
        """Folds for ever. What cannot be read stops the strategies of this account, and of no other."""
        filters = subjects.oms_of(self._desk.state.account)
        async for batch in self._shell.bus.read(topology.OMS.name, filters, after=0):
            for record in batch:
                self._on_record(record)
            if batch:
                self._shell.progress(cursor=batch[-1].sequence, lag=batch[-1].pending)
            elif not self._caught_up.is_set():
                self._desk.go_live()
                crashpoint(CrashPoint.STRATEGY_FOLDED)
                self._caught_up.set()

    def _on_record(self, record: Record) -> None:
        try:
            message = codec.decode_known(record.subject, record.schema, record.data)
        except DecodeError as error:
            self._outbox.set_aside(record, error.reason, topology.OMS.name)
            if subjects.tokens(subjects.HALT, record.subject) is not None:
                self._desk.on_undecodable_halt(record.sequence)
            else:
                self._outbox.put(self._desk.stop(f"{record.subject} {record.sequence}: {error.reason}"))
            return
        try:
            if record.subject == self._ledger_subject and isinstance(message, LedgerEvent | LeaderChanged):
                if self._caught_up.is_set():
                    crashpoint(CrashPoint.STRATEGY_ANSWER_READ)
                self._outbox.put(self._desk.on_ledger(record.sequence, message, record.data, self._cause(record)))
            elif (covered := as_covered(message)) is not None:
                self._desk.on_covered(record.sequence, covered)
        except InvariantBroken as error:
            self._outbox.put(self._desk.stop(str(error)))

    def _cause(self, record: Record) -> Cause:
        return Cause(
            now_ns=self._shell.clock.wall_ns(),
            ts_event_ns=self._desk.state.marks_ts_market_ns,
            subject=record.subject,
            sequence=record.sequence,
            trace=record.trace,
        )
