"""A real nats-server with the topology of `pitwire up`, and a connection to it, for every figure that needs one."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from pitwire.cli.servers import NatsServer
from pitwire.common import permissions
from pitwire.common.bus.nats import NatsBus
from pitwire.common.config import PitwireConfig
from pitwire.common.provisioning import apply_topology


def keys_in(folder: Path) -> Path:
    """Where the identities of a server in `folder` lie."""
    return folder / "keys"


@asynccontextmanager
async def bus_server(folder: Path, config: PitwireConfig) -> AsyncIterator[NatsServer]:
    """Everything of it in `folder`."""
    keys = keys_in(folder)
    settings = permissions.server_config(config, permissions.make_identities(keys))
    async with NatsServer(settings, folder / "nats") as server:
        await apply_topology(server.url, keys)
        yield server


async def connect(role: str, url: str, keys: Path) -> NatsBus:
    """The bus as `role`; what troubles it is told, and the process fails when it is lost for good."""

    def trouble(what: str) -> None:
        sys.stderr.write(f"{role}: {what}\n")

    def lost() -> None:
        sys.exit(f"{role}: the bus closed the connection for good")

    return await NatsBus.connect(
        url, principal=role, name=role, seed_file=keys / f"{role}.nk", on_trouble=trouble, on_closed=lost
    )
