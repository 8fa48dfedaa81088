"""The one place where market-data touches the world: a venue's feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pitwire.common.schemas.market import Instrument
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Snapshot
from pitwire.market_data.core.ticks import Bar, Tick


class Sink(Protocol):
    """Who a feed tells what happens; `recv_ns` is the wall clock at which a frame arrived."""

    async def on_tick(self, tick: Tick, recv_ns: int) -> None: ...

    async def on_malformed(self, place: str, data: bytes, reason: str) -> None: ...

    async def on_connected(self) -> None: ...

    async def on_disconnected(self, reason: str) -> None: ...


class Feed(Protocol):
    """One venue's market data. What comes out is validated; what cannot be read goes to `Sink.on_malformed`."""

    async def instruments(self, sink: Sink) -> Mapping[str, tuple[Instrument, bool]]:
        """Definition of each configured instrument by `instrument_id`, and whether it trades now.

        `SymbolNotFound` when the venue does not list one; `TransientError` when asking again may help.
        """
        ...

    async def history(self, request: HistoryRequest, sink: Sink) -> list[Bar]:
        """Candles that `request` wants, oldest first, the newest perhaps still open; `TransientError` as above."""
        ...

    async def book(self, instrument_id: str) -> Snapshot:
        """The venue's book now; `TransientError` as above."""
        ...

    async def server_time_ns(self) -> int:
        """The venue's clock now; `TransientError` as above."""
        ...

    async def run(self, sink: Sink) -> None:
        """Streams for ever: connects, watches for silence, reconnects by itself."""
        ...

    async def close(self) -> None: ...
