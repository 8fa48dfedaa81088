"""Settings of execution, read once."""

from __future__ import annotations

from dataclasses import dataclass

from pitwire.common.config import PitwireConfig, ServiceSettings, load_config


@dataclass(frozen=True, slots=True)
class Config:
    """The process settings and the whole configuration."""

    service: ServiceSettings
    pitwire: PitwireConfig

    @classmethod
    def from_env(cls) -> Config:
        return cls(ServiceSettings.from_env(), load_config())

    def venue_accounts_of(self, account: str) -> dict[str, str]:
        """Venue account to venue."""
        return {name: found.venue for name, found in self.pitwire.venue_accounts_of(account).items()}
