"""Applies the topology to a server: streams and sourced copies, idempotent, by the provisioner of each account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pitwire.common.bus.nats import NatsBus
from pitwire.common.errors import ConfigError
from pitwire.common.permissions import provisioner
from pitwire.common.topology import STREAMS, NatsAccount

NAME_IN_USE: Final = 10058


async def apply_topology(url: str, seeds: Path, *, replicas: int = 1) -> list[str]:
    """Creates or updates every stream; `seeds` holds the identities. Returns one line per stream made or found."""
    report: list[str] = []
    for account in NatsAccount:
        async with _provisioner(url, seeds, account) as bus:
            report += [f"{account.value}.{c['name']}: {await _ensure(bus, c)}" for c in _configs_in(account, replicas)]
    return report


async def remove_used_streams(url: str, seeds: Path) -> None:
    """Deletes every stream that ever held a record, and its copies: for test servers, never offered as a command."""
    used: set[str] = set()
    for stream in STREAMS:
        async with _provisioner(url, seeds, stream.account) as bus:
            info = await bus.api(f"STREAM.INFO.{stream.name}", {})
            if info.get("state", {}).get("last_seq"):
                used.add(stream.name)
    for account in NatsAccount:
        async with _provisioner(url, seeds, account) as bus:
            for config in _configs_in(account, replicas=1):
                if config["name"] in used:
                    await bus.api(f"STREAM.DELETE.{config['name']}", {})


@asynccontextmanager
async def _provisioner(url: str, seeds: Path, account: NatsAccount) -> AsyncIterator[NatsBus]:
    name = provisioner(account)
    bus = await NatsBus.connect(
        url,
        principal=name,
        name=name,
        seed_file=seeds / f"{name}.nk",
        on_trouble=lambda _: None,
        on_closed=lambda: None,
    )
    try:
        yield bus
    finally:
        await bus.close()


def _configs_in(account: NatsAccount, replicas: int) -> list[dict[str, Any]]:
    own = [stream.config(replicas) for stream in STREAMS if stream.account is account]
    copies = [stream.copy_config(account, replicas) for stream in STREAMS if account in stream.copied_to]
    return own + copies


async def _ensure(bus: NatsBus, config: dict[str, Any]) -> str:
    name = config["name"]
    answer = await bus.api(f"STREAM.CREATE.{name}", config)
    error = answer.get("error")
    if error is None:
        return "ready"
    if error.get("err_code") == NAME_IN_USE:
        answer = await bus.api(f"STREAM.UPDATE.{name}", config)
        error = answer.get("error")
        if error is None:
            return "updated"
    raise ConfigError(where=f"stream {name}", what=f"{error.get('description')} ({error.get('err_code')})")
