"""One venue: its feed's sink, and its reader of history, books and definitions."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Final

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import DecodeError, OutcomeUnknown, SymbolNotFound, TransientError
from pitwire.common.schemas.market import Candle
from pitwire.common.shell import Shell
from pitwire.common.telemetry import Tracing
from pitwire.market_data.core.candle_lines import Found
from pitwire.market_data.core.candles import HistoryRequest, Hole
from pitwire.market_data.core.depth import Diff
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.ticks import QuoteTick, Tick, TimeTick, TradeTick
from pitwire.market_data.handlers.candle_writer import CandleWriter
from pitwire.market_data.handlers.metrics import Metrics
from pitwire.market_data.handlers.publisher import Publisher
from pitwire.market_data.ports import Feed

STATUS_PERIOD_S: Final = 1.0
INSTRUMENTS_PERIOD_S: Final = 60.0
CLOCKS_PERIOD_S: Final = 5.0
HISTORY_WAIT_S: Final = 1.0
HISTORY_TRIES_MAX: Final = 30
BOOK_WAIT_S: Final = 1.0
"""Between two tries to fetch a book: one that cannot be had is shown as not in sequence, nothing else waits for it."""


class VenueHandlers:
    """What happens goes to the core; what the core answers goes to the bus."""

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
        self._feed = feed
        self._shell = shell
        self._metrics = metrics
        self._publisher = Publisher(core.venue, core.epoch, shell, metrics)
        self._writer = CandleWriter(core.venue, shell, metrics, tracing)
        self._history_wanted = asyncio.Event()
        self._books_wanted = asyncio.Event()
        self._instruments_wanted = asyncio.Event()
        self._connected = False
        self._ready_changed = ready_changed

    @property
    def is_ready(self) -> bool:
        """Connected, and no history is missing."""
        return self._connected and not self._core.history_requests()

    async def resume(self, intervals: Mapping[str, tuple[str, ...]]) -> None:
        """Each series begins after the candle that is stored last; `BusUnavailable` when that cannot be read."""
        for (instrument, interval), last_open_ns in (await self._writer.last_open_ns(intervals)).items():
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
        """Repeats `publish_instruments` for ever, and at once after an interruption, which may have been maintenance.

        What fails is told and tried again at the next turn.
        """
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(INSTRUMENTS_PERIOD_S):
                    await self._instruments_wanted.wait()
            self._instruments_wanted.clear()
            try:
                await self.publish_instruments()
            except SymbolNotFound as error:
                self._core.on_delisted(error.symbols)
                await self._alert(AlertSeverity.CRITICAL, "INSTRUMENT_DELISTED", str(error))
            except (TransientError, OutcomeUnknown, DecodeError) as error:
                await self._alert(AlertSeverity.WARNING, "INSTRUMENTS_NOT_REFRESHED", str(error))

    async def compare_clocks(self) -> None:
        """Asks the venue for its time, for ever; while it does not answer, what it said before holds."""
        while True:
            with contextlib.suppress(TransientError, DecodeError):
                asked_ns = self._shell.clock.wall_ns()
                server_ns = await self._feed.server_time_ns()
                self._core.offset.see(server_ns, asked_ns, self._shell.clock.wall_ns())
            await asyncio.sleep(CLOCKS_PERIOD_S)

    async def report_status(self) -> None:
        """The venue's state, repeated for late joiners."""
        while True:
            await self._publisher.status(self._core.status(self._shell.clock.wall_ns()))
            await asyncio.sleep(STATUS_PERIOD_S)

    async def write_candles(self) -> None:
        """See `CandleWriter.run`."""
        await self._writer.run()

    # -- the feed's sink -----------------------------------------------------------------------------------------

    async def on_tick(self, tick: Tick, recv_ns: int) -> None:
        core = self._core
        if isinstance(tick, QuoteTick):
            quote = core.on_quote(tick, recv_ns)
            if quote is not None:
                await self._publisher.tick(quote)
                crashpoint(CrashPoint.FEED_QUOTE_PUBLISHED)
        elif isinstance(tick, TradeTick):
            trade = core.on_trade(tick, recv_ns)
            if trade is not None:
                await self._publisher.tick(trade)
        elif isinstance(tick, Diff):
            await self._on_diff(tick, recv_ns)
        elif isinstance(tick, TimeTick):
            core.on_time(tick, recv_ns)
        else:
            await self._take(core.on_bar(tick, recv_ns))
            if core.history_requests():
                self._history_wanted.set()
        if core.candles.makes_from_trades:
            await self._take(core.take_made(recv_ns))
        if not self._writer.is_behind:
            self._shell.progress(ts_market_ns=core.clock.now_ns)

    async def on_malformed(self, place: str, data: bytes, reason: str) -> None:
        self._metrics.malformed.labels(self._core.venue).inc()
        await self._shell.quarantine(Record(place[:512], data), f"{self._core.venue}: {reason}")

    async def on_connected(self) -> None:
        self._connected = True
        await self._publisher.status(self._core.on_connected(self._shell.clock.wall_ns()))
        self._history_wanted.set()

    async def on_disconnected(self, reason: str) -> None:
        self._connected = False
        self._instruments_wanted.set()
        self._ready_changed()
        self._metrics.disconnects.labels(self._core.venue).inc()
        now_ns = self._shell.clock.wall_ns()
        for lost in self._core.lose_books(now_ns):
            await self._publisher.tick(lost)
        await self._publisher.status(self._core.on_disconnected(now_ns, reason))
        await self._alert(AlertSeverity.WARNING, "FEED_DISCONNECTED", reason)

    async def _on_diff(self, diff: Diff, recv_ns: int) -> None:
        book = self._core.on_diff(diff, recv_ns)
        if book is not None:
            await self._publisher.tick(book)
            await self._tell_news()
        if self._core.snapshot_requests():
            self._books_wanted.set()

    async def _tell_news(self) -> None:
        if self._core.take_news():
            await self._publisher.status(self._core.status(self._shell.clock.wall_ns()))

    async def _take(self, found: Found) -> None:
        for each in found:
            if isinstance(each, Candle):
                await self._writer.put(each)
            elif isinstance(each, Hole):
                self._metrics.holes.labels(self._core.venue).inc()
                text = f"{each.instrument_id}: no candle in [{each.from_ns}, {each.until_ns}), not in history either"
                await self._alert(AlertSeverity.WARNING, "CANDLE_HOLE", text)
            else:
                text = (
                    f"closed a candle of {each.open_time_ns}, the last one stored is {each.stored_ns}: is this another "
                    "venue, or one that began anew? Give it a CANDLES stream of its own"
                )
                await self._alert(AlertSeverity.CRITICAL, "CANDLES_BEHIND_STORE", text)

    async def _alert(self, severity: AlertSeverity, code: str, text: str) -> None:
        await self._shell.alert(severity, code, f"{self._core.venue}: {text}")

    # -- what is asked of the venue ------------------------------------------------------------------------------

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

    async def read_books(self) -> None:
        """Fetches the books that the core waits for, for ever; one that fails is told and tried again."""
        while True:
            await self._books_wanted.wait()
            self._books_wanted.clear()
            for instrument in self._core.snapshot_requests():
                try:
                    snapshot = await self._feed.book(instrument)
                except (TransientError, DecodeError) as error:
                    await self._alert(AlertSeverity.WARNING, "BOOK_NOT_READ", f"{instrument}: {error}")
                    continue
                book = self._core.on_snapshot(snapshot, self._shell.clock.wall_ns())
                if book is not None:
                    await self._publisher.tick(book)
                    await self._tell_news()
            if self._core.snapshot_requests():
                self._books_wanted.set()
                await asyncio.sleep(BOOK_WAIT_S)


def _place(request: HistoryRequest) -> str:
    return f"{request.instrument_id} {request.interval} from {request.from_ns} until {request.until_ns}"
