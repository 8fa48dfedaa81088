"""Halts: from the bus and from the latch beside it, obeyed at once and acknowledged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from pitwire.common import codec, subjects
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import AppendRefused, BusUnavailable, LostRace, OutcomeUnknown
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import HaltSeen
from pitwire.common.schemas.ledger import Halt, Resume
from pitwire.execution.core.fold import SERVICE
from pitwire.execution.handlers.account_desk import AccountDesk
from pitwire.execution.handlers.errands import Errands, pause
from pitwire.execution.ports import LatchStore, Shell

LATCH_POLL_S: Final = 0.25
"""How soon a halt given beside the bus is obeyed at the latest."""

APPEND_WAIT_S: Final = 0.5
IDS_KEPT: Final = 10_000


class HaltDesk:
    """All accounts of this process: a halt is obeyed by each before it is acknowledged once."""

    def __init__(self, shell: Shell, desks: Sequence[AccountDesk], latches: LatchStore, errands: Errands) -> None:
        self._shell = shell
        self._desks = desks
        self._latches = latches
        self._errands = errands
        self._journaled: dict[str, None] = {}
        self._latched: dict[str, Halt] = {}
        self._to_journal: dict[str, Halt] = {}
        self._live = False

    # -- the journal ---------------------------------------------------------------------------------------------

    async def on_halt(self, sequence: int, halt: Halt) -> None:
        self._journaled[halt.halt_id] = None
        if len(self._journaled) > IDS_KEPT:
            del self._journaled[next(iter(self._journaled))]
        cancels = 0
        if self._live:
            crashpoint(CrashPoint.EXECUTION_HALT_READ)
        for desk in self._desks:
            cancels += await desk.observe(sequence, halt)
        if self._live:
            crashpoint(CrashPoint.EXECUTION_HALT_OBEYED)
            self._acknowledge(halt, sequence, cancels)

    async def on_resume(self, sequence: int, resume: Resume) -> None:
        for desk in self._desks:
            await desk.observe(sequence, resume)
        for halt_id in resume.cleared:
            self._latched.pop(halt_id, None)
            self._latches.remove(halt_id)

    def go_live(self, sequence: int) -> None:
        """The journal is folded up to `sequence`, this process leads: acknowledges what holds, journals what is new."""
        self._live = True
        held: dict[str, Halt] = {}
        for desk in self._desks:
            held |= desk.core.halts.journaled.active
        for halt_id, halt in held.items():
            if halt_id in self._journaled:
                self._acknowledge(halt, sequence, 0)
        for halt in list(self._to_journal.values()):
            self.publish(halt)

    def _acknowledge(self, halt: Halt, sequence: int, cancels: int) -> None:
        seen = HaltSeen(
            halt_id=halt.halt_id,
            service=SERVICE,
            slot=self._shell.settings.slot,
            oms_sequence=sequence,
            cancels_requested=cancels,
            ts_ns=self._shell.clock.wall_ns(),
        )
        self._append(subjects.halt_seen(SERVICE, halt.halt_id), seen, f"{halt.halt_id}.{self._shell.settings.slot}")

    # -- our own halts ---------------------------------------------------------------------------------------------

    def publish(self, halt: Halt) -> None:
        """Puts a halt of our own into the journal unless it stands there; waits for the bus as long as needed."""
        self._to_journal[halt.halt_id] = halt
        if self._live and halt.halt_id not in self._journaled:
            self._append(subjects.halt(SERVICE), halt, halt.halt_id)

    def latch(self, halt: Halt) -> None:
        """Obeys a halt at once, on this process' own account, and tells the journal."""
        if halt.halt_id in self._latched:
            return
        self._latched[halt.halt_id] = halt
        now_ns = self._shell.clock.wall_ns()
        for desk in self._desks:
            desk.perform(desk.core.latch(halt, now_ns))
        self._latches.acknowledge(halt.halt_id, now_ns)
        self._shell.log.warning("halted beside the bus", halt_id=halt.halt_id, scope=halt.scope, reason=halt.reason)
        self.publish(halt)

    def take_snapshots(self) -> None:
        """After the accounts were restored: the halts that hold stand in the journal, before where reading goes on."""
        for desk in self._desks:
            self._journaled |= dict.fromkeys(desk.core.halts.journaled.active)

    def read_latches(self) -> None:
        for halt in self._latches.read():
            self.latch(halt)

    async def watch_latches(self) -> None:
        """For ever."""
        while True:
            self.read_latches()
            await asyncio.sleep(LATCH_POLL_S)

    def _append(self, subject: str, message: Message, message_id: str) -> None:
        async def append(nudge: asyncio.Event) -> None:
            while True:
                try:
                    await self._shell.bus.append(
                        subject, codec.encode(message), codec.headers_for(message), message_id=message_id
                    )
                except (BusUnavailable, OutcomeUnknown, LostRace):
                    await pause(nudge, APPEND_WAIT_S)
                except AppendRefused as refused:
                    await self._shell.alert(AlertSeverity.CRITICAL, "JOURNAL_REFUSES", str(refused))
                    await pause(nudge, APPEND_WAIT_S)
                else:
                    return

        self._errands.run(f"append {subject} {message_id}", append)
