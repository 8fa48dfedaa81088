"""`pitwire history fetch`: from a real venue process into a real PostgreSQL; broken off, gone on with, gaps told."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import psycopg
import pytest
from tests.integration.venue_contract import BTC, VenueProcess, venue_process

from pitwire.cli.history.fetch import Fetched, Wanted, fetch, newest_open_ns
from pitwire.cli.history.store import CandleStore
from pitwire.common.clock import NS_PER_S, SystemClock
from pitwire.common.errors import StoreUnavailable, UsageError
from pitwire.market_data.adapters.binance import BinanceFeed

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

MINUTE_NS = 60 * NS_PER_S
CANDLES = 2_500
"""Three pages."""


class HasDsn(Protocol):
    dsn: str


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VenueProcess]:
    with venue_process(tmp_path_factory.mktemp("venue"), "--history", "3000") as made:
        yield made


@pytest.fixture
async def feed(process: VenueProcess) -> AsyncIterator[BinanceFeed]:
    made = BinanceFeed("sim", process.config(), SystemClock(), lambda: 0.0)
    yield made
    await made.close()


@pytest.fixture
def store(migrated: HasDsn) -> Iterator[CandleStore]:
    with CandleStore(migrated.dsn) as made:
        yield made


async def wanted_from(feed: BinanceFeed) -> Wanted:
    end_ns = await newest_open_ns(feed, BTC, "1m")
    return Wanted(BTC, "1m", end_ns - CANDLES * MINUTE_NS, end_ns)


async def run(feed: BinanceFeed, store: CandleStore, wanted: Wanted, told: list[tuple[int, int]]) -> Fetched:
    return await fetch(feed, store, wanted, SystemClock(), lambda done, total: told.append((done, total)))


async def test_a_stretch_is_stored_whole_page_by_page_and_a_second_call_asks_for_nothing(
    feed: BinanceFeed, store: CandleStore
) -> None:
    wanted, told = await wanted_from(feed), list[tuple[int, int]]()
    first = await run(feed, store, wanted, told)
    assert (first.stored, first.there, first.missing, first.malformed) == (CANDLES, 0, 0, 0)
    assert told == [(1_000, CANDLES), (2_000, CANDLES), (CANDLES, CANDLES)]
    again = await run(feed, store, wanted, [])
    assert (again.stored, again.there) == (0, CANDLES)


async def test_what_was_broken_off_is_gone_on_with_and_what_is_there_stays_as_it_is(
    feed: BinanceFeed, store: CandleStore, migrated: HasDsn
) -> None:
    wanted = await wanted_from(feed)

    def break_off(done: int, _: int) -> None:
        if done == 2_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await fetch(feed, store, wanted, SystemClock(), break_off)
    with psycopg.connect(migrated.dsn.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("DELETE FROM candles WHERE open_time_ns = %s", (wanted.from_ns,))
        connection.execute("UPDATE candles SET close = 1, stream_sequence = 7 WHERE open_time_ns = %s", (mark(wanted),))
        result = await run(feed, store, wanted, [])
        row = connection.execute("SELECT close, stream_sequence FROM candles WHERE open_time_ns = %s", (mark(wanted),))
        assert row.fetchone() == (1, 7), "a candle that was traded on is not written again"
    assert (result.there, result.stored, result.missing) == (1_999, 501, 0)


def mark(wanted: Wanted) -> int:
    return wanted.from_ns + MINUTE_NS


async def test_what_the_venue_does_not_have_is_a_gap(feed: BinanceFeed, store: CandleStore) -> None:
    wanted = await wanted_from(feed)
    before = Wanted(BTC, "1m", wanted.from_ns - 1_000 * MINUTE_NS, wanted.until_ns)
    result = await run(feed, store, before, [])
    (gap,) = result.gaps
    assert gap.from_ns == before.from_ns
    assert gap.candles + result.stored == CANDLES + 1_000
    assert result.missing == gap.candles > 0


async def test_an_interval_that_the_venue_does_not_keep_is_named(feed: BinanceFeed) -> None:
    with pytest.raises(UsageError, match="interval '7m': the venue keeps"):
        await newest_open_ns(feed, BTC, "7m")


def test_a_database_without_tables_says_so(postgres: HasDsn) -> None:
    with CandleStore(postgres.dsn) as store, pytest.raises(StoreUnavailable, match="is persistence running"):
        store.count(BTC, "1m", 0, 1)
