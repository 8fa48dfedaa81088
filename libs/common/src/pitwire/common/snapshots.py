"""Folded states kept on the bus: the last three of each account, each with its hash, so that a bad one is noticed."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeVar

import orjson

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus, Record
from pitwire.common.errors import DecodeError, PitwireError
from pitwire.common.schemas.control import Snapshot

SNAPSHOT_MAX: Final = 6 * 1024 * 1024
"""Bytes of one stored snapshot; the server takes 8 MiB."""

COMPRESSION: Final = 1


class Foldable(Protocol):
    """A state that can be kept and named by its hash."""

    def snapshot(self) -> dict[str, Any]: ...

    def state_hash(self) -> str: ...


S = TypeVar("S", bound=Foldable)


class SnapshotStore:
    """The snapshots of one service and account."""

    def __init__(self, bus: Bus, *, service: str, account: str) -> None:
        self._bus = bus
        self._service, self._account = service, account
        self._subject = subjects.snapshot(service, account)

    async def save(self, state: Foldable, *, oms_sequence: int, ts_ns: int) -> None:
        """Keeps the state; the oldest of more than three goes."""
        packed = zlib.compress(orjson.dumps(state.snapshot()), COMPRESSION)
        snapshot = Snapshot(
            service=self._service,
            account=self._account,
            oms_sequence=oms_sequence,
            state_hash=state.state_hash(),
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
        """The newest state whose hash is right and which the journal still reaches; None = begin at the beginning."""
        for record in reversed(await self._stored()):
            try:
                snapshot = _decode(record)
                if snapshot.oms_sequence > last_sequence:
                    on_bad(f"snapshot at {snapshot.oms_sequence}, but the journal ends at {last_sequence}")
                    continue
                state = restore(orjson.loads(zlib.decompress(base64.b64decode(snapshot.state_zlib_base64))))
                if state.state_hash() == snapshot.state_hash:
                    return state
                on_bad(f"snapshot at {snapshot.oms_sequence} has another hash than its state")
            except (PitwireError, zlib.error, binascii.Error, ValueError, KeyError, TypeError) as error:
                on_bad(f"snapshot record {record.sequence} cannot be used: {type(error).__name__}: {error}")
        return None

    async def newest_sequence(self) -> int:
        """The journal sequence that the newest readable snapshot stands at, whatever the journal says; 0 = none."""
        for record in reversed(await self._stored()):
            try:
                return _decode(record).oms_sequence
            except (PitwireError, ValueError):
                continue
        return 0

    async def _stored(self) -> list[Record]:
        found: list[Record] = []
        async for batch in self._bus.read(topology.SNAPSHOTS.name, (self._subject,), after=0):
            if not batch:
                return found
            found += batch
        raise AssertionError(self._subject)


def _decode(record: Record) -> Snapshot:
    return Snapshot.model_validate(orjson.loads(record.data))
