"""The dead man's switch: no word of the gate, or no bus to bring it, and orders stop, then are withdrawn."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.control import Heartbeat
from pitwire.execution.core.silence import GateWatch
from pitwire.execution.handlers.account_desk import AccountDesk
from pitwire.execution.ports import Shell

WATCH_PERIOD_S: Final = 0.25
GATE: Final = "risk-gate"
SILENT_REASON: Final = "the gate is not heard"


class Watchdog:
    """Hears the gates' heartbeats and looks at them `WATCH_PERIOD_S` apart."""

    def __init__(self, shell: Shell, watch: GateWatch, desks: Sequence[AccountDesk]) -> None:
        self._shell = shell
        self._watch = watch
        self._desks = desks
        self._lost: dict[str, bool] = {}

    async def run(self) -> None:
        """For ever."""
        await self._shell.bus.subscribe(subjects.pattern(subjects.HEARTBEAT), self.on_heartbeat)
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            for desk in self._desks:
                await self.look(desk)

    def on_heartbeat(self, record: Record) -> None:
        tokens = subjects.tokens(subjects.HEARTBEAT, record.subject)
        if tokens is None or tokens["service"] != GATE:
            return
        try:
            beat = codec.decode(Heartbeat, record.data, subject=record.subject)
        except DecodeError as error:
            self._shell.log.warning("heartbeat cannot be read", reason=error.reason)
            return
        self._watch.heard(f"{tokens['slot']}.{beat.instance}", self._shell.clock.monotonic_ns())

    async def look(self, desk: AccountDesk) -> None:
        """Withdraws what works while the gate is lost; tells a person once."""
        lost = self._watch.is_lost(desk.core.gate_leader, self._shell.clock.monotonic_ns())
        was_lost = self._lost.get(desk.account, False)
        self._lost[desk.account] = lost
        if not lost or not desk.core.leading:
            return
        cancels = desk.withdraw(SILENT_REASON)
        if not was_lost:
            text = f"gate {desk.core.gate_leader or '(none)'} is not heard; {cancels} working orders are cancelled"
            await self._shell.alert(AlertSeverity.CRITICAL, "GATE_LOST", text, account=desk.account)
