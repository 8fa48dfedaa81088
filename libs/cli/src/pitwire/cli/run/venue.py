"""What the simulated venue trades, and whether that is what the configuration wants."""

from __future__ import annotations

from typing import Final

from pitwire.cli.run.venue_control import ask
from pitwire.common.config import PitwireConfig
from pitwire.common.errors import ConfigError

EXCHANGE_INFO: Final = "/api/v3/exchangeInfo"


async def served_symbols(http: str) -> frozenset[str]:
    """The symbols that the venue at `http` trades, as BASE-QUOTE."""
    found = await ask("GET", http + EXCHANGE_INFO)
    return frozenset(f"{symbol['baseAsset']}-{symbol['quoteAsset']}" for symbol in found["symbols"])


def refuse_unserved(config: PitwireConfig, venue: str, served: frozenset[str], market: str) -> None:
    """`ConfigError` that names every configured instrument the market does not have."""
    missing = [symbol for symbol in config.venues[venue].instruments if symbol not in served]
    if missing:
        what = f"{', '.join(missing)} not in the market ({market}); it has {', '.join(sorted(served))}"
        raise ConfigError(where=f"venues.{venue}.instruments", what=what)
