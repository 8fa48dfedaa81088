"""The bus and the database of a run: our own embedded servers, or those that the environment names."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from pitwire.cli.run.restarts import GiveUp, Restarts, wait_s
from pitwire.cli.run.schema import schema_filling
from pitwire.cli.run.workers import WATCH_PERIOD_S, GaveUp
from pitwire.cli.servers import NatsServer, Postgres, ServerError, outside_database_url, outside_nats_url
from pitwire.common.clock import Clock
from pitwire.common.config import PitwireConfig
from pitwire.common.errors import UsageError
from pitwire.common.permissions import Identity, identity_names, server_config

SEEDS_VARIABLE: Final = "PITWIRE_NATS_SEEDS"
SERVER_ADDRESS_KEYS: Final = ("host", "port")
"""The supervisor of the embedded server decides where it listens."""


def outside_seeds(environ: Mapping[str, str] | None = None) -> Path | None:
    """The identities for a bus that the environment names; None for our own. `UsageError` when they are missing."""
    environ = os.environ if environ is None else environ
    if not environ.get("PITWIRE_NATS_URL"):
        return None
    named = environ.get(SEEDS_VARIABLE, "")
    missing = [name for name, _ in identity_names() if not (Path(named) / f"{name}.nk").is_file()] if named else ["all"]
    if missing:
        raise UsageError(
            f"the bus of PITWIRE_NATS_URL needs identities, and {named or SEEDS_VARIABLE} lacks {', '.join(missing)}: "
            f"make its configuration with `pitwire topology server-config --seeds DIR`; {SEEDS_VARIABLE} names DIR"
        )
    return Path(named).resolve()


class Infra:
    """Bus and database of one run, kept alive until `stop`."""

    def __init__(self, root: Path, *, cache: Path, clock: Clock, on_event: Callable[[str], None]) -> None:
        self._root = root
        self._cache = cache
        self._clock = clock
        self._on_event = on_event
        self._nats: NatsServer | None = None
        self._postgres: Postgres | None = None
        self._stopping = False
        self.nats_url = outside_nats_url() or ""
        self.database_url = outside_database_url() or ""

    def log_paths(self) -> dict[str, Path]:
        """Where the embedded servers write; empty when somebody else runs both."""
        found: dict[str, Path] = {}
        if self._nats:
            found["nats"] = self._nats.log_path
        if self._postgres:
            found["postgres"] = self._postgres.log_path
        return found

    def pids(self) -> dict[str, int]:
        """The process ids of the embedded servers, where they run."""
        found: dict[str, int] = {}
        for name, server in (("nats", self._nats), ("postgres", self._postgres)):
            with contextlib.suppress(ServerError):
                found |= {name: server.pid} if server else {}
        return found

    async def start_nats(self, config: PitwireConfig, identities: dict[str, Identity]) -> None:
        """Starts the bus; one that the environment names is taken as it is."""
        if self.nats_url:
            return
        settings = server_config(config, identities)
        for key in SERVER_ADDRESS_KEYS:
            settings.pop(key)
        settings["logtime_utc"] = True
        self._nats = NatsServer(settings, self._root / "nats")
        await asyncio.to_thread(self._nats.start)
        self.nats_url = self._nats.url

    async def start_postgres(self) -> None:
        """Starts the database; one that the environment names is taken as it is."""
        if self.database_url:
            return
        self._postgres = Postgres(self._root / "postgres", cache=self._cache, filling=schema_filling())
        await asyncio.to_thread(self._postgres.start)
        self.database_url = self._postgres.dsn

    async def keep_alive(self, on_restarted: Callable[[], None]) -> None:
        """Starts an embedded server again when it died, until `stop`; `GaveUp` when that does not help."""
        servers: tuple[tuple[str, NatsServer | Postgres | None], ...] = (
            ("nats", self._nats),
            ("postgres", self._postgres),
        )
        await asyncio.gather(*(self._watch(name, server, on_restarted) for name, server in servers if server))

    async def stop(self) -> None:
        self._stopping = True
        for server in (self._nats, self._postgres):
            if server is not None:
                await asyncio.to_thread(server.stop)

    async def _watch(self, name: str, server: NatsServer | Postgres, on_restarted: Callable[[], None]) -> None:
        restarts = Restarts()
        restarts.on_started(now_ns=self._clock.monotonic_ns())
        while True:
            await asyncio.sleep(WATCH_PERIOD_S)
            if self._stopping:
                return
            if server.returncode is None:
                continue
            decision = restarts.on_died(exit_code=server.returncode, now_ns=self._clock.monotonic_ns())
            if isinstance(decision, GiveUp):
                raise GaveUp(f"{name}: {decision.reason}; its log is {server.log_path}")
            self._on_event(f"{name} ended; starting it again in {decision.wait_ms} ms")
            await asyncio.sleep(wait_s(decision))
            await asyncio.to_thread(server.restart)
            restarts.on_started(now_ns=self._clock.monotonic_ns())
            on_restarted()
