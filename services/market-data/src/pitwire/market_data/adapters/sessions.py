"""A session recorded, and the same session again from its recording: what the core answers is equal, byte for byte."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Final

import orjson

from pitwire.common import codec
from pitwire.common.clock import Clock
from pitwire.common.errors import DecodeError, TransientError
from pitwire.common.schemas.market import Candle
from pitwire.market_data.adapters.frames import Notice, snapshot_of, tick_of
from pitwire.market_data.adapters.recording import Entry, RecordingWriter
from pitwire.market_data.core.candle_lines import Found
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Diff
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.messages import MarketOut
from pitwire.market_data.core.ticks import Bar, QuoteTick, Tick, TimeTick, TradeTick
from pitwire.market_data.ports import Feed

ASK_PERIOD_S: Final = 0.2
"""How often the venue is asked for what the core misses."""

Emit = Callable[[bytes], None]


def ignore(_message: bytes) -> None:
    """For a recorder nobody listens to."""


class Core:
    """The core, with everything it answers as bytes of the bus."""

    def __init__(self, core: FeedCore, emit: Emit) -> None:
        self.core: Final = core
        self._emit = emit

    def on_tick(self, tick: Tick, recv_ns: int) -> None:
        core = self.core
        if isinstance(tick, QuoteTick):
            self._out(core.on_quote(tick, recv_ns))
        elif isinstance(tick, TradeTick):
            self._out(core.on_trade(tick, recv_ns))
        elif isinstance(tick, Diff):
            self._out(core.on_diff(tick, recv_ns))
        elif isinstance(tick, TimeTick):
            core.on_time(tick, recv_ns)
        else:
            self._candles(core.on_bar(tick, recv_ns))
        if core.candles.makes_from_trades:
            self._candles(core.take_made(recv_ns))

    def on_book(self, instrument: str, body: Any, recv_ns: int) -> None:
        self._out(self.core.on_snapshot(snapshot_of(instrument, body), recv_ns))

    def on_history(self, request: HistoryRequest, bars: list[Bar], recv_ns: int) -> None:
        self._candles(self.core.on_history(request, bars, recv_ns))

    def on_connected(self, recv_ns: int) -> None:
        self.core.on_connected(recv_ns)

    def on_disconnected(self, recv_ns: int, reason: str) -> None:
        for lost in self.core.lose_books(recv_ns):
            self._out(lost)
        self.core.on_disconnected(recv_ns, reason)

    def _out(self, message: MarketOut | None) -> None:
        if message is not None:
            self._emit(orjson.dumps(message))

    def _candles(self, found: Found) -> None:
        for each in found:
            if isinstance(each, Candle):
                self._emit(codec.encode(each))


class Recorder:
    """A feed's sink that writes, and asks the venue for the books and candles that belong to what it hears."""

    def __init__(self, core: FeedCore, feed: Feed, writer: RecordingWriter, clock: Clock, emit: Emit = ignore) -> None:
        self._core = Core(core, emit)
        self._feed = feed
        self._writer = writer
        self._clock = clock
        self.malformed = 0

    async def run(self) -> None:
        """Records until cancelled; what was heard is in the file then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._feed.run(self))
                tasks.create_task(self._ask())
        finally:
            self._writer.flush()

    async def on_tick(self, tick: Tick, recv_ns: int) -> None:
        self._core.on_tick(tick, recv_ns)

    async def on_malformed(self, place: str, data: bytes, reason: str) -> None:  # noqa: ARG002 - it stands in the file
        self.malformed += 1

    async def on_connected(self) -> None:
        now_ns = self._clock.wall_ns()
        self._writer.note(now_ns, "connected")
        self._core.on_connected(now_ns)

    async def on_disconnected(self, reason: str) -> None:
        now_ns = self._clock.wall_ns()
        self._writer.note(now_ns, "disconnected", reason=reason)
        self._core.on_disconnected(now_ns, reason)

    async def _ask(self) -> None:
        while True:
            await asyncio.sleep(ASK_PERIOD_S)
            try:
                for instrument in self._core.core.snapshot_requests():
                    book = await self._feed.book(instrument)
                    now_ns = self._clock.wall_ns()
                    body = {"lastUpdateId": book.last_update_id, "bids": book.bids, "asks": book.asks}
                    self._writer.note(now_ns, "book", instrument=instrument, body=body)
                    self._core.on_book(instrument, body, now_ns)
                for request in self._core.core.history_requests():
                    bars = await self._feed.history(request, self)
                    now_ns = self._clock.wall_ns()
                    rows = [
                        {name: str(v) if isinstance(v, Decimal) else v for name, v in asdict(b).items()} for b in bars
                    ]
                    self._writer.note(now_ns, "history", request=asdict(request), bars=rows)
                    self._core.on_history(request, bars, now_ns)
            except (TransientError, DecodeError) as error:
                self._writer.note(self._clock.wall_ns(), "not_answered", reason=str(error)[:400])


class Replay:
    """A recording as the feed it was. The first line of a file says what it is of."""

    def __init__(self, session: Mapping[str, Any], emit: Emit = ignore) -> None:
        intervals = {name: tuple(wanted) for name, wanted in session["intervals"].items()}
        core = FeedCore(
            session["venue"],
            session["epoch"],
            intervals,
            silence_max_ns=session["silence_max_ns"],
            skew_max_ns=session["skew_max_ns"],
            books=frozenset(session["books"]),
        )
        for name, wanted in intervals.items():
            for interval in wanted:
                core.resume_candles(name, interval, last_open_ns=None)
        self._core = Core(core, emit)
        self._known: dict[str, str] = dict(session["known"])
        self.frames = self.malformed = 0

    @property
    def core(self) -> FeedCore:
        """What was flagged and rejected stands in it."""
        return self._core.core

    def on_entry(self, entry: Entry) -> None:
        """One line of the recording, in order."""
        if entry.record is None:
            self._on_frame(entry)
        elif entry.record["record"] == "connected":
            self._core.on_connected(entry.recv_ns)
        elif entry.record["record"] == "disconnected":
            self._core.on_disconnected(entry.recv_ns, entry.record["reason"])
        elif entry.record["record"] == "book":
            self._core.on_book(entry.record["instrument"], entry.record["body"], entry.recv_ns)
        elif entry.record["record"] == "history":
            request = HistoryRequest(**entry.record["request"])
            self._core.on_history(request, [_bar(row) for row in entry.record["bars"]], entry.recv_ns)

    def _on_frame(self, entry: Entry) -> None:
        self.frames += 1
        try:
            tick = tick_of(entry.raw, self._known)
        except DecodeError:
            self.malformed += 1
            return
        if tick is not None and not isinstance(tick, Notice):
            self._core.on_tick(tick, entry.recv_ns)


FIGURES: Final = ("open", "high", "low", "close", "volume", "quote_volume")


def _bar(row: dict[str, Any]) -> Bar:
    figures: dict[str, Any] = {name: Decimal(row[name]) for name in FIGURES}
    return Bar(**(row | figures))
