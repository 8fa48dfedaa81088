"""Settings of market-data, read once."""

from __future__ import annotations

from dataclasses import dataclass

from pitwire.common.config import PitwireConfig, ServiceSettings, load_config
from pitwire.common.errors import ConfigError, UsageError
from pitwire.common.ids import instrument_id
from pitwire.market_data.core.ticks import interval_ns

BASE_INTERVAL = "1m"
"""Followed for every instrument, whoever needs it: rows of `candles`, warm-up of strategies added later."""


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
