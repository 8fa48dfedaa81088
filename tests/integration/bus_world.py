"""Real nats-servers with everything on them: one, or a cluster of three."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

from pitwire.cli.servers import NatsServer
from pitwire.common import permissions
from pitwire.common.bus.nats import NatsBus
from pitwire.common.config import PitwireConfig
from pitwire.common.errors import BusUnavailable, ConfigError
from pitwire.common.provisioning import apply_topology
from pitwire.common.topology import STREAMS, Stream

ACCOUNT = "main"
STRATEGIES = ("momentum", "mean_reversion")


LIMITS = {
    "order_value_max": "10000",
    "position_value_max": "20000",
    "open_positions_max": 5,
    "daily_loss_max_percent": "5",
    "drawdown_max_percent": "15",
    "instruments_allowed": ["BTC-USDT.sim", "ETH-USDT.sim"],
}


def sample_config(strategies: Mapping[str, tuple[str, ...]] = {ACCOUNT: STRATEGIES}) -> PitwireConfig:
    """One venue and, for each account, its strategies: enough for permissions."""
    names = {
        name: {"type": "momentum", "account": account, "capital": "1000", "instruments": ["BTC-USDT.sim"]}
        for account, mine in strategies.items()
        for name in mine
    }
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
            "venue_accounts": {"sim-main": {"venue": "sim", "account": next(iter(strategies)), "key_file": "k.json"}},
            "accounts": {
                account: {"quote": "USDT", "capital": {"USDT": "100000"}, "limits": LIMITS} for account in strategies
            },
            "strategies": names,
        }
    )


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


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]


class Cluster:
    """Three nats-servers as one."""

    def __init__(self, folder: Path, config: PitwireConfig) -> None:
        self.seeds = folder / "keys"
        shared = permissions.server_config(config, permissions.make_identities(self.seeds))
        routes = free_ports(CLUSTER_SIZE)
        self._stack = ExitStack()
        self.servers: list[NatsServer] = []
        for number, port in enumerate(routes):
            others = [f"nats://127.0.0.1:{other}" for other in routes if other != port]
            cluster = {"name": "pitwire", "listen": f"127.0.0.1:{port}", "routes": others}
            settings = {**shared, "server_name": f"n{number}", "cluster": cluster}
            self.servers.append(self._stack.enter_context(NatsServer(settings, folder / f"n{number}")))

    @property
    def url(self) -> str:
        return self.servers[0].url

    async def until_applied(self, streams: tuple[Stream, ...] = STREAMS) -> None:
        """The cluster elects its leaders first; the topology is idempotent, so it is applied until it holds."""
        async with asyncio.timeout(CLUSTER_START_S):
            while True:
                try:
                    await apply_topology(self.url, self.seeds, replicas=CLUSTER_SIZE, streams=streams)
                except (BusUnavailable, ConfigError):
                    await asyncio.sleep(0.2)
                else:
                    return

    def stop(self) -> None:
        self._stack.close()


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
