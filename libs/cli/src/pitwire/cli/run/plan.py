"""Which processes a run consists of, what each is told, and in which order they stop. Data only."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pitwire.common.config import PitwireConfig

PERSISTENCE: Final = "persistence"
EXECUTION: Final = "execution"
SERVICES: Final = ("market-data", "strategy", "risk-gate", EXECUTION, PERSISTENCE)
STOP_ORDER: Final = ("strategy", "risk-gate", "execution", "market-data", "persistence")
"""Nothing new is asked for, nothing new is approved, what works is settled, the feed ends, the rows are complete."""

PACED: Final = ("market-data", "strategy", "persistence")
"""Services that follow the market bar by bar; the market waits for the slowest of them."""

PASSED_ON: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONHASHSEED", "VIRTUAL_ENV",
    "SSL_CERT_FILE", "PITWIRE_LOG_LEVEL", "PITWIRE_OTLP_ENDPOINT",
)  # fmt: skip
"""What of the caller's environment a child may see; secrets of the terminal stay out."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where everything of one run lies."""

    root: Path
    seeds: Path | None = None
    """The identities of a bus that somebody else runs."""

    @property
    def config(self) -> Path:
        return self.root / "pitwire.toml"

    @property
    def identities(self) -> Path:
        return self.seeds or self.root / "identities"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def venue(self) -> Path:
        return self.root / "venue"

    def key_file(self, venue_account: str) -> Path:
        return self.root / "keys" / f"{venue_account}.json"

    @property
    def venue_answer(self) -> Path:
        """Where the simulated venue says where it is, and with which key: not a log."""
        return self.root / "venue.json"

    @property
    def password_file(self) -> Path:
        """The database's password as psql reads it (PGPASSFILE)."""
        return self.root / "pgpass"

    def data_of(self, name: str) -> Path:
        """The data folder of a service; `python -m pitwire.execution halt` finds that of execution by its name too."""
        return self.root / name

    def log_of(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def seed_of(self, principal: str) -> Path:
        return self.identities / f"{principal}.nk"


@dataclass(frozen=True, slots=True)
class ProcessPlan:
    """One process: its name, command and environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]


def base_env(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """What every child is told."""
    environ = os.environ if environ is None else environ
    return {name: environ[name] for name in PASSED_ON if name in environ} | {"PYTHONUNBUFFERED": "1"}


def service_plan(name: str, folder: RunFolder, *, nats_url: str, database_url: str) -> ProcessPlan:
    """A service with its own identity; only persistence is told where the database is."""
    env = base_env() | {
        "PITWIRE_CONFIG": str(folder.config),
        "PITWIRE_NATS_URL": nats_url,
        "PITWIRE_NATS_SEED_FILE": str(folder.seed_of(name)),
        "PITWIRE_DATA_DIR": str(folder.data_of(name)),
        "PITWIRE_HEALTH_PORT": "0",
    }
    if name == PERSISTENCE:
        env["PITWIRE_DATABASE_URL"] = database_url
    return ProcessPlan(name, (sys.executable, "-m", f"pitwire.{name.replace('-', '_')}"), env)


def venue_plan(
    folder: RunFolder, config: PitwireConfig, *, market: str, speed: float, ports: tuple[int, int]
) -> ProcessPlan:
    """The simulated venue, its market waiting to be let go. `ports` are those of clients and of control; 0 = any free.

    Its one account holds at first what the risk account behind it says it has.
    """
    owner = next(iter(config.venue_accounts.values())).account
    argv = [sys.executable, "-m", "pitwire.venue_sim", "--port", str(ports[0]), "--control-port", str(ports[1])]
    argv += ["--market", market, "--paused", "--speed", format(speed, "g"), "--data-dir", str(folder.venue)]
    for asset, amount in config.accounts[owner].capital.items():
        argv += ["--balance", f"{asset}={amount:f}"]
    return ProcessPlan("venue-sim", tuple(argv), base_env())
