"""The bus in memory with the semantics measured on a real server, for tests and for runs in one process.

`replicas` 1 checks the expectation before the message id, as one server does; 3 the other way round, as a cluster does.
Faults are the test's to order: `lose_answers` stores but reports nothing, `lose_requests` stores nothing, `disconnect`
refuses everything until `reconnect`; readers keep their place through all of it. `lose_tail` and `recreate` are what a
power cut or a wiped disk does to a stream.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Final

from pitwire.common.bus.port import Record, StreamState, Subscription
from pitwire.common.clock import NS_PER_S, Clock, ManualClock
from pitwire.common.codec import SCHEMA_HEADER, TRACE_HEADER
from pitwire.common.errors import AppendRefused, BusUnavailable, LostRace, OutcomeUnknown, StreamLost
from pitwire.common.topology import STREAMS, NatsAccount, Stream

READ_BATCH_MAX: Final = 512
DUPLICATE_WINDOW_NS: Final = 120 * NS_PER_S
"""How long a message id is remembered; never longer than the stream keeps records."""

RECORD_OVERHEAD_BYTES: Final = 30
"""What a stored record takes besides subject and data."""


def subject_fits(pattern: str, subject: str) -> bool:
    """NATS matching: `*` is one token, a final `>` is one or more."""
    wanted, parts = pattern.split("."), subject.split(".")
    for at, want in enumerate(wanted):
        if want == ">":
            return len(parts) > at
        if at >= len(parts) or want not in ("*", parts[at]):
            return False
    return len(wanted) == len(parts)


class _Log:
    """One stream. Records stay in the list, so that a sequence is a place; what limits took away is in `gone`."""

    def __init__(self, stream: Stream, epoch: int, made_ns: int) -> None:
        self.stream = stream
        self.epoch = str(epoch)
        self.made_ns = made_ns
        self.records: list[Record] = []
        self.last_of: dict[str, int] = {}
        self.kept_of: dict[str, deque[int]] = {}
        self.bytes_held = 0
        self.first = 1
        self.gone: set[int] = set()
        self.message_ids: dict[str, tuple[int, int]] = {}

    @property
    def duplicate_window_ns(self) -> int:
        age = int(self.stream.max_age_s * NS_PER_S)
        return min(age, DUPLICATE_WINDOW_NS) if age else DUPLICATE_WINDOW_NS

    def keep(self, record: Record) -> None:
        self.records.append(record)
        self.last_of[record.subject] = record.sequence
        self.kept_of.setdefault(record.subject, deque()).append(record.sequence)
        self.bytes_held += _size(record)

    def drop(self, sequence: int) -> None:
        """Takes one record away; its sequence is never used again."""
        record = self.records[sequence - 1]
        kept = self.kept_of[record.subject]
        kept.remove(sequence)
        self.gone.add(sequence)
        self.bytes_held -= _size(record)
        if kept:
            self.last_of[record.subject] = kept[-1]
        else:
            del self.kept_of[record.subject], self.last_of[record.subject]
        while self.first in self.gone:
            self.gone.discard(self.first)
            self.first += 1

    def is_kept(self, sequence: int) -> bool:
        return sequence >= self.first and sequence not in self.gone

    def expire(self, now_ns: int) -> None:
        """Drops what is older than the stream keeps."""
        age = int(self.stream.max_age_s * NS_PER_S)
        while age and self.first <= len(self.records) and self.records[self.first - 1].ts_ns + age <= now_ns:
            self.drop(self.first)

    def make_room(self) -> None:
        """After a record was stored: what a stream of newest records lets go for it."""
        stream = self.stream
        if stream.per_subject_max >= 1 and not stream.discard_new_per_subject:
            kept = self.kept_of[self.records[-1].subject]
            while len(kept) > stream.per_subject_max:
                self.drop(kept[0])
        while stream.discard == "old" and self.bytes_held > stream.max_bytes:
            self.drop(self.first)


def _size(record: Record) -> int:
    return len(record.subject) + len(record.data) + RECORD_OVERHEAD_BYTES


class MemoryServer:
    """What a nats-server is to its clients: streams and core subscriptions, shared by every `MemoryBus` on it."""

    def __init__(self, clock: Clock | None = None, streams: tuple[Stream, ...] = STREAMS, *, replicas: int = 1) -> None:
        self.clock = clock or ManualClock()
        self.changed = asyncio.Event()
        self._replicas = replicas
        self._lives = 1
        self._logs = {stream.name: _Log(stream, self._lives, self.clock.wall_ns()) for stream in streams}
        self._listeners: list[tuple[str, Callable[[Record], None]]] = []

    def log_of(self, name: str) -> _Log:
        log = self._logs.get(name)
        if log is None:
            raise BusUnavailable(f"stream {name}: not found")
        log.expire(self.clock.wall_ns())
        return log

    def recreate(self, name: str) -> None:
        """The stream is gone and made anew: another epoch, numbers from 1."""
        self._lives += 1
        self._logs[name] = _Log(self.log_of(name).stream, self._lives, self.clock.wall_ns())
        self.wake()

    def lose_tail(self, name: str, count: int) -> None:
        """The last `count` records are gone although they were acknowledged; their sequences will be used again."""
        old = self.log_of(name)
        new = self._logs[name] = _Log(old.stream, int(old.epoch), old.made_ns)
        for record in old.records[: len(old.records) - count]:
            new.keep(record)
        self.wake()

    def wake(self) -> None:
        """Lets every reader look again."""
        self.changed.set()
        self.changed = asyncio.Event()

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
        now = self.clock.wall_ns()
        log.expire(now)
        if self._replicas == 1:
            self._expect(log, subject, expected_last)
        if known := self._known(log, message_id, now):
            return known
        if self._replicas > 1:
            self._expect(log, subject, expected_last)
        record = Record(
            subject,
            data,
            headers.get(SCHEMA_HEADER),
            headers.get(TRACE_HEADER, ""),
            len(log.records) + 1,
            now,
        )
        self._check_limits(log, record)
        log.keep(record)
        log.make_room()
        if message_id is not None:
            log.message_ids[message_id] = (now, record.sequence)
        self.wake()
        return record.sequence

    @staticmethod
    def _expect(log: _Log, subject: str, expected_last: int | None) -> None:
        found = log.last_of.get(subject, 0)
        if expected_last is not None and found != expected_last:
            raise LostRace(f"{subject}: wrong last sequence: {found}")

    @staticmethod
    def _known(log: _Log, message_id: str | None, now_ns: int) -> int:
        """The sequence of the record that came with this id before; 0 = none."""
        stored_ns, sequence = log.message_ids.get(message_id or "", (0, 0))
        return sequence if now_ns - stored_ns < log.duplicate_window_ns else 0

    @staticmethod
    def _check_limits(log: _Log, record: Record) -> None:
        stream = log.stream
        kept = len(log.kept_of.get(record.subject, ()))
        if stream.discard_new_per_subject and kept >= stream.per_subject_max:
            raise AppendRefused(f"{record.subject}: maximum messages per subject exceeded (10077)")
        if stream.discard == "new" and log.bytes_held + _size(record) > stream.max_bytes:
            raise AppendRefused(f"{record.subject}: maximum bytes exceeded (10077)")


class MemoryBus:
    """`Bus` on a `MemoryServer`: one connection. In another `account` than a stream's own it reads a copy of it."""

    def __init__(self, server: MemoryServer, account: NatsAccount = NatsAccount.TRADING) -> None:
        self._server = server
        self._account = account
        self._connected = True
        self.lose_answers = 0
        self.lose_requests = 0

    def disconnect(self) -> None:
        self._connected = False

    def reconnect(self) -> None:
        self._connected = True
        self._server.wake()

    @property
    def is_connected(self) -> bool:
        return self._connected

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._check(subject)
        fields = headers or {}
        log = self._server.capture(subject)
        if log is not None:
            with contextlib.suppress(AppendRefused):
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
        epoch = self._server.log_of(stream).epoch
        while True:
            changed = self._server.changed
            if self._connected:
                log = self._server.log_of(stream)
                is_lost = log.epoch != epoch or len(log.records) < cursor
                if is_lost and log.stream.account is self._account:
                    raise StreamLost(f"{stream} ends at {len(log.records)}, but {cursor} was read")
                batch, cursor = self._next_batch(log, filters, cursor)
                if batch:
                    yield batch
                    continue
                if not caught_up:
                    caught_up = True
                    yield []
                    continue
            await changed.wait()

    @staticmethod
    def _next_batch(log: _Log, filters: tuple[str, ...], cursor: int) -> tuple[list[Record], int]:
        records = log.records
        batch: list[Record] = []
        while cursor < len(records) and len(batch) < READ_BATCH_MAX:
            record = records[cursor]
            cursor += 1
            if log.is_kept(record.sequence) and any(subject_fits(p, record.subject) for p in filters):
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
        return StreamState(
            log.epoch,
            log.first if log.records else 0,
            len(log.records),
            bytes_held=log.bytes_held,
            bytes_max=log.stream.max_bytes,
            made_ns=log.made_ns,
        )

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
