"""Market data: venue feeds in; trades, top of book, definitions and closed candles out."""

from __future__ import annotations

from typing import Final

from pitwire.common.clock import NS_PER_MS, random_token
from pitwire.common.errors import ConfigError
from pitwire.common.service import Service, run
from pitwire.market_data.adapters.binance import BinanceFeed
from pitwire.market_data.adapters.kraken import KrakenFeed
from pitwire.market_data.config import Config
from pitwire.market_data.core.feed import FeedCore
from pitwire.market_data.core.quality import Divergence
from pitwire.market_data.handlers.metrics import Metrics
from pitwire.market_data.handlers.venue import VenueHandlers
from pitwire.market_data.ports import Feed

FEEDS: Final[dict[str, type[BinanceFeed | KrakenFeed]]] = {"binance": BinanceFeed, "kraken": KrakenFeed}
"""By exchange; orders of those that have no adapter of their own go through ccxt."""


def random_fraction() -> float:
    """In [0, 1)."""
    return int(random_token(4), 16) / 2**32


async def main() -> int:
    """Follows every configured venue until told to stop."""
    config = Config.from_env()
    for name, venue in config.pitwire.venues.items():
        if venue.exchange not in FEEDS:
            raise ConfigError(
                where=f"venues.{name}.exchange", what=f"{venue.exchange}: no feed; there are {', '.join(FEEDS)}"
            )
    feeds: list[Feed] = []
    try:
        async with Service("market-data", config.service, config_hash=config.pitwire.config_hash) as service:
            metrics = Metrics(service.registry)
            venues: list[VenueHandlers] = []
            peers = Divergence()

            def ready_changed() -> None:
                service.set_ready(all(venue.is_ready for venue in venues))

            for name, venue in config.pitwire.venues.items():
                intervals = config.intervals[name]
                core = FeedCore(
                    name,
                    service.instance,
                    intervals,
                    silence_max_ns=venue.silence_max_ms * NS_PER_MS,
                    skew_max_ns=config.skew_max_ns(venue),
                    books=config.books(name),
                    peers=peers,
                    divergence_max=float(venue.divergence_max_percent) / 100,
                    doubt_after_ns=venue.doubt_after_ms * NS_PER_MS,
                )
                feeds.append(FEEDS[venue.exchange](name, venue, service.clock, random_fraction))
                venues.append(VenueHandlers(core, feeds[-1], service, metrics, service.tracing, ready_changed))
            for (name, intervals), handlers, feed in zip(config.intervals.items(), venues, feeds, strict=True):
                await handlers.publish_instruments()
                await handlers.resume(intervals)
                service.spawn(f"candles {name}", handlers.write_candles())
                service.spawn(f"history {name}", handlers.read_history())
                service.spawn(f"books {name}", handlers.read_books())
                service.spawn(f"instruments {name}", handlers.refresh_instruments())
                service.spawn(f"status {name}", handlers.report_status())
                service.spawn(f"clocks {name}", handlers.compare_clocks())
                service.spawn(f"feed {name}", feed.run(handlers))
            return await service.run()
    finally:
        for feed in feeds:
            await feed.close()


if __name__ == "__main__":
    run(main)
