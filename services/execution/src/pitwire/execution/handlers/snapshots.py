"""When the fold of one account is kept, and where a start takes it up again."""

from __future__ import annotations

import asyncio
from typing import Final

from pitwire.common import topology
from pitwire.common.bus.port import Record
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import BusUnavailable, PitwireError
from pitwire.common.ids import content_hash
from pitwire.common.snapshots import SnapshotStore
from pitwire.execution.core.fold import SERVICE, ExecutionCore
from pitwire.execution.ports import Shell

BUS_WAIT_S: Final = 0.1
SNAPSHOT_EVERY: Final = 5_000
"""Journal sequences between two snapshots: what a start reads at most beyond the last one."""


class SnapshotDesk:
    """Snapshots of one account. Saving is called between two batches of the reader, when the fold stands still."""

    def __init__(self, shell: Shell, core: ExecutionCore) -> None:
        self._shell = shell
        self._core = core
        self._store = SnapshotStore(shell.bus, service=SERVICE, account=core.account)
        self._saved = 0
        self._newest: Record | None = None

    async def restore(self) -> None:
        """The newest good snapshot whose record the journal still holds; without one the core stays as it is: empty."""
        empty, bad = self._core.snapshot(), list[str]()
        last = await self._last_sequence()
        found = await self._store.load(self._core.restore, last_sequence=last, on_bad=bad.append)
        for text in bad:
            await self._shell.alert(AlertSeverity.WARNING, "SNAPSHOT", text, account=self._core.account)
        if found is None:
            self._core.restore(empty)
        self._saved = self._core.sequence

    async def _last_sequence(self) -> int:
        while True:
            try:
                return (await self._shell.bus.state(topology.OMS.name)).last_sequence
            except BusUnavailable:
                await asyncio.sleep(BUS_WAIT_S)

    def reads(self, record: Record) -> None:
        """The reader takes this record, of whichever account, before the fold does: the next snapshot stands at it."""
        self._newest = record

    async def save_when_due(self, sequence: int) -> None:
        """`sequence`: everything up to it was read."""
        if sequence - self._saved >= SNAPSHOT_EVERY:
            await self.save()

    async def save(self) -> None:
        """A failure costs only a longer start, so it is only told."""
        core, newest = self._core, self._newest
        if core.stopped or core.sequence <= self._saved or newest is None:
            return
        self._saved = core.sequence
        try:
            await self._store.save(
                core,
                oms_sequence=newest.sequence,
                record_hash=content_hash(newest.data),
                ts_ns=self._shell.clock.wall_ns(),
            )
        except PitwireError as error:
            text = f"snapshot at {core.sequence} not kept: {error}"
            await self._shell.alert(AlertSeverity.WARNING, "SNAPSHOT", text, account=core.account)
