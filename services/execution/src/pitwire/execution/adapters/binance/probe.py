"""A look at an account before anything is traded: may the key trade, how far off is our clock, what is there?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Self

import aiohttp

from pitwire.common.clock import NS_PER_MS, Clock
from pitwire.common.config import VenueConfig
from pitwire.common.instruments import InstrumentRegistry
from pitwire.execution.adapters.binance.account import check_account
from pitwire.execution.adapters.binance.limits import Limits, address_limits
from pitwire.execution.adapters.binance.reads import Reads
from pitwire.execution.adapters.binance.rest import Rest
from pitwire.execution.adapters.binance.signing import Signer
from pitwire.execution.adapters.binance.venue_clock import VenueClock
from pitwire.execution.adapters.keys import ApiKey

TIME_SAMPLES: Final = 3


@dataclass(frozen=True, slots=True)
class Probe:
    """What the venue says of itself and of the account. `clock_ahead_ms`: how far its clock is ahead of ours."""

    clock_ahead_ms: int
    balances: Mapping[str, Decimal]


class AccountProbe:
    """Asks; each question raises `VenueTrouble`, `UnfitKey` among them, with what is wrong. Use as a context."""

    def __init__(self, venue: str, config: VenueConfig, key: ApiKey, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._venue_clock = VenueClock()
        self._session = aiohttp.ClientSession()
        limits = Limits(clock, self._venue_clock, address_limits(config.rate_share_percent))
        self._rest = Rest(
            config.rest,
            clock,
            Signer(key),
            self._venue_clock,
            limits,
            recv_window_ms=config.recv_window_ms,
            session=lambda: self._session,
        )
        self._reads = Reads(self._rest, limits, venue, config, InstrumentRegistry())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def look(self) -> Probe:
        """Time first, since everything else is signed with it; then the key, then what it opens."""
        for _ in range(TIME_SAMPLES):
            await self._rest.server_time()
        now_ns, wall_ns = self._clock.monotonic_ns(), self._clock.wall_ns()
        ahead_ms = self._venue_clock.now_ms(now_ns) - wall_ns // NS_PER_MS
        await check_account(self._rest, self._config.network)
        return Probe(ahead_ms, await self._reads.balances())
