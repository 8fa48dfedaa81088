"""Folded states kept on the bus: the last three of each account, each with its hash, so that a bad one is noticed.

Each is bound to the journal record it stands at: what a journal that lost its end has grown since is another journal.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import orjson

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus, Record
from pitwire.common.errors import DecodeError, PitwireError
from pitwire.common.ids import content_hash
from pitwire.common.schemas.control import Snapshot

SNAPSHOT_MAX: Final = 6 * 1024 * 1024
"""Bytes of one stored snapshot; the server takes 8 MiB."""

COMPRESSION: Final = 1


class Foldable(Protocol):
    """A state that can be kept and named by its hash."""

    def snapshot(self) -> dict[str, Any]: ...

    def state_hash(self) -> str:
        """sha256 of the snapshot as JSON."""
        ...


S = TypeVar("S", bound=Foldable)


@dataclass(frozen=True, slots=True)
class Loss:
    """Records up to `known` were there and are not any more. `incarnation`: that of who knows it, where it says so."""

    known: int
    text: str
    incarnation: str = ""


class SnapshotStore:
    """The snapshots of one service and account."""

    def __init__(self, bus: Bus, *, service: str, account: str) -> None:
        self._bus = bus
        self._service, self._account = service, account
        self._subject = subjects.snapshot(service, account)
        self.read_to = 0
        """What the snapshot that was loaded says of itself."""

    async def save(self, state: Foldable, *, oms_sequence: int, record_hash: str, ts_ns: int, read_to: int = 0) -> None:
        """Keeps the state, bound to the journal record it stands at; the oldest of more than three goes."""
        plain = orjson.dumps(state.snapshot())
        packed = zlib.compress(plain, COMPRESSION)
        snapshot = Snapshot(
            service=self._service,
            account=self._account,
            oms_sequence=oms_sequence,
            record_hash=record_hash,
            read_to=read_to,
            state_hash=content_hash(plain),
            state_zlib_base64=base64.b64encode(packed).decode(),
            ts_ns=ts_ns,
        )
        data = codec.encode(snapshot)
        if len(data) > SNAPSHOT_MAX:
            raise DecodeError(subject=self._subject, reason=f"{len(data)} bytes, at most {SNAPSHOT_MAX}")
        await self._bus.append(self._subject, data, codec.headers_for(snapshot))

    async def load(
        self, restore: Callable[[dict[str, Any]], S], *, last_sequence: int, on_bad: Callable[[str], None]
    ) -> S | None:
        """The newest state whose hash is right and whose record the journal still holds; None = begin at the beginning.

        `last_sequence`: where the journal ends.
        """
        for record in reversed(await self._stored()):
            try:
                snapshot = _decode(record)
                if fault := await self._loss(snapshot, last_sequence) or _unbound(snapshot):
                    on_bad(fault)
                    continue
                state = restore(_state_in(snapshot))
                if state.state_hash() == snapshot.state_hash:
                    self.read_to = snapshot.read_to
                    return state
                on_bad(f"snapshot at {snapshot.oms_sequence} has another hash than its state")
            except (PitwireError, zlib.error, binascii.Error, ValueError, KeyError, TypeError) as error:
                on_bad(f"snapshot record {record.sequence} cannot be used: {type(error).__name__}: {error}")
        return None

    async def loss(self, *, last_sequence: int) -> Loss | None:
        """What the newest readable snapshot knows of a journal that ends at `last_sequence`, and which is gone."""
        for record in reversed(await self._stored()):
            try:
                snapshot = _decode(record)
            except ValueError:
                continue
            text = await self._loss(snapshot, last_sequence)
            return Loss(snapshot.oms_sequence, text, _incarnation_in(snapshot)) if text else None
        return None

    async def _loss(self, snapshot: Snapshot, last_sequence: int) -> str:
        """How the journal shows that it lost the record of the snapshot; empty when it does not."""
        at = snapshot.oms_sequence
        if at > last_sequence:
            return f"snapshot at {at} of {self._service}, but the journal ends at {last_sequence}"
        if not snapshot.record_hash:
            return ""
        reading = self._bus.read(topology.OMS.name, (subjects.EVERY_JOURNAL,), after=at - 1)
        async with contextlib.aclosing(reading) as batches:
            found = (await anext(batches))[:1]
        if [(record.sequence, content_hash(record.data)) for record in found] == [(at, snapshot.record_hash)]:
            return ""
        return f"snapshot at {at} of {self._service}, but the journal holds another record there"

    async def _stored(self) -> list[Record]:
        found: list[Record] = []
        async for batch in self._bus.read(topology.SNAPSHOTS.name, (self._subject,), after=0):
            if not batch:
                return found
            found += batch
        raise AssertionError(self._subject)


def _unbound(snapshot: Snapshot) -> str:
    return "" if snapshot.record_hash else f"snapshot at {snapshot.oms_sequence} does not say which record it stands at"


def _state_in(snapshot: Snapshot) -> dict[str, Any]:
    state: dict[str, Any] = orjson.loads(zlib.decompress(base64.b64decode(snapshot.state_zlib_base64)))
    return state


def _incarnation_in(snapshot: Snapshot) -> str:
    """Empty where the state cannot be read."""
    try:
        return str(_state_in(snapshot).get("incarnation", ""))
    except (zlib.error, binascii.Error, ValueError, AttributeError):
        return ""


def _decode(record: Record) -> Snapshot:
    return Snapshot.model_validate(orjson.loads(record.data))
