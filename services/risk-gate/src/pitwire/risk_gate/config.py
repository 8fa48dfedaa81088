"""Settings of the risk gate, read once."""

from __future__ import annotations

from dataclasses import dataclass

from pitwire.common.config import PitwireConfig, ServiceSettings, load_config


@dataclass(frozen=True, slots=True)
class Config:
    """What the gate needs: the process settings and the whole configuration."""

    service: ServiceSettings
    pitwire: PitwireConfig

    @classmethod
    def from_env(cls) -> Config:
        return cls(ServiceSettings.from_env(), load_config())
