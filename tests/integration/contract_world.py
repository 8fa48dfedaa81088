"""The four worlds in which the bus contract must hold; each made once, every test on subjects of its own.

`memory-r1` and `memory-r3` are the bus in memory with one server's order of checks and with a cluster's, `node` is one
nats-server, `cluster` three of them as one, all streams on each.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from tests.integration.bus_world import CLUSTER_SIZE, Cluster, sample_config
from typing_extensions import override

from pitwire.cli.servers import NatsServer
from pitwire.common import permissions, subjects, topology
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Bus
from pitwire.common.clock import SystemClock
from pitwire.common.provisioning import apply_topology, ensure_stream, provisioner_of
from pitwire.common.topology import PRINCIPALS, STREAMS, NatsAccount, Stream

WORLDS: Final = ("memory-r1", "memory-r3", "node", "cluster")
ACCOUNTS: Final = tuple(f"a{number:03}" for number in range(220))
STRATEGIES: Final = {account: (f"{account}x", f"{account}y") for account in ACCOUNTS}
INTENTS_MAX: Final = 50
INTENT_AGE_S: Final = 0.8
INTENT_BYTES_MAX: Final = 200_000
ALERT_BYTES_MAX: Final = 65_536


def contract_streams() -> tuple[Stream, ...]:
    """The real topology, with limits that a test can reach."""
    intents = replace(topology.INTENTS, max_age_s=INTENT_AGE_S, per_subject_max=INTENTS_MAX, max_bytes=INTENT_BYTES_MAX)
    alerts = replace(topology.ALERTS, max_bytes=ALERT_BYTES_MAX)
    small = {stream.name: stream for stream in (intents, alerts)}
    return tuple(small.get(stream.name, stream) for stream in STREAMS)


@dataclass(frozen=True)
class Place:
    """Subjects that nobody else uses in this world."""

    account: str
    strategies: tuple[str, str]
    number: int

    @property
    def ledger(self) -> str:
        return subjects.ledger(self.account)

    @property
    def exec_events(self) -> str:
        return subjects.exec_events(self.account)

    @property
    def intent(self) -> str:
        return subjects.intent(self.account, self.strategies[0])

    @property
    def other_intent(self) -> str:
        return subjects.intent(self.account, self.strategies[1])

    @property
    def venue(self) -> str:
        return f"v{self.number}"

    @property
    def candle(self) -> str:
        return subjects.candle(f"BTC-USDT.{self.venue}", "1m")

    @property
    def quote(self) -> str:
        return subjects.quote(f"BTC-USDT.{self.venue}")

    @property
    def lease(self) -> str:
        return subjects.lease("risk-gate", f"s{self.number}")

    @property
    def snapshot(self) -> str:
        return subjects.snapshot("risk-gate", self.account)


class ContractWorld:
    """One server or cluster and a connection per principal."""

    replicas = 1

    def __init__(self) -> None:
        self._buses: dict[str, Bus] = {}
        self._numbers = itertools.count()
        self.empty: dict[str, tuple[int, int]] = {}
        """First and last sequence of each stream before anything was written."""

    def place(self) -> Place:
        number = next(self._numbers)
        account = ACCOUNTS[number]
        return Place(account, STRATEGIES[account], number)

    async def bus(self, principal: str) -> Bus:
        """The connection of this principal, the same for every test."""
        if principal not in self._buses:
            self._buses[principal] = await self.connect(principal)
        return self._buses[principal]

    async def connect(self, principal: str) -> Bus:
        """Another connection of this principal, closed with the world."""
        raise NotImplementedError

    async def recreate(self, stream: str) -> None:
        """Deletes the stream and makes it anew."""
        raise NotImplementedError

    async def look_before_anything(self) -> None:
        gate = await self.bus("risk-gate")
        for name in ("OMS", "INTENT", "CTL", "LEASE"):
            state = await gate.state(name)
            self.empty[name] = (state.first_sequence, state.last_sequence)

    async def close(self) -> None:
        for bus in self._buses.values():
            await bus.close()


class MemoryContract(ContractWorld):
    def __init__(self, replicas: int) -> None:
        super().__init__()
        self.replicas = replicas
        self._server = MemoryServer(SystemClock(), contract_streams(), replicas=replicas)

    @override
    async def connect(self, principal: str) -> Bus:
        account = next(p.account for p in PRINCIPALS if p.name == principal)
        return MemoryBus(self._server, account)

    @override
    async def recreate(self, stream: str) -> None:
        self._server.recreate(stream)


class NatsContract(ContractWorld):
    def __init__(self, url: str, seeds: Path, replicas: int) -> None:
        super().__init__()
        self.replicas = replicas
        self._url = url
        self._seeds = seeds
        self._opened: list[NatsBus] = []

    @override
    async def connect(self, principal: str) -> Bus:
        bus = await NatsBus.connect(
            self._url,
            principal=principal,
            name=principal,
            seed_file=self._seeds / f"{principal}.nk",
            on_trouble=lambda _: None,
            on_closed=lambda: None,
        )
        self._opened.append(bus)
        return bus

    @override
    async def recreate(self, stream: str) -> None:
        async with provisioner_of(self._url, self._seeds, NatsAccount.TRADING) as admin:
            await admin.api(f"STREAM.DELETE.{stream}", {})
            await ensure_stream(admin, topology.BY_NAME[stream].config(self.replicas))

    @override
    async def close(self) -> None:
        for bus in self._opened:
            await bus.close()


@asynccontextmanager
async def contract_world(kind: str, folder: Path) -> AsyncIterator[ContractWorld]:
    """One of `WORLDS`, running."""
    async with AsyncExitStack() as stack:
        world: ContractWorld
        if kind.startswith("memory"):
            world = MemoryContract(3 if kind == "memory-r3" else 1)
        else:
            config = sample_config(STRATEGIES)
            seeds = folder / "keys"
            if kind == "cluster":
                cluster = Cluster(folder, config)
                stack.callback(cluster.stop)
                await cluster.until_applied(contract_streams())
                world = NatsContract(cluster.url, seeds, CLUSTER_SIZE)
            else:
                settings = permissions.server_config(config, permissions.make_identities(seeds))
                server = await stack.enter_async_context(NatsServer(settings, folder / "nats"))
                await apply_topology(server.url, seeds, streams=contract_streams())
                world = NatsContract(server.url, seeds, 1)
        stack.push_async_callback(world.close)
        await world.look_before_anything()
        yield world
