"""Market data to strategies: closed candles from their stream, quotes and trades only where somebody wants them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.errors import DecodeError
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.order_book import OrderBook
from pitwire.common.schemas.market import BookUpdate, Candle, Instrument, Quote, Trade
from pitwire.common.shell import Shell
from pitwire.strategy.core.desk import Desk
from pitwire.strategy.core.history import in_time_order, records_back
from pitwire.strategy.core.outputs import Cause
from pitwire.strategy.core.runner import Runner
from pitwire.strategy.handlers.outbox import Outbox

TickModel = type[Quote] | type[Trade] | type[BookUpdate]
TICKS: Final[tuple[tuple[str, Callable[[str], str], TickModel], ...]] = (
    ("on_quote", subjects.quote, Quote),
    ("on_trade", subjects.trade, Trade),
    ("on_book", subjects.book, BookUpdate),
)


class MarketReader:
    """Feeds every desk of this process."""

    def __init__(self, shell: Shell, desks: Sequence[Desk], registry: InstrumentRegistry, outbox: Outbox) -> None:
        self._shell = shell
        self._desks = desks
        self._registry = registry
        self._outbox = outbox
        self._books: dict[str, OrderBook] = {}

    async def follow_instruments(self) -> None:
        """Keeps definitions current for ever."""
        filters = (subjects.pattern(subjects.INSTRUMENT),)
        async for batch in self._shell.bus.read(topology.INSTRUMENTS.name, filters, after=0):
            for record in batch:
                try:
                    self._registry.put(codec.decode(Instrument, record.data, subject=record.subject))
                except DecodeError as error:
                    self._outbox.set_aside(record, error.reason, topology.INSTRUMENTS.name)

    async def subscribe_ticks(self) -> None:
        """Quotes, trades and books of exactly the instruments whose strategies have the method for them."""
        for event, subject_of, model in TICKS:
            wanted = [name for runner in self._runners() if runner.wants(event) for name in runner.spec.instruments]
            for instrument in dict.fromkeys(wanted):
                await self._shell.bus.subscribe(subject_of(instrument), self._tick_handler(model))

    async def warm_up(self) -> AsyncGenerator[list[Record], None] | None:
        """Shows strategies the stored candles; returns the reader standing behind the last of them.

        Reads from where the history needed should begin, and from further back as long as it was too little. None
        where no strategy needs candles.
        """
        filters = self._candle_subjects()
        if not filters:
            return None
        newest = (await self._shell.bus.state(topology.CANDLES.name)).last_sequence
        back = await self._records_back()
        while True:
            after = max(newest - back, 0)
            reader = self._shell.bus.read(topology.CANDLES.name, filters, after=after)
            history = await self._read_stored(reader)
            if after == 0 or self._is_enough(history):
                break
            await reader.aclose()
            back *= 2
        cause = self._cause(self._shell.clock.wall_ns())
        for runner in self._runners():
            self._outbox.put(runner.warm_up(in_time_order(history), cause))
        crashpoint(CrashPoint.STRATEGY_WARM)
        if history:
            self._shell.progress(ts_market_ns=max(candle.close_time_ns for candle in history), now=True)
        return reader

    async def follow_candles(self, reader: AsyncGenerator[list[Record], None]) -> None:
        """Shows each closed candle to every strategy of its instrument, then says how far this process is."""
        async for batch in reader:
            for record in batch:
                candle = self._decoded(record)
                if candle is not None:
                    await self._on_candle(candle, record)

    async def _on_candle(self, candle: Candle, record: Record) -> None:
        crashpoint(CrashPoint.STRATEGY_CANDLE_READ)
        now_ns = self._shell.clock.wall_ns()
        cause = self._cause(now_ns, record, candle.epoch, candle.sequence, candle.close_time_ns)
        for runner in self._runners():
            self._outbox.put(runner.on_candle(candle, cause))
        await self._outbox.flushed()
        crashpoint(CrashPoint.STRATEGY_CANDLE_DONE)
        self._shell.progress(ts_market_ns=candle.close_time_ns, now=not candle.backfilled)

    def _tick_handler(self, model: TickModel) -> Callable[[Record], None]:
        def on_record(record: Record) -> None:
            try:
                tick = codec.decode(model, record.data, subject=record.subject)
            except DecodeError as error:
                self._outbox.set_aside(record, error.reason, "")
                return
            shown: Quote | Trade | OrderBook
            if isinstance(tick, BookUpdate):
                shown = self._books.setdefault(tick.instrument_id, OrderBook(tick.instrument_id))
                if not shown.on_update(tick):
                    return
            else:
                shown = tick
            now_ns = self._shell.clock.wall_ns()
            cause = self._cause(now_ns, record, tick.epoch, tick.sequence, tick.ts_event_ns)
            for runner in self._runners():
                self._outbox.put(runner.on_tick(shown, cause))

        return on_record

    def _runners(self) -> list[Runner]:
        return [runner for desk in self._desks for runner in desk.active()]

    def _candle_subjects(self) -> tuple[str, ...]:
        wanted = [
            subjects.candle(instrument, runner.spec.interval)
            for runner in self._runners()
            for instrument in runner.spec.instruments
        ]
        return tuple(dict.fromkeys(wanted))

    async def _records_back(self) -> int:
        """How far before the end of the stream the longest history should begin."""
        newest = await self._shell.bus.last_of_each(topology.CANDLES.name, subjects.pattern(subjects.CANDLE))
        candles = [candle for record in newest if (candle := self._decoded(record)) is not None]
        return max(
            (
                records_back(candles, candles_needed=runner.history_needed, interval=runner.spec.interval)
                for runner in self._runners()
            ),
            default=0,
        )

    async def _read_stored(self, reader: AsyncGenerator[list[Record], None]) -> list[Candle]:
        """Everything up to the end of the stream as it is now."""
        found: list[Candle] = []
        async for batch in reader:
            if not batch:
                break
            found += [candle for record in batch if (candle := self._decoded(record)) is not None]
        return found

    def _is_enough(self, history: Sequence[Candle]) -> bool:
        counts: dict[tuple[str, str], int] = {}
        for candle in history:
            key = candle.instrument_id, candle.interval
            counts[key] = counts.get(key, 0) + 1
        return all(
            counts.get((instrument, runner.spec.interval), 0) >= runner.history_needed
            for runner in self._runners()
            for instrument in runner.spec.instruments
        )

    def _decoded(self, record: Record) -> Candle | None:
        try:
            return codec.decode(Candle, record.data, subject=record.subject)
        except DecodeError as error:
            self._outbox.set_aside(record, error.reason, topology.CANDLES.name)
            return None

    @staticmethod
    def _cause(
        now_ns: int, record: Record | None = None, epoch: str = "", sequence: int = 0, ts_event_ns: int = 0
    ) -> Cause:
        subject, trace = (record.subject, record.trace) if record else ("", "")
        return Cause(now_ns, ts_event_ns, subject, epoch, sequence, trace)
