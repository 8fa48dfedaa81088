"""The venue is told how far its market may run, and told again when it comes back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from pitwire.cli.run.pacer import Pacer
from pitwire.cli.run.pacing import Pace
from pitwire.cli.run.venue_control import VenueControl, VenueControlFailed
from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_MS
from pitwire.common.schemas.control import Heartbeat

START_MS = 60_000
BAR_MS = 60_000


class FakeVenue:
    """The control port, with its holds in order; it fails while `broken`."""

    def __init__(self) -> None:
        self.holds: list[int] = []
        self.told = asyncio.Event()
        self.broken = False
        self.all_ready = False
        self.market_ms = START_MS
        self.asked = asyncio.Event()
        self.url = ""

    async def hold(self, request: web.Request) -> web.Response:
        if self.broken:
            return web.Response(status=503)
        self.holds.append((await request.json())["until_ms"])
        self.told.set()
        return web.json_response({})

    async def status(self, _: web.Request) -> web.Response:
        self.asked.set()
        return web.json_response({"market_ms": self.market_ms, "ended": False})

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not enough():
                self.told.clear()
                await self.told.wait()


@pytest.fixture
async def venue() -> AsyncIterator[FakeVenue]:
    fake = FakeVenue()
    application = web.Application()
    application.add_routes([web.post("/hold", fake.hold), web.get("/status", fake.status)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield fake
    await runner.cleanup()


def record(market_ms: int) -> Record:
    beat = Heartbeat(service="strategy", slot="0", instance="i", ts_ns=1, ts_market_ns=market_ms * NS_PER_MS)
    return Record(subjects.heartbeat("strategy", "0"), codec.encode(beat))


async def running(venue: FakeVenue, work: Callable[[Pacer], Awaitable[None]]) -> None:
    pace = Pace(("strategy",), start_ms=START_MS, bar_ms=BAR_MS)
    pacer = Pacer(VenueControl(venue.url), pace, all_ready=lambda: venue.all_ready, standstill_s=0.05)
    task = asyncio.create_task(pacer.run())
    await work(pacer)
    task.cancel()


async def test_nothing_is_let_go_before_it_begins(venue: FakeVenue) -> None:
    async def work(pacer: Pacer) -> None:
        pacer.on_record(record(START_MS + BAR_MS))
        pacer.begin()
        await venue.until(lambda: bool(venue.holds))

    await running(venue, work)
    assert venue.holds == [START_MS + 2 * BAR_MS]


async def test_each_handled_bar_lets_the_next_one_go(venue: FakeVenue) -> None:
    async def work(pacer: Pacer) -> None:
        pacer.begin()
        await venue.until(lambda: len(venue.holds) == 1)
        pacer.on_record(record(START_MS + BAR_MS))
        await venue.until(lambda: len(venue.holds) == 2)
        pacer.on_record(Record(subjects.heartbeat("strategy", "0"), b"{broken"))

    await running(venue, work)
    assert venue.holds == [START_MS + BAR_MS, START_MS + 2 * BAR_MS]


async def test_a_venue_that_was_away_is_told_when_it_is_back(venue: FakeVenue) -> None:
    async def work(pacer: Pacer) -> None:
        venue.broken = True
        pacer.begin()
        await asyncio.sleep(0)
        venue.broken = False
        await venue.until(lambda: bool(venue.holds))
        pacer.again()
        await venue.until(lambda: len(venue.holds) == 2)

    await running(venue, work)
    assert venue.holds == [START_MS + BAR_MS] * 2


async def test_a_frozen_market_is_let_no_further(venue: FakeVenue) -> None:
    async def work(pacer: Pacer) -> None:
        pacer.begin()
        await venue.until(lambda: len(venue.holds) == 1)
        pacer.freeze()
        pacer.on_record(record(START_MS + BAR_MS))
        await VenueControl(venue.url).status()

    await running(venue, work)
    assert venue.holds == [START_MS + BAR_MS]


async def test_a_standstill_with_every_service_ready_ends_with_one_more_bar(venue: FakeVenue) -> None:
    async def work(pacer: Pacer) -> None:
        pacer.begin()
        await venue.until(lambda: len(venue.holds) == 1)
        venue.market_ms, venue.all_ready = START_MS + BAR_MS, True
        await venue.until(lambda: len(venue.holds) == 2)
        venue.all_ready = False

    await running(venue, work)
    assert venue.holds[:2] == [START_MS + BAR_MS, START_MS + 2 * BAR_MS]


async def test_a_market_that_still_has_room_is_not_pushed(venue: FakeVenue) -> None:
    async def work(pacer: Pacer) -> None:
        venue.all_ready = True
        pacer.begin()
        await asyncio.wait_for(venue.asked.wait(), 10)

    await running(venue, work)
    assert venue.holds == [START_MS + BAR_MS]


async def test_an_unreachable_venue_is_named() -> None:
    with pytest.raises(VenueControlFailed, match=r"127\.0\.0\.1:1/status"):
        await VenueControl("http://127.0.0.1:1").status()
