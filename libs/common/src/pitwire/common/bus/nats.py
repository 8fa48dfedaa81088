"""The bus over NATS: one connection per process, own reader and own append (why: nats-py pitfalls, docs/adr)."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncGenerator, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import orjson

from pitwire.common.bus.client import Subscription as NatsSubscription
from pitwire.common.bus.client import errors as nats_errors
from pitwire.common.bus.link import Delivery, Link
from pitwire.common.bus.port import Record, StreamState, Subscription
from pitwire.common.bus.queue import NatsQueue
from pitwire.common.bus.reader import NO_MESSAGE_FOUND, OrderedReader, record_of, source_sequence_of, time_ns
from pitwire.common.codec import SCHEMA_HEADER, TRACE_HEADER
from pitwire.common.errors import AppendRefused, BusUnavailable, LostRace, OutcomeUnknown
from pitwire.common.permissions import inbox_prefix
from pitwire.common.topology import Stream

CONNECT_TIMEOUT_S: Final = 2
RECONNECT_WAIT_S: Final = 0.05
PING_INTERVAL_S: Final = 2
PINGS_OUTSTANDING_MAX: Final = 2
FIRST_CONNECT_MAX_S: Final = 5.0
REQUEST_TIMEOUT_S: Final = 3.0
APPEND_TIMEOUT_S: Final = 3.0
CLOSE_TIMEOUT_S: Final = 2.0
LINK_WATCH_S: Final = 0.5
LINK_CLOSE_MAX_S: Final = 1.0
"""How long a dead link may take to close in good order before it is cut."""

EXPECTED_LAST_HEADER: Final = "Nats-Expected-Last-Subject-Sequence"
MESSAGE_ID_HEADER: Final = "Nats-Msg-Id"
LOST_RACE_CODES: Final = frozenset({10071, 10164})
"""Wrong last sequence, and the same while another write is in flight: both mean somebody else was first."""

STREAM_NOT_MATCHED: Final = 10060
WRONG_STREAM: Final = {"Nats-Expected-Stream": "none-of-this-name"}
"""A condition that no stream meets: what is published with it is answered and never stored."""

REFUSED_IDENTITY: Final = "authorization violation"
REFUSALS_MAX: Final = 3
DENIED_PUBLISH: Final = re.compile(r'publish to "([^"]+)"', re.IGNORECASE)


class NatsBus:
    """`Bus` on a real nats-server. Made by `NatsBus.connect`."""

    def __init__(self, client: Link, *, on_trouble: Callable[[str], None], on_closed: Callable[[], None]) -> None:
        self._client = client
        self._on_closed = on_closed
        self._on_trouble = on_trouble
        self._readers: list[OrderedReader] = []
        self._denied: set[str] = set()
        self._untold = 0
        self._refusals = 0
        self._is_down = False
        self._is_closing = False
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        principal: str,
        name: str,
        seed_file: Path | None,
        on_trouble: Callable[[str], None],
        on_closed: Callable[[], None],
    ) -> NatsBus:
        """Connects as `principal`; `BusUnavailable` when no server answers within `FIRST_CONNECT_MAX_S`.

        `on_trouble` is told every asynchronous error and must not block; `on_closed` is called when the client
        gave up for good, or is refused `REFUSALS_MAX` times while it reconnects (credentials changed): the process
        should end, since it can never come back by itself.
        """
        client = Link()
        seed = await asyncio.to_thread(seed_file.read_text, encoding="ascii") if seed_file else None
        bus = cls(client, on_trouble=on_trouble, on_closed=on_closed)
        why = ""

        async def trouble(error: Exception) -> None:
            nonlocal why
            why = f"{type(error).__name__}: {error}"
            bus._note(error)

        async def closed() -> None:
            if bus._watching is not None and not bus._is_closing:
                on_closed()

        async def disconnected() -> None:
            bus._is_down = True
            if not bus._is_closing:
                bus._tell("disconnected")

        async def reconnected() -> None:
            bus._is_down, bus._refusals = False, 0
            bus._tell("reconnected")
            for reader in bus._readers:
                reader.on_reconnected()

        try:
            async with asyncio.timeout(FIRST_CONNECT_MAX_S):
                await client.connect(
                    servers=[url],
                    name=name,
                    error_cb=trouble,
                    closed_cb=closed,
                    disconnected_cb=disconnected,
                    reconnected_cb=reconnected,
                    connect_timeout=CONNECT_TIMEOUT_S,
                    reconnect_time_wait=RECONNECT_WAIT_S,  # type: ignore[arg-type] # it sleeps for it; fractions work
                    max_reconnect_attempts=-1,
                    ping_interval=PING_INTERVAL_S,
                    max_outstanding_pings=PINGS_OUTSTANDING_MAX,
                    inbox_prefix=inbox_prefix(principal).encode(),
                    nkeys_seed_str=seed.strip() if seed else None,
                    pending_size=0,
                )
                await client.listen_for_answers()
        except (TimeoutError, OSError, nats_errors.Error) as error:
            await bus.close()
            raise BusUnavailable(f"{url} as {principal}: {why or f'{type(error).__name__}: {error}'}") from None
        bus._watching = asyncio.create_task(bus._cut_dead_links(), name="dead links")
        return bus

    async def _cut_dead_links(self) -> None:
        """Before it reconnects, the client waits for the old socket to take what is buffered.

        To a server that is frozen or cannot be reached that lasts until the kernel gives up: a quarter of an hour.
        """
        stuck_s = 0.0
        while True:
            await asyncio.sleep(LINK_WATCH_S)
            stuck_s = stuck_s + LINK_WATCH_S if self._client.is_reconnecting and not self._is_down else 0.0
            if stuck_s >= LINK_CLOSE_MAX_S:
                self._tell("the old link does not close: cut")
                self._cut()
                stuck_s = 0.0

    def _cut(self) -> None:
        """Gives up the socket of a link that is over, or of an attempt that failed, which the client leaves open."""
        transport: Any = self._client._transport  # noqa: SLF001 - the client offers no way to do it
        writer = getattr(transport, "_io_writer", None)
        if writer is not None:
            writer.transport.abort()

    @property
    def is_connected(self) -> bool:
        return self._client.is_connected

    @property
    def answers_awaited(self) -> int:
        """Requests whose answer is outstanding; one that only grows is a leak."""
        return self._client.answers_awaited

    def _note(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if self._is_down and not self._client.is_connected:
            self._cut()
        if self._is_down and REFUSED_IDENTITY in text.lower():
            self._refusals += 1
            if self._refusals == REFUSALS_MAX:
                self._on_closed()
        if denied := DENIED_PUBLISH.search(str(error)):
            self._denied.add(denied.group(1).lower())
        self._tell(text)

    def _tell(self, text: str) -> None:
        """An exception here would end the client's read loop, and nobody would hear anything more."""
        try:
            self._on_trouble(text)
        except Exception:  # noqa: BLE001 - see above; whoever tells its troubles badly must not lose its bus
            self._untold += 1

    async def publish(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:
        try:
            self._client.send(subject, data, headers)
        except (nats_errors.Error, OSError) as error:
            raise BusUnavailable(f"{subject}: {type(error).__name__}") from None

    async def subscribe(self, pattern: str, on_record: Callable[[Record], None]) -> Subscription:
        def deliver(came: Delivery) -> None:
            headers = came.headers
            on_record(Record(came.subject, came.data, headers.get(SCHEMA_HEADER), headers.get(TRACE_HEADER, "")))

        return _CoreSubscription(await self._client.listen(pattern, deliver))

    async def append(
        self,
        subject: str,
        data: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        expected_last: int | None = None,
        message_id: str | None = None,
    ) -> int:
        fields = dict(headers) if headers else {}
        if expected_last is not None:
            fields[EXPECTED_LAST_HEADER] = str(expected_last)
        if message_id is not None:
            fields[MESSAGE_ID_HEADER] = message_id
        self._must_be_connected(subject)
        try:
            reply = await self._client.ask(subject, data, fields, timeout_s=APPEND_TIMEOUT_S)
        except nats_errors.NoRespondersError:
            raise AppendRefused(f"{subject}: no stream takes this subject") from None
        except nats_errors.OutboundBufferLimitError:
            raise BusUnavailable(f"{subject}: not connected") from None
        except (TimeoutError, nats_errors.Error, OSError) as error:
            if subject.lower() in self._denied:
                raise AppendRefused(f"{subject}: this identity may not publish it") from None
            raise OutcomeUnknown(f"{subject}: {type(error).__name__}, it may or may not be stored") from None
        return _sequence_of(subject, reply.data)

    async def read(self, stream: str, filters: tuple[str, ...], *, after: int) -> AsyncGenerator[list[Record], None]:
        reader = OrderedReader(self._client, self.api, stream, filters, after=after, on_trouble=self._on_trouble)
        self._readers.append(reader)
        try:
            async with contextlib.aclosing(reader.batches()) as batches:
                async for batch in batches:
                    yield batch
        finally:
            self._readers.remove(reader)

    def queue(self, stream: Stream) -> NatsQueue:
        """Where a worker takes what `stream` holds."""
        return NatsQueue(self._client, stream)

    async def last(self, stream: str, subject: str) -> Record | None:
        raw = await self.api(f"STREAM.MSG.GET.{stream}", {"last_by_subj": subject})
        if error := raw.get("error"):
            if error.get("err_code") == NO_MESSAGE_FOUND:
                return None
            raise BusUnavailable(f"{stream} {subject}: {error.get('description')}")
        return record_of(raw["message"])

    async def last_of_each(self, stream: str, pattern: str) -> list[Record]:
        info = await self.api(f"STREAM.INFO.{stream}", {"subjects_filter": pattern})
        if error := info.get("error"):
            raise BusUnavailable(f"stream {stream}: {error.get('description')}")
        found = [await self.last(stream, subject) for subject in info.get("state", {}).get("subjects") or ()]
        return sorted((record for record in found if record), key=lambda record: record.sequence)

    async def state(self, stream: str) -> StreamState:
        info = await self.api(f"STREAM.INFO.{stream}", {})
        if info.get("error"):
            raise BusUnavailable(f"stream {stream}: {info['error'].get('description')}")
        state = info["state"]
        first, last = int(state["first_seq"]), int(state["last_seq"])
        if info["config"].get("sources") and last:
            newest = await self.api(f"STREAM.MSG.GET.{stream}", {"seq": last})
            last = source_sequence_of(newest["message"]) if "message" in newest else 0
        return StreamState(
            epoch=str(info["created"]),
            first_sequence=first,
            last_sequence=last,
            bytes_held=int(state["bytes"]),
            bytes_max=int(info["config"]["max_bytes"]),
            made_ns=time_ns(str(info["created"])),
        )

    async def api(self, request: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One JetStream API request; the reply as JSON, errors included. `BusUnavailable` when nobody answers."""
        subject = f"$JS.API.{request}"
        self._must_be_connected(subject)
        try:
            reply = await self._client.ask(subject, orjson.dumps(body), None, timeout_s=REQUEST_TIMEOUT_S)
        except (TimeoutError, nats_errors.Error, OSError) as error:
            raise BusUnavailable(f"{subject}: {type(error).__name__}") from None
        found: dict[str, Any] = orjson.loads(reply.data)
        return found

    async def may_append(self, subject: str) -> None:
        """Stores nothing; `AppendRefused` where this identity may not publish `subject`, or no stream takes it.

        A denied publish has no answer, so a process asks at its start instead of finding out with an order waiting.
        """
        self._must_be_connected(subject)
        try:
            reply = await self._client.ask(subject, b"", WRONG_STREAM, timeout_s=APPEND_TIMEOUT_S)
        except nats_errors.NoRespondersError:
            raise AppendRefused(f"{subject}: no stream takes this subject") from None
        except (TimeoutError, nats_errors.Error, OSError) as error:
            if subject.lower() in self._denied:
                raise AppendRefused(f"{subject}: this identity may not publish it") from None
            raise BusUnavailable(f"{subject}: {type(error).__name__}") from None
        answer = orjson.loads(reply.data)
        if answer.get("error", {}).get("err_code") != STREAM_NOT_MATCHED:
            raise AppendRefused(f"{subject}: a probe got the answer {answer}")

    def _must_be_connected(self, subject: str) -> None:
        """Asked first, since a request that the client refuses leaves its future behind."""
        if not self._client.is_connected:
            raise BusUnavailable(f"{subject}: not connected")

    async def close(self) -> None:
        """Ends the connection at once; what was appended is stored, what was only published may be lost.

        The client waits for its socket to take what is buffered, which one to a frozen server never does: bounded.
        """
        self._is_closing = True
        if self._watching is not None:
            self._watching.cancel()
        if self._client.is_closed:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await self._client.close()
        except (TimeoutError, OSError, RuntimeError) as error:
            self._tell(f"not closed in good order: {type(error).__name__}: {error}")
        except asyncio.CancelledError:
            # The client ends its tasks first, and one of them may have waited for the same socket: that was cancelled.
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            self._tell("not closed in good order: a task of the client waited for the socket too")


class _CoreSubscription:
    def __init__(self, subscription: NatsSubscription) -> None:
        self._subscription = subscription

    async def stop(self) -> None:
        try:
            await self._subscription.unsubscribe()
        except nats_errors.Error:
            return


def _sequence_of(subject: str, data: bytes) -> int:
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        raise OutcomeUnknown(f"{subject}: the answer is not an acknowledgement") from None
    error = answer.get("error")
    if error is None:
        return int(answer["seq"])
    if error.get("err_code") in LOST_RACE_CODES:
        raise LostRace(f"{subject}: {error.get('description')}")
    raise AppendRefused(f"{subject}: {error.get('description')} ({error.get('err_code')})")
