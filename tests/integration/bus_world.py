"""The worlds in which the bus contract must hold: in memory, one nats-server, and a cluster of three."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from pitwire.cli.servers import NatsServer
from pitwire.common import permissions
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Bus
from pitwire.common.config import PitwireConfig
from pitwire.common.errors import BusUnavailable, ConfigError
from pitwire.common.provisioning import apply_topology, remove_used_streams

ACCOUNT = "main"
STRATEGIES = ("momentum", "mean_reversion")


def sample_config() -> PitwireConfig:
    """One venue, one account, two strategies: enough for permissions."""
    strategy = {"type": "momentum", "account": ACCOUNT, "capital": "1000", "instruments": ["BTC-USDT.sim"]}
    return PitwireConfig.model_validate(
        {
            "venues": {
                "sim": {
                    "rest": "http://127.0.0.1:1",
                    "ws": "ws://127.0.0.1:1",
                    "ws_api": "ws://127.0.0.1:1/ws-api/v3",
                    "instruments": ["BTC-USDT", "ETH-USDT"],
                }
            },
            "venue_accounts": {"sim-main": {"venue": "sim", "account": ACCOUNT, "key_file": "k.json"}},
            "accounts": {
                ACCOUNT: {
                    "quote": "USDT",
                    "capital": {"USDT": "100000"},
                    "limits": {
                        "order_value_max": "10000",
                        "position_value_max": "20000",
                        "open_positions_max": 5,
                        "daily_loss_max_percent": "5",
                        "drawdown_max_percent": "15",
                        "instruments_allowed": ["BTC-USDT.sim", "ETH-USDT.sim"],
                    },
                }
            },
            "strategies": dict.fromkeys(STRATEGIES, strategy),
        }
    )


class World(Protocol):
    """A bus server and the way to connect to it as a principal."""

    async def connect(self, principal: str) -> Bus: ...


class MemoryWorld:
    def __init__(self) -> None:
        self._server = MemoryServer()

    async def connect(self, principal: str) -> Bus:
        return MemoryBus(self._server)


class NatsWorld:
    """Real servers with the accounts and permissions that `pitwire up` uses."""

    def __init__(self, server: NatsServer, seeds: Path) -> None:
        self.server = server
        self.seeds = seeds
        self.trouble: list[str] = []
        self._buses: list[NatsBus] = []

    async def connect(self, principal: str) -> NatsBus:
        bus = await NatsBus.connect(
            self.server.url,
            principal=principal,
            name=principal,
            seed_file=self.seeds / f"{principal}.nk",
            on_trouble=self.trouble.append,
            on_closed=lambda: None,
        )
        self._buses.append(bus)
        return bus

    async def close(self) -> None:
        for bus in self._buses:
            await bus.close()


CLUSTER_SIZE = 3
CLUSTER_START_S = 30.0


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


class Cluster:
    """Three nats-servers as one, started once; `world` gives each test empty streams on all three."""

    def __init__(self, folder: Path) -> None:
        self.seeds = folder / "keys"
        shared = permissions.server_config(sample_config(), permissions.make_identities(self.seeds))
        routes = _free_ports(CLUSTER_SIZE)
        self._stack = ExitStack()
        self.servers: list[NatsServer] = []
        for number, port in enumerate(routes):
            others = [f"nats://127.0.0.1:{other}" for other in routes if other != port]
            cluster = {"name": "pitwire", "listen": f"127.0.0.1:{port}", "routes": others}
            config = {**shared, "server_name": f"n{number}", "cluster": cluster}
            self.servers.append(self._stack.enter_context(NatsServer(config, folder / f"n{number}")))

    def stop(self) -> None:
        self._stack.close()

    @asynccontextmanager
    async def world(self) -> AsyncIterator[NatsWorld]:
        url = self.servers[0].url
        await _until_applied(url, self.seeds)
        world = NatsWorld(self.servers[0], self.seeds)
        try:
            yield world
        finally:
            await world.close()
            await remove_used_streams(url, self.seeds)


async def _until_applied(url: str, seeds: Path) -> None:
    """The cluster elects its leaders first; the topology is idempotent, so it is applied until it holds."""
    async with asyncio.timeout(CLUSTER_START_S):
        while True:
            try:
                await apply_topology(url, seeds, replicas=CLUSTER_SIZE)
            except (BusUnavailable, ConfigError):
                await asyncio.sleep(0.2)
            else:
                return


@asynccontextmanager
async def nats_world(folder: Path) -> AsyncIterator[NatsWorld]:
    """One nats-server with every stream applied."""
    seeds = folder / "keys"
    config = permissions.server_config(sample_config(), permissions.make_identities(seeds))
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(NatsServer(config, folder / "nats"))
        await apply_topology(server.url, seeds)
        world = NatsWorld(server, seeds)
        stack.push_async_callback(world.close)
        yield world
