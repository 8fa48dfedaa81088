"""What persistence is told: where the database is, and in which currency each account counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pitwire.common.config import ServiceSettings, load_config
from pitwire.common.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Config:
    """`quotes`: account -> quote currency."""

    service: ServiceSettings
    database_url: str
    quotes: Mapping[str, str]
    config_hash: str

    @classmethod
    def from_env(cls) -> Config:
        """From PITWIRE_... and the configuration file; `ConfigError` names what is missing."""
        service = ServiceSettings.from_env()
        config = load_config()
        return cls(
            service=service,
            database_url=database_url_of(service),
            quotes={name: account.quote for name, account in config.accounts.items()},
            config_hash=config.config_hash,
        )


def database_url_of(service: ServiceSettings) -> str:
    """The database; `ConfigError` where none is named."""
    if not service.database_url:
        raise ConfigError(where="environment", what="PITWIRE_DATABASE_URL is not set")
    return service.database_url
