"""What the gate knows of the market: newest marks, instrument definitions, and the market clock."""

from __future__ import annotations

from collections.abc import Callable

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.enums import DataQuality
from pitwire.common.errors import DecodeError
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.ledger import Mark
from pitwire.common.schemas.market import Candle, Instrument, Quote
from pitwire.common.shell import Shell


class MarketView:
    """Shared by the gates of this process. Only data of quality OK becomes a mark."""

    def __init__(self, service: Shell) -> None:
        self._service = service
        self.marks: dict[str, Mark] = {}
        self.instruments = InstrumentRegistry()
        self.ts_market_ns = 0
        self.on_change: list[Callable[[], None]] = []

    async def follow(self) -> None:
        """Subscribes to quotes and candles, then keeps the instrument definitions current."""
        await self._service.bus.subscribe(subjects.pattern(subjects.QUOTE), self._on_quote)
        await self._service.bus.subscribe(subjects.pattern(subjects.CANDLE), self._on_candle)
        filters = (subjects.pattern(subjects.INSTRUMENT),)
        async for batch in self._service.bus.read(topology.INSTRUMENTS.name, filters, after=0):
            for record in batch:
                try:
                    self.instruments.put(codec.decode(Instrument, record.data, subject=record.subject))
                except DecodeError as error:
                    await self._service.quarantine(record, error.reason, stream=topology.INSTRUMENTS.name)

    def _on_quote(self, record: Record) -> None:
        try:
            quote = codec.decode(Quote, record.data, subject=record.subject)
        except DecodeError as error:
            self._quarantine(record, error)
            return
        self.ts_market_ns = max(self.ts_market_ns, quote.ts_event_ns)
        if quote.quality is DataQuality.OK:
            self.marks[quote.instrument_id] = Mark(
                instrument_id=quote.instrument_id, mark_price=quote.mid_price, ts_event_ns=quote.ts_event_ns
            )
        for changed in self.on_change:
            changed()

    def _on_candle(self, record: Record) -> None:
        try:
            candle = codec.decode(Candle, record.data, subject=record.subject)
        except DecodeError as error:
            self._quarantine(record, error)
            return
        if candle.backfilled:
            return
        self.ts_market_ns = max(self.ts_market_ns, candle.ts_event_ns)
        for changed in self.on_change:
            changed()
        self._service.progress(ts_market_ns=candle.close_time_ns, now=True)

    def _quarantine(self, record: Record, error: DecodeError) -> None:
        self._service.spawn("quarantine", self._service.quarantine(record, error.reason))
