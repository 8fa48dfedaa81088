"""Market data to strategies: closed candles from their stream, quotes and trades only where somebody wants them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from pitwire.common import subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import DeliveryKind
from pitwire.common.schemas.market import Candle
from pitwire.common.shell import Shell
from pitwire.strategy.core.history import records_back
from pitwire.strategy.handlers.delivering import TICKS, Deliverer
from pitwire.strategy.handlers.delivery_log import DeliveryLog
from pitwire.strategy.handlers.outbox import Outbox


class MarketReader:
    """Feeds every desk of this process."""

    def __init__(self, shell: Shell, deliverer: Deliverer, outbox: Outbox, log: DeliveryLog) -> None:
        self._shell = shell
        self._deliverer = deliverer
        self._outbox = outbox
        self._log = log

    async def follow_instruments(self) -> None:
        """Keeps definitions current for ever."""
        filters = (subjects.pattern(subjects.INSTRUMENT),)
        async for batch in self._shell.bus.read(topology.INSTRUMENTS.name, filters, after=0):
            for record in batch:
                self._log.note_whole(DeliveryKind.INSTRUMENT, 0, record)
                self._deliverer.instrument(record)

    async def subscribe_ticks(self) -> None:
        """Quotes, trades and books of exactly the instruments whose strategies have the method for them."""
        for event, subject_of, _ in TICKS:
            wanted = [
                name for runner in self._deliverer.runners() if runner.wants(event) for name in runner.spec.instruments
            ]
            for instrument in dict.fromkeys(wanted):
                await self._shell.bus.subscribe(subject_of(instrument), self._on_tick)

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
            history, last = await self._read_stored(reader)
            if after == 0 or self._is_enough(history):
                break
            await reader.aclose()
            back *= 2
        now_ns = self._shell.clock.wall_ns()
        self._log.note(DeliveryKind.WARMED_UP, now_ns, after=after, sequence=max(last, after))
        self._deliverer.history(history, now_ns)
        crashpoint(CrashPoint.STRATEGY_WARM)
        if history:
            self._shell.progress(ts_market_ns=max(candle.close_time_ns for candle in history), now=True)
        return reader

    async def follow_candles(self, reader: AsyncGenerator[list[Record], None]) -> None:
        """Shows each closed candle to every strategy of its instrument, then says how far this process is."""
        async for batch in reader:
            for record in batch:
                candle = self._deliverer.decoded_candle(record)
                if candle is not None:
                    await self._on_candle(candle, record)

    async def _on_candle(self, candle: Candle, record: Record) -> None:
        crashpoint(CrashPoint.STRATEGY_CANDLE_READ)
        now_ns = self._shell.clock.wall_ns()
        self._log.note(DeliveryKind.CANDLE, now_ns, sequence=record.sequence)
        self._deliverer.candle(record, candle, now_ns)
        await self._outbox.flushed()
        crashpoint(CrashPoint.STRATEGY_CANDLE_DONE)
        self._shell.progress(ts_market_ns=candle.close_time_ns, now=not candle.backfilled)

    def _on_tick(self, record: Record) -> None:
        now_ns = self._shell.clock.wall_ns()
        self._log.note_whole(DeliveryKind.TICK, now_ns, record)
        self._deliverer.tick(record, now_ns)

    def _candle_subjects(self) -> tuple[str, ...]:
        wanted = [
            subjects.candle(instrument, runner.spec.interval)
            for runner in self._deliverer.runners()
            for instrument in runner.spec.instruments
        ]
        return tuple(dict.fromkeys(wanted))

    async def _records_back(self) -> int:
        """How far before the end of the stream the longest history should begin."""
        newest = await self._shell.bus.last_of_each(topology.CANDLES.name, subjects.pattern(subjects.CANDLE))
        candles = [candle for record in newest if (candle := self._deliverer.decoded_candle(record)) is not None]
        return max(
            (
                records_back(candles, candles_needed=runner.history_needed, interval=runner.spec.interval)
                for runner in self._deliverer.runners()
            ),
            default=0,
        )

    async def _read_stored(self, reader: AsyncGenerator[list[Record], None]) -> tuple[list[Candle], int]:
        """Everything up to the end of the stream as it is now, and the sequence of the last of it."""
        found: list[Candle] = []
        last = 0
        async for batch in reader:
            if not batch:
                break
            last = batch[-1].sequence
            found += [candle for record in batch if (candle := self._deliverer.decoded_candle(record)) is not None]
        return found, last

    def _is_enough(self, history: Sequence[Candle]) -> bool:
        counts: dict[tuple[str, str], int] = {}
        for candle in history:
            key = candle.instrument_id, candle.interval
            counts[key] = counts.get(key, 0) + 1
        return all(
            counts.get((instrument, runner.spec.interval), 0) >= runner.history_needed
            for runner in self._deliverer.runners()
            for instrument in runner.spec.instruments
        )
