"""What one process reports of its feeds."""

from __future__ import annotations

from collections import Counter as Counted

from prometheus_client import CollectorRegistry, Counter, Gauge

from pitwire.common.schemas.market import VenueStatus
from pitwire.market_data.core.quality import Flag


class Metrics:
    """Labelled by venue."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, doc: str, *labels: str) -> Counter:
            return Counter(f"pitwire_market_data_{name}", doc, labels, registry=registry)

        def gauge(name: str, doc: str, *labels: str) -> Gauge:
            return Gauge(f"pitwire_market_data_{name}", doc, labels, registry=registry)

        self.messages = counter("messages", "messages published", "venue", "kind")
        self.rejected = gauge("rejected", "ticks not published", "venue", "reason")
        self.flagged = gauge("flagged", "messages whose quality is not OK", "venue", "reason")
        self.stale_instruments = gauge("stale_instruments", "instruments silent or not trading", "venue")
        self.doubted = gauge("doubted_instruments", "instruments flagged without a break", "venue", "reason")
        self.unsynced_books = gauge("unsynced_books", "books that are not in sequence", "venue")
        self.delay_ms = gauge("delay_ms", "least receive less event time; below 0: our clock is behind", "venue")
        self.clock_offset_ms = gauge("clock_offset_ms", "the venue's clock less ours", "venue")
        self.malformed = counter("malformed", "frames and answers that could not be read", "venue")
        self.unpublished = counter("unpublished", "messages lost because the bus was away", "venue")
        self.disconnects = counter("disconnects", "connections to the venue that ended or failed", "venue")
        self.holes = counter("candle_holes", "candles that neither stream nor history has", "venue")

    def tell(self, status: VenueStatus) -> None:
        """What the status says, as figures."""
        for reason, count in status.rejected.items():
            self.rejected.labels(status.venue, reason).set(count)
        for reason, count in status.flagged.items():
            self.flagged.labels(status.venue, reason).set(count)
        self.stale_instruments.labels(status.venue).set(len(status.stale_instruments))
        doubted = Counted(status.doubted.values())
        for flag in Flag:
            self.doubted.labels(status.venue, flag.value).set(doubted[flag.value])
        self.unsynced_books.labels(status.venue).set(len(status.unsynced_books))
        if status.clock_offset_ms is not None:
            self.clock_offset_ms.labels(status.venue).set(status.clock_offset_ms)
        if status.delay_ms is not None:
            self.delay_ms.labels(status.venue).set(status.delay_ms)
