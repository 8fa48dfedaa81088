"""The bus in memory with the semantics measured on a real server, for tests and for runs in one process.

Faults are the test's to order: `lose_answers` stores but reports nothing, `lose_requests` stores nothing, `disconnect`
refuses everything until `reconnect`; readers keep their place through all of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from pitwire.common.bus.port import Record, StreamState, Subscription
from pitwire.common.clock import NS_PER_S, Clock, ManualClock
from pitwire.common.codec import SCHEMA_HEADER, TRACE_HEADER
from pitwire.common.errors import AppendRefused, BusUnavailable, LostRace, OutcomeUnknown
from pitwire.common.topology import STREAMS, Stream

READ_BATCH_MAX: Final = 512
DUPLICATE_WINDOW_NS: Final = 120 * NS_PER_S


def subject_fits(pattern: str, subject: str) -> bool:
    """NATS matching: `*` is one token, a final `>` is one or more."""
    wanted, parts = pattern.split("."), subject.split(".")
    for at, want in enumerate(wanted):
        if want == ">":
            return len(parts) > at
        if at >= len(parts) or want not in ("*", parts[at]):
            return False
    return len(wanted) == len(parts)


@dataclass
class _Log:
    stream: Stream
    epoch: str
    records: list[Record] = field(default_factory=list)
    last_of: dict[str, int] = field(default_factory=dict)
    count_of: dict[str, int] = field(default_factory=dict)
    bytes_held: int = 0
    message_ids: dict[str, tuple[int, int]] = field(default_factory=dict)
    kept_of: dict[str, deque[int]] = field(default_factory=dict)
    gone: set[int] = field(default_factory=set)


class MemoryServer:
    """What a nats-server is to its clients: streams and core subscriptions, shared by every `MemoryBus` on it."""

    def __init__(self, clock: Clock | None = None, streams: tuple[Stream, ...] = STREAMS) -> None:
        self.clock = clock or ManualClock()
        self.changed = asyncio.Event()
        self._logs = {stream.name: _Log(stream, epoch="1") for stream in streams}
        self._listeners: list[tuple[str, Callable[[Record], None]]] = []

    def log_of(self, name: str) -> _Log:
        log = self._logs.get(name)
        if log is None:
            raise BusUnavailable(f"stream {name}: not found")
        return log

    def deliver(self, record: Record) -> None:
        for pattern, on_record in list(self._listeners):
            if subject_fits(pattern, record.subject):
                on_record(record)

    def listen(self, pattern: str, on_record: Callable[[Record], None]) -> Callable[[], None]:
        entry = (pattern, on_record)
        self._listeners.append(entry)
        return lambda: self._listeners.remove(entry) if entry in self._listeners else None

    def capture(self, subject: str) -> _Log | None:
        return next(
            (
                log
                for log in self._logs.values()
                if any(subject_fits(pattern, subject) for pattern in log.stream.subjects)
            ),
            None,
        )

    def store(
        self,
        log: _Log,
        subject: str,
        data: bytes,
        headers: Mapping[str, str],
        *,
        expected_last: int | None,
        message_id: str | None,
    ) -> int:
        """One node's order of checks: compare-and-set first, then duplicates, then limits."""
        now = self.clock.wall_ns()
        if expected_last is not None and log.last_of.get(subject, 0) != expected_last:
            raise LostRace(f"{subject}: wrong last sequence: {log.last_of.get(subject, 0)}")
        if message_id is not None and message_id in log.message_ids:
            stored_ns, sequence = log.message_ids[message_id]
            if now - stored_ns < DUPLICATE_WINDOW_NS:
                return sequence
        self._check_limits(log, subject, len(data))
        sequence = len(log.records) + 1
        log.records.append(
            Record(subject, data, headers.get(SCHEMA_HEADER), headers.get(TRACE_HEADER, ""), sequence, now)
        )
        log.last_of[subject] = sequence
        log.count_of[subject] = log.count_of.get(subject, 0) + 1
        log.bytes_held += len(data)
        self._drop_oldest(log, subject, sequence)
        if message_id is not None:
            log.message_ids[message_id] = (now, sequence)
        self.changed.set()
        self.changed = asyncio.Event()
        return sequence

    @staticmethod
    def _drop_oldest(log: _Log, subject: str, sequence: int) -> None:
        stream = log.stream
        if stream.discard != "old" or stream.per_subject_max < 1:
            return
        kept = log.kept_of.setdefault(subject, deque())
        kept.append(sequence)
        while len(kept) > stream.per_subject_max:
            log.gone.add(kept.popleft())

    @staticmethod
    def _check_limits(log: _Log, subject: str, size: int) -> None:
        stream = log.stream
        if stream.discard != "new":
            return
        if log.bytes_held + size > stream.max_bytes:
            raise AppendRefused(f"{subject}: maximum bytes exceeded (10077)")
        if stream.discard_new_per_subject and log.count_of.get(subject, 0) >= stream.per_subject_max:
            raise AppendRefused(f"{subject}: maximum messages per subject exceeded (10077)")


class MemoryBus:
    """`Bus` on a `MemoryServer`: one client's connection."""

    def __init__(self, server: MemoryServer) -> None:
        self._server = server
        self._connected = True
        self.lose_answers = 0
        self.lose_requests = 0

    def disconnect(self) -> None:
        self._connected = False

    def reconnect(self) -> None:
        self._connected = True
        self._server.changed.set()
        self._server.changed = asyncio.Event()

    @property
    def is_connected(self) -> bool:
        return self._connected

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._check(subject)
        fields = headers or {}
        log = self._server.capture(subject)
        if log is not None:
            self._server.store(log, subject, data, fields, expected_last=None, message_id=None)
        self._server.deliver(Record(subject, data, fields.get(SCHEMA_HEADER), fields.get(TRACE_HEADER, "")))

    async def subscribe(self, pattern: str, on_record: Callable[[Record], None]) -> Subscription:
        return _MemorySubscription(self._server.listen(pattern, on_record))

    async def append(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        expected_last: int | None = None,
        message_id: str | None = None,
    ) -> int:
        self._check(subject)
        if self.lose_requests > 0:
            self.lose_requests -= 1
            raise OutcomeUnknown(f"{subject}: TimeoutError, it may or may not be stored")
        log = self._server.capture(subject)
        if log is None:
            raise AppendRefused(f"{subject}: no stream takes this subject")
        fields = headers or {}
        sequence = self._server.store(log, subject, data, fields, expected_last=expected_last, message_id=message_id)
        self._server.deliver(Record(subject, data, fields.get(SCHEMA_HEADER), fields.get(TRACE_HEADER, "")))
        await asyncio.sleep(0)
        if self.lose_answers > 0:
            self.lose_answers -= 1
            raise OutcomeUnknown(f"{subject}: TimeoutError, it may or may not be stored")
        return sequence

    async def read(self, stream: str, filters: tuple[str, ...], *, after: int) -> AsyncGenerator[list[Record], None]:
        cursor, caught_up = after, False
        while True:
            changed = self._server.changed
            if self._connected:
                batch, cursor = self._next_batch(stream, filters, cursor)
                if batch:
                    yield batch
                    continue
                if not caught_up:
                    caught_up = True
                    yield []
                    continue
            await changed.wait()

    def _next_batch(self, stream: str, filters: tuple[str, ...], cursor: int) -> tuple[list[Record], int]:
        log = self._server.log_of(stream)
        records = log.records
        batch: list[Record] = []
        while cursor < len(records) and len(batch) < READ_BATCH_MAX:
            record = records[cursor]
            cursor += 1
            if record.sequence not in log.gone and any(subject_fits(p, record.subject) for p in filters):
                batch.append(record)
        return batch, cursor

    async def last(self, stream: str, subject: str) -> Record | None:
        self._check(subject)
        log = self._server.log_of(stream)
        sequence = log.last_of.get(subject)
        return log.records[sequence - 1] if sequence else None

    async def last_of_each(self, stream: str, pattern: str) -> list[Record]:
        self._check(pattern)
        log = self._server.log_of(stream)
        return [
            log.records[n - 1] for s, n in sorted(log.last_of.items(), key=lambda x: x[1]) if subject_fits(pattern, s)
        ]

    async def state(self, stream: str) -> StreamState:
        self._check(stream)
        log = self._server.log_of(stream)
        return StreamState(log.epoch, 1 if log.records else 0, len(log.records))

    async def close(self) -> None:
        self._connected = False

    def _check(self, subject: str) -> None:
        if not self._connected:
            raise BusUnavailable(f"{subject}: not connected")


class _MemorySubscription:
    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop

    async def stop(self) -> None:
        self._stop()
