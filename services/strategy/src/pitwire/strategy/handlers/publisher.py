"""Intents of one strategy to the gate, in order, the same bytes until they are decided or expired."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from pitwire.common import codec, subjects
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.errors import AppendRefused, BusUnavailable, OutcomeUnknown
from pitwire.common.ids import content_hash
from pitwire.common.shell import Shell
from pitwire.common.telemetry import Tracing
from pitwire.strategy.core.intents import Intent
from pitwire.strategy.core.runner import Runner

REPUBLISH_PERIOD_S: Final = 0.25
"""An intent without an answer is published again this often, until it has expired; the stream drops the repetition."""


@dataclass(slots=True)
class _Entry:
    intent: Intent
    data: bytes
    headers: dict[str, str]
    message_id: str
    stored: bool = False


class Publisher:
    """Keeps order: the next number goes out when the one before is stored, or worth nothing any more."""

    def __init__(self, shell: Shell, tracing: Tracing, runner: Runner) -> None:
        self._shell = shell
        self._tracing = tracing
        self._runner = runner
        self._subject = subjects.intent(runner.spec.account, runner.spec.name)
        self._entries: deque[_Entry] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self.published = 0
        self.repeated = 0

    def put(self, intents: Iterable[Intent]) -> None:
        """Takes intents in the order of their numbers; returns at once."""
        for intent in intents:
            data = codec.encode(intent)
            with self._tracing.span("intent", intent.trace, strategy=intent.strategy) as trace:
                headers = codec.headers_for(intent, trace)
            message_id = f"{intent.strategy}-{intent.intent_no}-{content_hash(data)[:16]}"
            self._entries.append(_Entry(intent, data, headers, message_id))
            self._idle.clear()
            self._wake.set()

    async def flushed(self) -> None:
        """Returns when nothing waits to be stored for the first time."""
        await self._idle.wait()

    async def run(self) -> None:
        """Publishes for ever; trouble of the bus is waited out, a doubtful publish is repeated under the same id."""
        while True:
            self._wake.clear()
            self._drop_done()
            entry = next((each for each in self._entries if not each.stored), None)
            if entry is None:
                self._idle.set()
                await self._rest()
            elif not await self._publish(entry):
                await asyncio.sleep(REPUBLISH_PERIOD_S)

    async def _rest(self) -> None:
        """Until something new comes or, while answers are missing, until it is time to repeat."""
        if not self._entries:
            await self._wake.wait()
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(REPUBLISH_PERIOD_S):
                await self._wake.wait()
                return
        self._drop_done()
        for entry in list(self._entries):
            if not await self._publish(entry):
                return
            self.repeated += 1

    async def _publish(self, entry: _Entry) -> bool:
        crashpoint(CrashPoint.STRATEGY_INTENT_MADE)
        try:
            await self._shell.bus.append(self._subject, entry.data, entry.headers, message_id=entry.message_id)
        except (BusUnavailable, OutcomeUnknown, AppendRefused):
            return False
        crashpoint(CrashPoint.STRATEGY_INTENT_STORED)
        self.published += not entry.stored
        entry.stored = True
        return True

    def _drop_done(self) -> None:
        """Forgets what is answered, given up, or expired: the gate would only deny it."""
        now_ns = self._shell.clock.wall_ns()
        undecided = {id(intent) for intent in self._runner.intents.undecided}
        self._entries = deque(
            entry for entry in self._entries if id(entry.intent) in undecided and now_ns < entry.intent.valid_until_ns
        )
