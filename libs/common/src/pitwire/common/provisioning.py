"""Applies the topology to a server: streams and sourced copies, idempotent, by the provisioner of each account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pitwire.common.bus.nats import NatsBus
from pitwire.common.errors import ConfigError
from pitwire.common.permissions import provisioner
from pitwire.common.topology import STREAMS, WORKERS, NatsAccount, Stream

NAME_IN_USE: Final = 10058


async def apply_topology(
    url: str, seeds: Path, *, replicas: int = 1, streams: tuple[Stream, ...] = STREAMS
) -> list[str]:
    """Creates or updates every stream; `seeds` holds the identities. Returns one line per stream made or found."""
    report: list[str] = []
    for account in NatsAccount:
        async with provisioner_of(url, seeds, account) as bus:
            configs = _configs_in(account, replicas, streams)
            report += [f"{account.value}.{c['name']}: {await ensure_stream(bus, c)}" for c in configs]
            for stream in streams:
                if stream.account is account and stream.is_queue:
                    await _ensure_workers(bus, stream)
    return report


@asynccontextmanager
async def provisioner_of(url: str, seeds: Path, account: NatsAccount) -> AsyncIterator[NatsBus]:
    """A connection as the identity that may change the streams of `account`."""
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


def _configs_in(account: NatsAccount, replicas: int, streams: tuple[Stream, ...]) -> list[dict[str, Any]]:
    own = [stream.config(replicas) for stream in streams if stream.account is account]
    copies = [stream.copy_config(account, replicas) for stream in streams if account in stream.copied_to]
    return own + copies


async def ensure_stream(bus: NatsBus, config: dict[str, Any]) -> str:
    """Makes the stream so, or brings it to that; what was done."""
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


async def _ensure_workers(bus: NatsBus, stream: Stream) -> None:
    request = f"CONSUMER.CREATE.{stream.name}.{WORKERS}"
    answer = await bus.api(request, {"stream_name": stream.name, "config": stream.workers_config()})
    if error := answer.get("error"):
        raise ConfigError(where=f"workers of {stream.name}", what=f"{error.get('description')}")
