"""Settings of the strategy service, read once."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pitwire.common.clock import NS_PER_MS
from pitwire.common.config import CONFIG_FILE, PitwireConfig, ServiceSettings, StrategyConfig, load_config
from pitwire.common.errors import ConfigError
from pitwire.common.ids import symbol_of, venue_of
from pitwire.strategy.core.making import Spec


@dataclass(frozen=True, slots=True)
class Config:
    """The process settings, the whole configuration, and where relative paths of strategies are looked for."""

    service: ServiceSettings
    pitwire: PitwireConfig
    folders: tuple[Path, ...]

    @classmethod
    def from_env(cls) -> Config:
        path = Path(os.environ.get("PITWIRE_CONFIG", CONFIG_FILE))
        config = load_config(path)
        check_instruments(config)
        return cls(ServiceSettings.from_env(), config, (path.resolve().parent, Path.cwd()))


def check_instruments(config: PitwireConfig) -> None:
    """`ConfigError` for a strategy on an instrument that its venue does not follow: it would wait for ever."""
    for name, strategy in config.strategies.items():
        for instrument in strategy.instruments:
            followed = config.venues[venue_of(instrument)].instruments
            if symbol_of(instrument) not in followed:
                raise ConfigError(
                    where=f"strategies.{name}.instruments",
                    what=f"{instrument} is not followed; venues.{venue_of(instrument)} has {', '.join(followed)}",
                )


def check_books(config: PitwireConfig, name: str) -> None:
    """`ConfigError` for a strategy with `on_book` where no book is followed: it would hear nothing."""
    for instrument in config.strategies[name].instruments:
        venue, symbol = venue_of(instrument), symbol_of(instrument)
        if symbol not in config.venues[venue].books:
            raise ConfigError(
                where=f"venues.{venue}.books", what=f"{name} has on_book and wants the book of {symbol}; add it here"
            )


def spec_of(name: str, strategy: StrategyConfig) -> Spec:
    """What the core needs of one configured instance."""
    return Spec(
        name=name,
        account=strategy.account,
        capital=strategy.capital,
        instruments=tuple(str(each) for each in strategy.instruments),
        interval=strategy.interval,
        ttl_ns=strategy.intent_ttl_ms * NS_PER_MS,
    )
