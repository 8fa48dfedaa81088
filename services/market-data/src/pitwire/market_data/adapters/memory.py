"""A feed in memory: what it will say is scripted. For tests and the simulator."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from decimal import Decimal

from pitwire.common.errors import TransientError
from pitwire.common.ids import symbol_of, venue_of
from pitwire.common.schemas.market import Instrument
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Snapshot
from pitwire.market_data.core.ticks import Bar, Tick
from pitwire.market_data.ports import Sink


class MemoryFeed:
    """`Feed` that delivers what `say` is given and answers history from `bars`."""

    def __init__(self, instruments: tuple[str, ...]) -> None:
        self.bars: list[Bar] = []
        self.requests: list[HistoryRequest] = []
        self.failures = 0
        self.books: deque[Snapshot] = deque()
        self.book_requests = 0
        self.trading = True
        self.time_ns: int | None = None
        self._instruments = instruments
        self._script: asyncio.Queue[tuple[Tick, int] | str] = asyncio.Queue()

    async def instruments(self, sink: Sink) -> Mapping[str, tuple[Instrument, bool]]:  # noqa: ARG002 - the port's shape
        return {name: (definition(name), self.trading) for name in self._instruments}

    async def history(self, request: HistoryRequest, sink: Sink) -> list[Bar]:  # noqa: ARG002 - the port's shape
        self.requests.append(request)
        if self.failures:
            self.failures -= 1
            raise TransientError("history cannot be had just now")
        return [
            bar
            for bar in self.bars
            if (bar.instrument_id, bar.interval) == (request.instrument_id, request.interval)
            and (request.from_ns is None or bar.open_time_ns >= request.from_ns)
            and (request.until_ns is None or bar.open_time_ns < request.until_ns)
        ]

    async def book(self, instrument_id: str) -> Snapshot:
        self.book_requests += 1
        if self.books:
            return self.books.popleft()
        raise TransientError(f"no book of {instrument_id} just now")

    async def server_time_ns(self) -> int:
        if self.time_ns is None:
            raise TransientError("no time just now")
        return self.time_ns

    def say(self, tick: Tick, recv_ns: int = 1) -> None:
        self._script.put_nowait((tick, recv_ns))

    def drop(self, reason: str = "dropped") -> None:
        """The connection breaks and comes back."""
        self._script.put_nowait(reason)

    async def said(self) -> None:
        """Returns when everything was delivered."""
        await self._script.join()

    async def run(self, sink: Sink) -> None:
        await sink.on_connected()
        while True:
            event = await self._script.get()
            if isinstance(event, str):
                await sink.on_disconnected(event)
                await sink.on_connected()
            else:
                await sink.on_tick(*event)
            self._script.task_done()

    async def close(self) -> None: ...


def definition(name: str) -> Instrument:
    """A plausible definition: tick 0.01, lot 0.0001, minimum notional 5."""
    base, _, quote = symbol_of(name).partition("-")
    return Instrument(
        instrument_id=name,
        symbol=symbol_of(name),
        venue=venue_of(name),
        venue_symbol=base + quote,
        base=base,
        quote=quote,
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.0001"),
        min_quantity=Decimal("0.0001"),
        min_notional=Decimal(5),
    )
