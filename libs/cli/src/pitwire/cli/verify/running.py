"""The sources of a running system: the bus as operator, its database, its venue accounts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pitwire.cli.verify.evidence import Tables, VenueAccount
from pitwire.cli.verify.tables import read_cursor, read_tables
from pitwire.cli.verify.venue_rest import read_venue_account
from pitwire.cli.verify.verification import Sources
from pitwire.common.bus.port import Bus
from pitwire.common.clock import Clock
from pitwire.common.config import PitwireConfig


class PostgresSource:
    """The database at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def cursor(self) -> int:
        return await asyncio.to_thread(read_cursor, self._url)

    async def tables(self) -> Tables:
        return await asyncio.to_thread(read_tables, self._url)


def sources_of(config: PitwireConfig, *, bus: Bus, database_url: str, clock: Clock) -> Sources:
    """What `verify` needs of the system that `config` describes."""

    async def venues(journal_before: int) -> Sequence[VenueAccount]:
        return [
            await read_venue_account(name, account, config.venues[account.venue], clock, journal_before=journal_before)
            for name, account in config.venue_accounts.items()
        ]

    quotes = {name: account.quote for name, account in config.accounts.items()}
    return Sources(bus, PostgresSource(database_url), venues, quotes, clock)
