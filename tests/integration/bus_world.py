"""The worlds in which the bus contract must hold: in memory, one nats-server, and a cluster of three."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from pitwire.cli.servers import NatsServer
from pitwire.common import permissions
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Bus
from pitwire.common.config import PitwireConfig
from pitwire.common.provisioning import apply_topology

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
