"""What the gate knows of the market: newest marks, definitions, the market clock, and whether to trust it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.enums import DataQuality
from pitwire.common.errors import DecodeError
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.ledger import Mark
from pitwire.common.schemas.market import Candle, Instrument, MarketDoubt, Quote, VenueStatus
from pitwire.common.shell import Shell
from pitwire.risk_gate import core

DOUBTS_TOLD_MAX: Final = 1_000
"""Instruments of an account that its figures speak of."""


class MarketView:
    """Shared by the gates of this process. Only data of quality OK becomes a mark."""

    def __init__(self, service: Shell) -> None:
        self._service = service
        self.marks: dict[str, Mark] = {}
        self.instruments = InstrumentRegistry()
        self.ts_market_ns = 0
        self.trust = core.MarketTrust()
        self.on_change: list[Callable[[], None]] = []

    async def follow(self) -> None:
        """Subscribes to quotes, candles and statuses, then keeps the instrument definitions current."""
        await self._service.bus.subscribe(subjects.pattern(subjects.QUOTE), self._on_quote)
        await self._service.bus.subscribe(subjects.pattern(subjects.CANDLE), self._on_candle)
        await self._service.bus.subscribe(subjects.pattern(subjects.VENUE_STATUS), self._on_status)
        filters = (subjects.pattern(subjects.INSTRUMENT),)
        async for batch in self._service.bus.read(topology.INSTRUMENTS.name, filters, after=0):
            for record in batch:
                try:
                    self.instruments.put(codec.decode(Instrument, record.data, subject=record.subject))
                except DecodeError as error:
                    await self._service.quarantine(record, error.reason, stream=topology.INSTRUMENTS.name)

    def doubts(self, instruments: Iterable[str]) -> dict[str, str]:
        """What speaks against the data of each of these just now; those that may be traded on are not in it."""
        now_ns = self._service.clock.monotonic_ns()
        found = {name: self.trust.doubt(name, now_ns) for name in instruments}
        return {name: reason for name, reason in found.items() if reason}

    def told_doubts(self, instruments: Iterable[str]) -> tuple[MarketDoubt, ...]:
        """`doubts` as the account's figures tell them, as many as they take."""
        found = self.doubts(islice(instruments, DOUBTS_TOLD_MAX))
        return tuple(MarketDoubt(instrument_id=name, reason=reason) for name, reason in found.items())

    def context(
        self,
        place: core.Place,
        batch: Sequence[core.IntentInput],
        *,
        venue_accounts: Mapping[str, str],
        disagreement: str,
    ) -> core.DecisionContext:
        """What a decision on `batch`, at this place of the ledger, takes from outside."""
        return core.DecisionContext(
            now_ns=place["ts_ns"],
            ts_market_ns=place["ts_market_ns"],
            marks=self.marks,
            instruments=self.instruments,
            approval_ttl_ns=core.APPROVAL_TTL_NS,
            venue_accounts=venue_accounts,
            disagreement=disagreement,
            doubts=self.doubts(core.named(batch)),
        )

    def _on_status(self, record: Record) -> None:
        try:
            status = codec.decode(VenueStatus, record.data, subject=record.subject)
        except DecodeError as error:
            self._quarantine(record, error)
            return
        self.trust.on_status(status, self._service.clock.monotonic_ns())
        self.ts_market_ns = max(self.ts_market_ns, status.ts_event_ns)

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
