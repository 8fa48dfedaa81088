"""Closed candles into their stream: in order, each exactly once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from pitwire.common import codec, subjects, topology
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.errors import BusUnavailable, LostRace, OutcomeUnknown
from pitwire.common.schemas.market import Candle
from pitwire.common.shell import Shell
from pitwire.common.telemetry import Tracing
from pitwire.market_data.handlers.metrics import Metrics

CANDLES_WAITING_MAX: Final = 10_000
"""Beyond it the feed waits: the venue's socket keeps what comes, and history fills what it drops."""

APPEND_WAIT_S: Final = 0.25
APPEND_TRIES_MAX: Final = 2_400
"""Ten minutes without the bus: the process ends, and its start goes on from what is stored."""


class CandleWriter:
    """One venue's candles on their way to the stream."""

    def __init__(self, venue: str, shell: Shell, metrics: Metrics, tracing: Tracing) -> None:
        self._venue = venue
        self._shell = shell
        self._metrics = metrics
        self._tracing = tracing
        self._waiting: asyncio.Queue[Candle] = asyncio.Queue(CANDLES_WAITING_MAX)
        self._unwritten_ns: list[int] = []
        self._last: dict[str, int] = {}

    @property
    def is_behind(self) -> bool:
        """Some candle is not stored yet."""
        return bool(self._unwritten_ns)

    async def last_open_ns(self, intervals: Mapping[str, tuple[str, ...]]) -> dict[tuple[str, str], int | None]:
        """The candle stored last of each series; `BusUnavailable` when that cannot be read."""
        found: dict[tuple[str, str], int | None] = {}
        for instrument, wanted in intervals.items():
            for interval in wanted:
                subject = subjects.candle(instrument, interval)
                stored = await self._shell.bus.last(topology.CANDLES.name, subject)
                found[instrument, interval] = None
                if stored is not None:
                    self._last[subject] = stored.sequence
                    found[instrument, interval] = codec.decode(Candle, stored.data, subject=subject).open_time_ns
        return found

    async def put(self, candle: Candle) -> None:
        self._unwritten_ns.append(candle.close_time_ns)
        await self._waiting.put(candle)

    async def run(self) -> None:
        """Stores candles for ever, and says so: others wait for this news."""
        while True:
            candle = await self._waiting.get()
            crashpoint(CrashPoint.FEED_CANDLE_CLOSED)
            with self._tracing.span("candle", instrument=candle.instrument_id) as trace:
                await self._store(candle, trace)
            crashpoint(CrashPoint.FEED_CANDLE_STORED)
            self._unwritten_ns.remove(candle.close_time_ns)
            self._shell.progress(ts_market_ns=candle.close_time_ns, now=True)
            self._metrics.messages.labels(self._venue, "candle").inc()

    async def _store(self, candle: Candle, trace: str) -> None:
        """Compare-and-set on the series' subject: two publishers, or a lost answer, never store a candle twice."""
        subject, data = subjects.candle(candle.instrument_id, candle.interval), codec.encode(candle)
        message_id = f"{candle.instrument_id}:{candle.interval}:{candle.open_time_ns}"
        for _ in range(APPEND_TRIES_MAX):
            try:
                self._last[subject] = await self._shell.bus.append(
                    subject,
                    data,
                    codec.headers_for(candle, trace),
                    expected_last=self._last.get(subject, 0),
                    message_id=message_id,
                )
            except (LostRace, OutcomeUnknown, BusUnavailable):
                if await self._is_stored(subject, candle):
                    return
            else:
                return
        raise BusUnavailable(f"{subject}: {candle.open_time_ns} could not be stored")

    async def _is_stored(self, subject: str, candle: Candle) -> bool:
        """Reads back what the subject holds now; the failure itself is never interpreted."""
        try:
            stored = await self._shell.bus.last(topology.CANDLES.name, subject)
        except BusUnavailable:
            await asyncio.sleep(APPEND_WAIT_S)
            return False
        self._last[subject] = stored.sequence if stored else 0
        return (
            stored is not None
            and codec.decode(Candle, stored.data, subject=subject).open_time_ns >= candle.open_time_ns
        )
