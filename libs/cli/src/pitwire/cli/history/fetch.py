"""From a venue into the table: page after page, what is there already passed over, gaps told at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pitwire.cli.history.pages import Gap, Page, gaps, pages
from pitwire.cli.history.store import CandleStore
from pitwire.common.clock import Clock
from pitwire.common.errors import UsageError, VenueTrouble
from pitwire.market_data.adapters.binance import NATIVE
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.ticks import Bar, Tick
from pitwire.market_data.ports import Feed

PAUSE_S: Final = 0.1
"""Between two answers: ten a second use a fifth of what Binance grants an address, and leave the rest to trading."""

Progress = Callable[[int, int], None]
"""Candles looked at, of how many."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which candles: whole ones, with `from_ns` <= open time < `until_ns`."""

    instrument_id: str
    interval: str
    from_ns: int
    until_ns: int

    @property
    def pages(self) -> list[Page]:
        return list(pages(self.interval, self.from_ns, self.until_ns))


@dataclass(slots=True)
class Fetched:
    """What came of it."""

    stored: int = 0
    there: int = 0
    malformed: int = 0
    gaps: tuple[Gap, ...] = ()

    @property
    def missing(self) -> int:
        return sum(gap.candles for gap in self.gaps)


class Ear:
    """A `Sink` that counts what cannot be read; nothing else is said while history is asked for."""

    def __init__(self) -> None:
        self.malformed = 0

    async def on_malformed(self, place: str, data: bytes, reason: str) -> None:  # noqa: ARG002 - the shape of the port
        self.malformed += 1

    async def on_tick(self, tick: Tick, recv_ns: int) -> None:
        """History brings none."""

    async def on_connected(self) -> None:
        """Nothing is connected."""

    async def on_disconnected(self, reason: str) -> None:
        """Nothing is connected."""


async def newest_open_ns(feed: Feed, instrument_id: str, interval: str) -> int:
    """Open time of the venue's newest candle, which is not closed yet: by the clock of its market, not by ours."""
    _check(interval)
    await feed.instruments(Ear())
    bars = await feed.history(HistoryRequest(instrument_id, interval, None, None), Ear())
    if not bars:
        raise VenueTrouble(f"{instrument_id}: the venue has no candles of {interval}")
    return bars[-1].open_time_ns


def _check(interval: str) -> None:
    if interval not in NATIVE:
        raise UsageError(f"interval {interval!r}: the venue keeps {', '.join(NATIVE)}")


async def fetch(feed: Feed, store: CandleStore, wanted: Wanted, clock: Clock, progress: Progress) -> Fetched:
    """May be broken off at any page and begun again: a page that is whole in the table is not asked for."""
    _check(wanted.interval)
    ear, result = Ear(), Fetched()
    await feed.instruments(ear)
    total, done = sum(page.candles for page in wanted.pages), 0
    for page in wanted.pages:
        there = store.count(wanted.instrument_id, wanted.interval, page.from_ns, page.until_ns)
        result.there += there
        if there < page.candles:
            bars = await _page(feed, ear, wanted, page)
            store.put(bars, received_ns=clock.wall_ns())
            now = store.count(wanted.instrument_id, wanted.interval, page.from_ns, page.until_ns)
            result.stored += now - there
            await asyncio.sleep(PAUSE_S)
        done += page.candles
        progress(done, total)
    result.malformed = ear.malformed
    open_times = store.open_times(wanted.instrument_id, wanted.interval, wanted.from_ns, wanted.until_ns)
    result.gaps = tuple(gaps(wanted.interval, wanted.from_ns, wanted.until_ns, open_times))
    return result


async def _page(feed: Feed, ear: Ear, wanted: Wanted, page: Page) -> list[Bar]:
    request = HistoryRequest(wanted.instrument_id, wanted.interval, page.from_ns, page.until_ns)
    bars = [bar for bar in await feed.history(request, ear) if page.from_ns <= bar.open_time_ns < page.until_ns]
    ear.malformed += sum(bool(bar.fault()) for bar in bars)
    return [bar for bar in bars if not bar.fault()]
