"""Core messages of one venue: subject, header and trace of each, without building anything twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import orjson
from prometheus_client import Counter

from pitwire.common import codec, subjects
from pitwire.common.errors import BusUnavailable
from pitwire.common.ids import content_hash
from pitwire.common.schemas.market import BookUpdate, Quote, Trade, VenueStatus
from pitwire.common.shell import Shell
from pitwire.market_data.core.messages import BookOut, MarketOut, QuoteOut, TradeOut
from pitwire.market_data.handlers.metrics import Metrics

KINDS: Final[dict[type, tuple[str, str, Callable[[str], str]]]] = {
    TradeOut: ("trade", Trade.schema_name(), subjects.trade),
    QuoteOut: ("quote", Quote.schema_name(), subjects.quote),
    BookOut: ("book", BookUpdate.schema_name(), subjects.book),
}


@dataclass(slots=True)
class _Route:
    """Where messages of one kind and instrument go; `sent` of them are not counted yet: that is done once a second."""

    subject: str
    schema: str
    counter: Counter
    sent: int = 0


class Publisher:
    """Loss is tolerated while the bus is away: it is counted, and readers see it in `sequence`."""

    def __init__(self, venue: str, epoch: str, shell: Shell, metrics: Metrics) -> None:
        self._venue = venue
        self._trace_prefix = f"00-{content_hash(epoch.encode())[:16]}"
        self._shell = shell
        self._ticks = 0
        self._routes: dict[tuple[type, str], _Route] = {}
        self._metrics = metrics

    async def tick(self, message: MarketOut) -> None:
        """A trade, a quote or a book, each a trace of its own."""
        key = type(message), message.instrument_id
        route = self._routes.get(key)
        if route is None:
            kind, schema, subject_of = KINDS[key[0]]
            counter = self._metrics.messages.labels(self._venue, kind)
            route = self._routes[key] = _Route(subject_of(message.instrument_id), schema, counter)
        self._ticks += 1
        headers = {codec.SCHEMA_HEADER: route.schema, codec.TRACE_HEADER: tick_trace(self._trace_prefix, self._ticks)}
        if await self._send(route.subject, orjson.dumps(message), headers):
            route.sent += 1

    async def status(self, status: VenueStatus) -> None:
        """The state of the feed."""
        sent = await self._send(subjects.venue_status(self._venue), codec.encode(status), codec.headers_for(status))
        if sent:
            self._metrics.messages.labels(self._venue, "status").inc()
        for route in self._routes.values():
            route.counter.inc(route.sent)
            route.sent = 0
        self._metrics.tell(status)

    async def _send(self, subject: str, data: bytes, headers: dict[str, str]) -> bool:
        try:
            await self._shell.bus.publish(subject, data, headers)
        except BusUnavailable:
            self._metrics.unpublished.labels(self._venue).inc()
            return False
        return True


def tick_trace(prefix: str, count: int) -> str:
    """A W3C traceparent for one tick without the cost of a span: `prefix` is the version and half a trace id."""
    return f"{prefix}{count:016x}-{count:016x}-01"
