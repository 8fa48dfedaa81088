"""Ticks in, messages out: core messages at once, closed candles one by one into their stream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity, DataQuality
from pitwire.common.errors import BusUnavailable, DecodeError, LostRace, OutcomeUnknown, TransientError
from pitwire.common.ids import content_hash
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.market import Candle, Quote, Trade
from pitwire.common.shell import Shell
from pitwire.common.telemetry import Tracing
from pitwire.market_data.core.candles import BehindStore, HistoryRequest, Hole
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.ticks import Bar, QuoteTick, Tick, TimeTick, TradeTick
from pitwire.market_data.ports import Feed

CANDLES_WAITING_MAX: Final = 10_000
"""Beyond it the feed waits: the venue's socket keeps what comes, and history fills what it drops."""

STATUS_PERIOD_S: Final = 1.0
INSTRUMENTS_PERIOD_S: Final = 600.0
APPEND_WAIT_S: Final = 0.25
APPEND_TRIES_MAX: Final = 2_400
"""Ten minutes without the bus: the process ends, and its start goes on from what is stored."""

HISTORY_WAIT_S: Final = 1.0
HISTORY_TRIES_MAX: Final = 30


class Metrics:
    """What one process reports of its feeds."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, doc: str, *labels: str) -> Counter:
            return Counter(f"pitwire_market_data_{name}", doc, labels, registry=registry)

        self.messages = counter("messages", "messages published", "venue", "kind")
        self.rejected = Gauge(
            "pitwire_market_data_rejected", "ticks not published", ("venue", "reason"), registry=registry
        )
        self.flagged = counter("flagged", "messages whose quality is not OK", "venue", "quality")
        self.unpublished = counter("unpublished", "messages lost because the bus was away", "venue")
        self.disconnects = counter("disconnects", "connections to the venue that ended or failed", "venue")
        self.holes = counter("candle_holes", "candles that neither stream nor history has", "venue")


class VenueHandlers:
    """One venue: its feed's sink, its candle writer, its reader of history."""

    def __init__(
        self,
        core: FeedCore,
        feed: Feed,
        shell: Shell,
        metrics: Metrics,
        tracing: Tracing,
        ready_changed: Callable[[], None],
    ) -> None:
        self._core = core
        self._publisher = content_hash(core.epoch.encode())[:16]
        self._feed = feed
        self._shell = shell
        self._metrics = metrics
        self._tracing = tracing
        self._candles: asyncio.Queue[Candle] = asyncio.Queue(CANDLES_WAITING_MAX)
        self._unwritten_ns: list[int] = []
        self._last: dict[str, int] = {}
        self._history_wanted = asyncio.Event()
        self._connected = False
        self._ticks = 0
        self._ready_changed = ready_changed

    @property
    def is_ready(self) -> bool:
        """Connected, and no history is missing."""
        return self._connected and not self._core.history_requests()

    async def resume(self, intervals: dict[str, tuple[str, ...]]) -> None:
        """Each series begins after the candle that is stored last; `BusUnavailable` when that cannot be read."""
        for instrument, wanted in intervals.items():
            for interval in wanted:
                subject = subjects.candle(instrument, interval)
                stored = await self._shell.bus.last(topology.CANDLES.name, subject)
                last_open_ns = None
                if stored is not None:
                    self._last[subject] = stored.sequence
                    last_open_ns = codec.decode(Candle, stored.data, subject=subject).open_time_ns
                self._core.resume_candles(instrument, interval, last_open_ns=last_open_ns)
        self._history_wanted.set()
        crashpoint(CrashPoint.FEED_RESUMED)

    async def publish_instruments(self) -> None:
        """Definitions as the venue has them now, stored where they changed."""
        found = await self._feed.instruments(self)
        self._core.on_instruments({name: trading for name, (_, trading) in found.items()})
        for name, (definition, _) in found.items():
            subject, data = subjects.instrument(name), codec.encode(definition)
            stored = await self._shell.bus.last(topology.INSTRUMENTS.name, subject)
            if stored is None or stored.data != data:
                await self._shell.bus.append(subject, data, codec.headers_for(definition))
        crashpoint(CrashPoint.FEED_DEFINED)

    async def refresh_instruments(self) -> None:
        """Repeats `publish_instruments` for ever; what fails is told and tried again at the next turn."""
        while True:
            await asyncio.sleep(INSTRUMENTS_PERIOD_S)
            try:
                await self.publish_instruments()
            except (TransientError, OutcomeUnknown, DecodeError) as error:
                await self._alert(AlertSeverity.WARNING, "INSTRUMENTS_NOT_REFRESHED", str(error))

    async def report_status(self) -> None:
        """The venue's state, repeated for late joiners, and refusals so far."""
        while True:
            await self._publish(self._core.status(self._shell.clock.wall_ns()), "status")
            for reason in self._core.rejected.__slots__:
                count = getattr(self._core.rejected, reason)
                self._metrics.rejected.labels(self._core.venue, reason).set(count)
            await asyncio.sleep(STATUS_PERIOD_S)

    # -- the feed's sink -----------------------------------------------------------------------------------------

    async def on_tick(self, tick: Tick, recv_ns: int) -> None:
        if isinstance(tick, QuoteTick):
            quote = self._core.on_quote(tick, recv_ns)
            if quote is not None:
                await self._publish_market(quote, subjects.quote(quote.instrument_id), "quote")
                crashpoint(CrashPoint.FEED_QUOTE_PUBLISHED)
        elif isinstance(tick, TradeTick):
            trade = self._core.on_trade(tick, recv_ns)
            if trade is not None:
                await self._publish_market(trade, subjects.trade(trade.instrument_id), "trade")
        elif isinstance(tick, TimeTick):
            self._core.on_time(tick, recv_ns)
        else:
            await self._on_bar(tick, recv_ns)
        if not self._unwritten_ns:
            self._shell.progress(ts_market_ns=self._core.clock.now_ns)

    async def on_malformed(self, place: str, data: bytes, reason: str) -> None:
        await self._shell.quarantine(Record(place[:512], data), f"{self._core.venue}: {reason}")

    async def on_connected(self) -> None:
        self._connected = True
        await self._publish(self._core.on_connected(self._shell.clock.wall_ns()), "status")
        self._history_wanted.set()

    async def on_disconnected(self, reason: str) -> None:
        self._connected = False
        self._ready_changed()
        self._metrics.disconnects.labels(self._core.venue).inc()
        await self._publish(self._core.on_disconnected(self._shell.clock.wall_ns(), reason), "status")
        await self._alert(AlertSeverity.WARNING, "FEED_DISCONNECTED", reason)

    async def _on_bar(self, bar: Bar, recv_ns: int) -> None:
        await self._take(self._core.on_bar(bar, recv_ns))
        if self._core.history_requests():
            self._history_wanted.set()

    async def _take(self, found: list[Candle | Hole | BehindStore]) -> None:
        for each in found:
            if isinstance(each, Candle):
                self._unwritten_ns.append(each.close_time_ns)
                await self._candles.put(each)
            elif isinstance(each, Hole):
                self._metrics.holes.labels(self._core.venue).inc()
                text = f"no candle in [{each.from_ns}, {each.until_ns}), not in history either"
                await self._alert(AlertSeverity.WARNING, "CANDLE_HOLE", text)
            else:
                text = (
                    f"closed a candle of {each.open_time_ns}, the last one stored is {each.stored_ns}: is this another "
                    "venue, or one that began anew? Give it a CANDLES stream of its own"
                )
                await self._alert(AlertSeverity.CRITICAL, "CANDLES_BEHIND_STORE", text)

    async def _alert(self, severity: AlertSeverity, code: str, text: str) -> None:
        await self._shell.alert(severity, code, f"{self._core.venue}: {text}")

    async def _publish_market(self, message: Quote | Trade, subject: str, kind: str) -> None:
        self._ticks += 1
        if message.quality is not DataQuality.OK:
            self._metrics.flagged.labels(self._core.venue, message.quality.value).inc()
        await self._send(subject, message, kind, tick_trace(self._publisher, self._ticks))

    async def _publish(self, message: Message, kind: str) -> None:
        await self._send(subjects.venue_status(self._core.venue), message, kind, "")

    async def _send(self, subject: str, message: Message, kind: str, trace: str) -> None:
        try:
            await self._shell.bus.publish(subject, codec.encode(message), codec.headers_for(message, trace))
        except BusUnavailable:
            self._metrics.unpublished.labels(self._core.venue).inc()
            return
        self._metrics.messages.labels(self._core.venue, kind).inc()

    # -- history and candles -------------------------------------------------------------------------------------

    async def read_history(self) -> None:
        """Answers what the core misses, one request at a time; gives up after `HISTORY_TRIES_MAX` failures in a row."""
        failures = 0
        while True:
            self._history_wanted.clear()
            for request in self._core.history_requests():
                try:
                    bars = await self._feed.history(request, self)
                except (TransientError, DecodeError) as error:
                    failures += 1
                    if failures == HISTORY_TRIES_MAX:
                        raise
                    await self._alert(AlertSeverity.WARNING, "HISTORY_NOT_READ", f"{_place(request)}: {error}")
                    await asyncio.sleep(HISTORY_WAIT_S)
                    continue
                failures = 0
                crashpoint(CrashPoint.FEED_HISTORY)
                await self._take(self._core.on_history(request, bars, self._shell.clock.wall_ns()))
            if self._core.history_requests():
                continue
            self._ready_changed()
            await self._history_wanted.wait()

    async def write_candles(self) -> None:
        """Stores candles in order, each exactly once, and says so: others wait for this news."""
        while True:
            candle = await self._candles.get()
            crashpoint(CrashPoint.FEED_CANDLE_CLOSED)
            with self._tracing.span("candle", instrument=candle.instrument_id) as trace:
                await self._store(candle, trace)
            crashpoint(CrashPoint.FEED_CANDLE_STORED)
            self._unwritten_ns.remove(candle.close_time_ns)
            self._shell.progress(ts_market_ns=candle.close_time_ns, now=True)
            self._metrics.messages.labels(self._core.venue, "candle").inc()

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


def tick_trace(publisher: str, count: int) -> str:
    """A W3C traceparent for one tick without the cost of a span: `publisher` is 16 hex digits of its epoch."""
    return f"00-{publisher}{count:016x}-{count:016x}-01"


def _place(request: HistoryRequest) -> str:
    return f"{request.instrument_id} {request.interval} from {request.from_ns} until {request.until_ns}"
