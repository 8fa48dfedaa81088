"""Settings of market-data, read once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pitwire.common.clock import NS_PER_MS
from pitwire.common.config import Mode, PitwireConfig, ServiceSettings, VenueConfig, load_config
from pitwire.common.errors import ConfigError, UsageError
from pitwire.common.ids import instrument_id
from pitwire.market_data.core.candle_lines import BASE_INTERVAL
from pitwire.market_data.core.ticks import interval_ns

SKEW_MAX_MS: Final = 500
"""Where clocks are compared and nothing is configured: beyond it nothing can be signed in time either."""


@dataclass(frozen=True, slots=True)
class Config:
    """The process settings, the whole configuration, and which candles each instrument needs, by venue."""

    service: ServiceSettings
    pitwire: PitwireConfig
    intervals: dict[str, dict[str, tuple[str, ...]]]

    @classmethod
    def from_env(cls) -> Config:
        config = load_config()
        return cls(ServiceSettings.from_env(), config, intervals_of(config))

    def skew_max_ns(self, venue: VenueConfig) -> int | None:
        """How far a venue's clock may be ahead of ours. None in paper mode unless set: a market may be replayed."""
        if venue.clock_skew_max_ms is not None:
            return venue.clock_skew_max_ms * NS_PER_MS
        return None if self.pitwire.run.mode is Mode.PAPER else SKEW_MAX_MS * NS_PER_MS

    def books(self, venue: str) -> frozenset[str]:
        """The instruments of a venue whose book is followed."""
        return frozenset(instrument_id(symbol, venue) for symbol in self.pitwire.venues[venue].books)


def intervals_of(config: PitwireConfig) -> dict[str, dict[str, tuple[str, ...]]]:
    """Per venue and instrument: the base interval and those of the strategies that trade it.

    `ConfigError` for an interval that is none, and for a strategy on an instrument that its venue does not follow.
    """
    found: dict[str, dict[str, list[str]]] = {
        name: {instrument_id(symbol, name): [BASE_INTERVAL] for symbol in venue.instruments}
        for name, venue in config.venues.items()
    }
    wanted = {instrument: intervals for venue in found.values() for instrument, intervals in venue.items()}
    for name, strategy in config.strategies.items():
        try:
            interval_ns(strategy.interval)
        except UsageError as error:
            raise ConfigError(where=f"strategies.{name}.interval", what=str(error)) from None
        for instrument in strategy.instruments:
            if instrument not in wanted:
                raise ConfigError(
                    where=f"strategies.{name}.instruments",
                    what=f"{instrument} is not followed; add it to the instruments of its venue, which are "
                    f"{', '.join(sorted(wanted))}",
                )
            if strategy.interval not in wanted[instrument]:
                wanted[instrument].append(strategy.interval)
    return {
        venue: {name: tuple(intervals) for name, intervals in instruments.items()}
        for venue, instruments in found.items()
    }
