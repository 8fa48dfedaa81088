"""`pitwire history fetch`: what was fetched, what was there, and where candles are missing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

from pitwire.cli.discovery import NotRunning, find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.history.fetch import Fetched, Wanted, fetch, newest_open_ns
from pitwire.cli.history.pages import moment_ns, shown, stretch
from pitwire.cli.history.store import CandleStore
from pitwire.cli.output import Column, Reply, Table, bar
from pitwire.common.clock import SystemClock, random_token
from pitwire.common.config import VenueConfig, load_config
from pitwire.common.errors import UsageError
from pitwire.common.ids import venue_of
from pitwire.market_data.adapters.binance import BinanceFeed
from pitwire.market_data.core.ticks import interval_ns

GAPS_SHOWN_MAX: Final = 20


def fetch_history(data_dir: Path, *, instrument: str, interval: str, since: str, until: str) -> Reply:
    """Into the database of the running system, from the venue that it is configured for."""
    running = find_running(data_dir)
    if not running.database_url:
        raise NotRunning("no database is named: set PITWIRE_DATABASE_URL, or start a system with `pitwire up`")
    config = load_config(running.config)
    if instrument not in config.instruments():
        raise UsageError(f"{instrument!r} is not configured; known: {', '.join(config.instruments())}")
    venue = config.venues[venue_of(instrument)]
    since_ns = moment_ns(since, "--since")
    with CandleStore(running.database_url) as store:
        return asyncio.run(_fetch(venue, store, instrument, interval, since_ns, until))


async def _fetch(
    config: VenueConfig, store: CandleStore, instrument: str, interval: str, since_ns: int, until: str
) -> Reply:
    clock, venue = SystemClock(), venue_of(instrument)
    feed = BinanceFeed(venue, config, clock, lambda: int(random_token(4), 16) / 2**32)
    try:
        end_ns = await newest_open_ns(feed, instrument, interval)
        until_ns = min(moment_ns(until, "--until"), end_ns) if until else end_ns
        wanted = Wanted(instrument, interval, *stretch(interval, since_ns, until_ns))
        if wanted.from_ns >= wanted.until_ns:
            raise UsageError(f"no whole candle of {interval} lies between {shown(since_ns)} and {shown(until_ns)}")
        with bar(f"{instrument} {interval}") as progress:
            return _reply(wanted, await fetch(feed, store, wanted, clock, progress))
    finally:
        await feed.close()


def _reply(wanted: Wanted, result: Fetched) -> Reply:
    length = interval_ns(wanted.interval)
    rows = tuple(
        (shown(gap.from_ns), shown(gap.from_ns + gap.candles * length), f"{gap.candles:,}")
        for gap in result.gaps[:GAPS_SHOWN_MAX]
    )
    columns = (Column("missing from"), Column("to"), Column("candles", right=True))
    span = f"{shown(wanted.from_ns)} to {shown(wanted.until_ns)}"
    text = (
        f"{span}: {result.stored:,} stored, {result.there:,} were there, {result.missing:,} missing in {len(rows)} gaps"
    )
    document = {
        "instrument_id": wanted.instrument_id,
        "interval": wanted.interval,
        "from": shown(wanted.from_ns),
        "to": shown(wanted.until_ns),
        "stored": result.stored,
        "there": result.there,
        "malformed": result.malformed,
        "missing": result.missing,
        "gaps": [{"from": shown(gap.from_ns), "candles": gap.candles} for gap in result.gaps],
    }
    code = ExitCode.NO if result.missing or result.malformed else ExitCode.OK
    return Reply(document, (Table("", columns, rows, "no candle is missing"), text), code)
