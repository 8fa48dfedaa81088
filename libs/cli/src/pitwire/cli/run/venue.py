"""What the simulated venue trades, and whether that is what the configuration wants."""

from __future__ import annotations

from typing import Any, Final

import aiohttp

from pitwire.cli.run.pacer import REQUEST_TIMEOUT_S, VenueControlFailed
from pitwire.common.config import PitwireConfig
from pitwire.common.errors import ConfigError

EXCHANGE_INFO: Final = "/api/v3/exchangeInfo"


async def served_symbols(http: str) -> frozenset[str]:
    """The symbols that the venue at `http` trades, as BASE-QUOTE."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(http + EXCHANGE_INFO) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
    except (aiohttp.ClientError, TimeoutError) as error:
        raise VenueControlFailed(f"{http}{EXCHANGE_INFO}: {type(error).__name__}: {error}") from None
    return frozenset(f"{symbol['baseAsset']}-{symbol['quoteAsset']}" for symbol in found["symbols"])


def refuse_unserved(config: PitwireConfig, venue: str, served: frozenset[str], market: str) -> None:
    """`ConfigError` that names every configured instrument the market does not have."""
    missing = [symbol for symbol in config.venues[venue].instruments if symbol not in served]
    if missing:
        what = f"{', '.join(missing)} not in the market ({market}); it has {', '.join(sorted(served))}"
        raise ConfigError(where=f"venues.{venue}.instruments", what=what)
