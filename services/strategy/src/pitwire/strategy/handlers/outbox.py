"""What the core gave back, on its way out: intents to their publishers, reasons and alarms to who reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from prometheus_client import CollectorRegistry, Counter

from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.errors import BusUnavailable
from pitwire.common.schemas.control import DecisionTrace
from pitwire.common.shell import Shell
from pitwire.strategy.core.outputs import Alarm, Outputs
from pitwire.strategy.handlers.publisher import Publisher

WAITING_MAX: Final = 10_000
"""Reasons waiting to be told; beyond it new ones are dropped and counted: they are for people, not for trading."""

_Word = DecisionTrace | Alarm | tuple[Record, str, str]


class Outbox:
    """`put` never waits, so that it can be called from where a message arrives."""

    def __init__(self, shell: Shell, publishers: Mapping[str, Publisher], registry: CollectorRegistry) -> None:
        self._shell = shell
        self._publishers = publishers
        self._words: asyncio.Queue[_Word] = asyncio.Queue(WAITING_MAX)
        self._evaluations = Counter(
            "pitwire_strategy_evaluations", "decisions explained", ("strategy", "signal"), registry=registry
        )
        self._intents = Counter("pitwire_strategy_intents", "intents made", ("strategy",), registry=registry)
        self._dropped = Counter("pitwire_strategy_reasons_dropped", "reasons nobody will read", registry=registry)

    def put(self, outputs: Outputs) -> None:
        for intent in outputs.intents:
            self._publishers[intent.strategy].put((intent,))
            self._intents.labels(intent.strategy).inc()
        for trace in outputs.traces:
            self._evaluations.labels(trace.strategy, trace.signal).inc()
            self._say(trace)
        for alarm in outputs.alarms:
            self._say(alarm)

    def set_aside(self, record: Record, reason: str, stream: str) -> None:
        """Quarantines a record from where nothing can be awaited."""
        self._say((record, reason, stream))

    async def flushed(self) -> None:
        """Every intent put so far is stored, or expired."""
        for publisher in self._publishers.values():
            await publisher.flushed()

    async def run(self) -> None:
        """Tells reasons and alarms for ever; a bus that is away costs the reason, never the order of intents."""
        while True:
            word = await self._words.get()
            if isinstance(word, Alarm):
                await self._shell.alert(
                    word.severity, word.code, word.text, account=word.account, strategy=word.strategy
                )
            elif isinstance(word, DecisionTrace):
                await self._publish(word)
            else:
                record, reason, stream = word
                await self._shell.quarantine(record, reason, stream=stream)

    def _say(self, word: _Word) -> None:
        try:
            self._words.put_nowait(word)
        except asyncio.QueueFull:
            self._dropped.inc()

    async def _publish(self, trace: DecisionTrace) -> None:
        try:
            await self._shell.bus.publish(
                subjects.decision_trace(trace.strategy), codec.encode(trace), codec.headers_for(trace)
            )
        except BusUnavailable:
            self._dropped.inc()
