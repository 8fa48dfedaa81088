"""What every service may ask of the bus. Sequences are always those of the original stream, also on a copy."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Record:
    """One message. `sequence` is 0 for core messages; `pending` counts what the stream still held after it."""

    subject: str
    data: bytes
    schema: str | None = None
    trace: str = ""
    sequence: int = 0
    ts_ns: int = 0
    pending: int = 0


@dataclass(frozen=True, slots=True)
class StreamState:
    """`epoch` names one life of the stream, which began at `made_ns`. `last_sequence` 0 = empty since then.

    On a copy `last_sequence` is the original's, the life and the bytes are the copy's own.
    """

    epoch: str
    first_sequence: int
    last_sequence: int
    bytes_held: int = 0
    bytes_max: int = 0
    made_ns: int = 0

    @property
    def full_percent(self) -> int:
        """Of its bytes; 0 for a stream without a bound."""
        return 100 * self.bytes_held // self.bytes_max if self.bytes_max > 0 else 0


class Subscription(Protocol):
    """A core subscription."""

    async def stop(self) -> None: ...


class Bus(Protocol):
    """Core messages may be lost; appended ones are not; readers see every record once, in order, without gap."""

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Core publish. Raises `BusUnavailable` while disconnected: nothing is buffered to land late."""
        ...

    async def subscribe(self, pattern: str, on_record: Callable[[Record], None]) -> Subscription:
        """Calls `on_record` for each core message, in order; it must return at once and never raise."""
        ...

    async def append(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        expected_last: int | None = None,
        message_id: str | None = None,
    ) -> int:
        """Appends to the stream of `subject`, returns the sequence.

        With `expected_last` (0 = nothing there yet) only if the subject's last record still has that sequence.
        `LostRace`: not stored, somebody else appended first. `OutcomeUnknown`: read back before doing anything else.
        """
        ...

    def read(self, stream: str, filters: tuple[str, ...], *, after: int) -> AsyncGenerator[list[Record], None]:
        """Batches of records with sequence > `after` on the given subject patterns, for ever, in order, gapless.

        Survives server restarts by itself. An empty list means: caught up with everything that was there before,
        wherever the server keeps it. What a stream's own limits dropped before it was read does not come.
        `StreamLost`: the stream ends before what was read from it (or `after`), or was made anew; a copy, which is made
        from its original again, is waited for, unless it is seen to begin again behind what it holds.
        """
        ...

    async def last(self, stream: str, subject: str) -> Record | None:
        """The newest record on a literal subject, from the stream's leader; None when there is none."""
        ...

    async def last_of_each(self, stream: str, pattern: str) -> list[Record]:
        """The newest record of every subject that fits, in stream order."""
        ...

    async def state(self, stream: str) -> StreamState: ...

    async def close(self) -> None: ...
