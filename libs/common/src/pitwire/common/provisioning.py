"""Applies the topology to a server: streams and sourced copies, idempotent, by the provisioner of each account."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pitwire.common import subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.errors import ConfigError
from pitwire.common.permissions import provisioner
from pitwire.common.topology import STREAMS, WORKERS, NatsAccount, Stream

NAME_IN_USE: Final = 10058
STREAM_NOT_FOUND: Final = 10059


async def apply_topology(
    url: str, seeds: Path, *, replicas: int | None = None, streams: tuple[Stream, ...] = STREAMS
) -> list[str]:
    """Creates or updates every stream; `seeds` holds the identities. Returns one line per stream made or found.

    Without `replicas` each stream keeps as many as it has. A copy that is older than its original, or holds more, has
    records of a life of it that is gone: it is made anew. `ConfigError` where a journal is not put back yet.
    """
    report: list[str] = []
    async with AsyncExitStack() as stack:
        buses = {
            account: await stack.enter_async_context(provisioner_of(url, seeds, account)) for account in NatsAccount
        }
        for stream in streams:
            bus = buses[stream.account]
            done = await ensure_stream(bus, stream.config(replicas or await replicas_of(bus, stream.name)))
            report.append(f"{stream.account.value}.{stream.name}: {done}")
            if stream.is_queue:
                await _ensure_workers(bus, stream)
        for stream in streams:
            for account in stream.copied_to:
                bus = buses[account]
                config = stream.copy_config(account, replicas or await replicas_of(bus, stream.name))
                done = await _ensure_copy(bus, config, buses[stream.account])
                report.append(f"{account.value}.{stream.name}: {done}")
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


async def replicas_of(bus: NatsBus, name: str) -> int:
    """As many as the stream has; where it is not there, as many as any other of the account has, else one."""
    answer = await bus.api("STREAM.LIST", {})
    found = {each["config"]["name"]: int(each["config"]["num_replicas"]) for each in answer.get("streams") or ()}
    return found.get(name, max(found.values(), default=1))


async def ensure_stream(bus: NatsBus, config: dict[str, Any]) -> str:
    """Makes the stream so, or brings it to that; what was done.

    `ConfigError` where the server refuses, and where the stream is closed while its records are put back: whoever does
    that opens it (`open_stream`), behind the halt that it has to end with.
    """
    name = config["name"]
    answer = await bus.api(f"STREAM.CREATE.{name}", config)
    error = answer.get("error")
    if error is None:
        return "ready"
    if error.get("err_code") != NAME_IN_USE:
        raise ConfigError(where=f"stream {name}", what=_text(error))
    if not is_closed(config) and is_closed((await bus.api(f"STREAM.INFO.{name}", {})).get("config", {})):
        raise ConfigError(
            where=f"stream {name}",
            what="its records are being put back and that is not finished: name the database they come from "
            "(PITWIRE_DATABASE_URL) and apply the topology again",
        )
    await open_stream(bus, config)
    return "updated"


async def open_stream(bus: NatsBus, config: dict[str, Any]) -> None:
    """Brings a stream that is there to `config`, whatever it listens to now."""
    answer = await bus.api(f"STREAM.UPDATE.{config['name']}", config)
    if error := answer.get("error"):
        raise ConfigError(where=f"stream {config['name']}", what=_text(error))


def is_closed(config: dict[str, Any]) -> bool:
    """Whether a stream of this configuration takes nothing but what is put back (`Stream.restoring_config`)."""
    return any(subject.startswith(f"{subjects.RESTORE}.") for subject in config.get("subjects") or ())


async def delete_copies(url: str, seeds: Path, stream: Stream) -> None:
    """Every sourced copy of the stream is gone afterwards; `apply_topology` makes them anew."""
    for account in stream.copied_to:
        async with provisioner_of(url, seeds, account) as bus:
            await _delete(bus, stream.name)


async def _ensure_copy(bus: NatsBus, config: dict[str, Any], original: NatsBus) -> str:
    """The copy is asked first: of an original that goes on meanwhile it then never seems to hold more."""
    name = config["name"]
    done = await ensure_stream(bus, config)
    copy, source = await bus.state(name), await original.state(name)
    if copy.made_ns >= source.made_ns and copy.last_sequence <= source.last_sequence:
        return done
    await _delete(bus, name)
    await ensure_stream(bus, config)
    return "made anew"


async def _delete(bus: NatsBus, name: str) -> None:
    error = (await bus.api(f"STREAM.DELETE.{name}", {})).get("error")
    if error and error.get("err_code") != STREAM_NOT_FOUND:
        raise ConfigError(where=f"stream {name}", what=_text(error))


async def _ensure_workers(bus: NatsBus, stream: Stream) -> None:
    request = f"CONSUMER.CREATE.{stream.name}.{WORKERS}"
    answer = await bus.api(request, {"stream_name": stream.name, "config": stream.workers_config()})
    if error := answer.get("error"):
        raise ConfigError(where=f"workers of {stream.name}", what=f"{error.get('description')}")


def _text(error: dict[str, Any]) -> str:
    return f"{error.get('description')} ({error.get('err_code')})"
