"""The journal of one account, as far as its strategies need it: own answers, fills, halts."""

from __future__ import annotations

import asyncio

from pitwire.common import subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import DeliveryKind
from pitwire.common.shell import Shell
from pitwire.strategy.core.desk import Desk
from pitwire.strategy.handlers.delivering import Deliverer
from pitwire.strategy.handlers.delivery_log import DeliveryLog


class JournalReader:
    """Feeds one desk from the copy of the journal, from its beginning on."""

    def __init__(self, shell: Shell, desk: Desk, deliverer: Deliverer, log: DeliveryLog) -> None:
        self._shell = shell
        self._desk = desk
        self._deliverer = deliverer
        self._log = log
        self._account = desk.state.account
        self._caught_up = asyncio.Event()

    async def caught_up(self) -> None:
        """Returns when everything stored before the start is folded; the desk is live from then on."""
        await self._caught_up.wait()

    async def follow(self) -> None:
        """Folds for ever."""
        folded = 0
        async for batch in self._shell.bus.read(topology.OMS.name, subjects.oms_of(self._account), after=0):
            for record in batch:
                self._on_record(record)
            if batch:
                folded = batch[-1].sequence
                self._shell.progress(cursor=folded, lag=batch[-1].pending)
            elif not self._caught_up.is_set():
                self._log.note(DeliveryKind.FOLDED, 0, account=self._account, sequence=folded)
                self._desk.go_live()
                crashpoint(CrashPoint.STRATEGY_FOLDED)
                self._caught_up.set()

    def _on_record(self, record: Record) -> None:
        now_ns = self._shell.clock.wall_ns()
        if self._caught_up.is_set():
            self._log.note(DeliveryKind.JOURNAL, now_ns, account=self._account, sequence=record.sequence)
            if record.subject == subjects.ledger(self._account):
                crashpoint(CrashPoint.STRATEGY_ANSWER_READ)
        self._deliverer.journal(self._desk, record, now_ns)
