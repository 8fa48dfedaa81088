"""Hears the processes that trade together, and whether they agree."""

from __future__ import annotations

import asyncio
from typing import Final

from pitwire.common import codec, subjects
from pitwire.common.agreement import BUILD, disagreement
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import DecodeError
from pitwire.common.leases import LeadershipLost
from pitwire.common.portfolio.chain import LedgerRecord
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.ledger import LeaderChanged
from pitwire.common.shell import Shell

SILENT_AFTER_NS: Final = 3 * NS_PER_S
"""A process not heard for so long has no say: it was stopped, or nothing passes through it."""

LOOK_PERIOD_S: Final = 1.0
PROCESSES_MAX: Final = 256
"""Processes remembered at once; the one silent longest is forgotten first."""


def must_lead_alone(record: LedgerRecord) -> None:
    """`LeadershipLost` where a gate that leads reads that another build leads now: one build at a time decides."""
    if isinstance(record, LeaderChanged) and record.build != BUILD:
        build = record.build or "unknown"
        raise LeadershipLost(f"{record.account} is led by {record.leader} of build {build}, not {BUILD}")


class Agreement:
    """Shared by the gates of this process; `disagreement` is what speaks against trading now."""

    def __init__(self, service: Shell) -> None:
        self._service = service
        self._heard: dict[tuple[str, str, str], tuple[Heartbeat, int]] = {}
        self._told = ""

    async def follow(self) -> None:
        """Listens for ever, and tells a person when they begin to disagree and when that is over."""
        await self._service.bus.subscribe(subjects.pattern(subjects.HEARTBEAT), self._on_heartbeat)
        while True:
            await asyncio.sleep(LOOK_PERIOD_S)
            await self.tell()

    @property
    def disagreement(self) -> str:
        """Empty when all that were heard lately agree."""
        now_ns = self._service.clock.monotonic_ns()
        return disagreement(beat for beat, heard_ns in self._heard.values() if now_ns - heard_ns < SILENT_AFTER_NS)

    def _on_heartbeat(self, record: Record) -> None:
        try:
            beat = codec.decode(Heartbeat, record.data, subject=record.subject)
        except DecodeError as error:
            self._service.spawn("quarantine", self._service.quarantine(record, error.reason))
            return
        process = (beat.service, beat.slot, beat.instance)
        self._heard.pop(process, None)
        self._heard[process] = (beat, self._service.clock.monotonic_ns())
        if len(self._heard) > PROCESSES_MAX:
            del self._heard[next(iter(self._heard))]

    async def tell(self) -> None:
        """Tells a person what changed since the last time; nothing when nothing did."""
        found = self.disagreement
        if found == self._told:
            return
        self._told = found
        severity = AlertSeverity.CRITICAL if found else AlertSeverity.INFO
        text = f"nothing is approved: {found}" if found else "all processes agree again"
        await self._service.alert(severity, "DISAGREEMENT", text)
