"""The ordered pull loop: every record of a stream once, in order, gapless, over restarts of the server.

nats-py's own fetch and ordered consumer lose or hide errors (docs/adr); this loop keeps several pull requests open,
asks for idle heartbeats, checks the consumer's own sequence for gaps, and starts again from its cursor after any doubt.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final

import orjson

from pitwire.common.bus.client import errors as nats_errors
from pitwire.common.bus.link import STATUS_HEADER, Delivery, Link
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_S, random_token
from pitwire.common.codec import SCHEMA_HEADER, TRACE_HEADER
from pitwire.common.errors import BusUnavailable, StreamLost

PULL_BATCH_MAX: Final = 512
PULLS_OPEN_MAX: Final = 2
PULL_EXPIRES_S: Final = 30
HEARTBEAT_S: Final = 1.0
SILENCE_MAX_S: Final = 2.5
"""Two missed heartbeats: the pull is dead, whatever the connection says."""

CONSUMER_IDLE_S: Final = 30
RESTART_WAIT_S: Final = 0.1
LOST_AFTER_S: Final = 2.0
"""A stream that ends before the cursor for so long is not a leader that is still catching up: it has lost records."""

WAITING_MESSAGES_MAX: Final = 8 * PULL_BATCH_MAX
"""Far above what the open pulls can bring; what comes beyond it is dropped and told, and the gap is noticed."""

SOURCE_HEADER: Final = "Nats-Stream-Source"
SENT_HEADER: Final = "Nats-Last-Consumer"
"""On a heartbeat: the place of the newest record sent. What was lost at the end shows in nothing else."""

IDLE_HEARTBEAT: Final = "100"
PULL_ENDED: Final = frozenset({"404", "408"})
ACK_TOKENS_V1: Final = 9
NO_MESSAGE_FOUND: Final = 10037

Api = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]


class _Restart(Exception):
    """Something is in doubt: make a new consumer from the cursor."""


class OrderedReader:
    """One reader of one stream; `batches` runs for ever and never raises for trouble of the server."""

    def __init__(
        self,
        client: Link,
        api: Api,
        stream: str,
        filters: tuple[str, ...],
        *,
        after: int,
        on_trouble: Callable[[str], None],
    ) -> None:
        self._client = client
        self._api = api
        self._stream = stream
        self._filters = filters
        self._cursor = after
        self._on_trouble = on_trouble
        self._arrived: list[Delivery] = []
        self._overflowed = False
        self._loop = asyncio.get_running_loop()
        self._waits_since = 0.0
        self._silence: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._reconnected = False
        self._epoch = ""
        self._behind_since: float | None = None
        self._newest = 0
        self._reached = 0
        """Both in the stream's own sequence, which on a copy is not that of its records."""

    def on_reconnected(self) -> None:
        """The server may have forgotten our pulls: do not wait for the silence to be noticed."""
        self._reconnected = True
        self._wake.set()

    async def batches(self) -> AsyncGenerator[list[Record], None]:
        while True:
            try:
                async with contextlib.aclosing(self._one_consumer()) as batches:
                    async for batch in batches:
                        yield batch
            except (_Restart, BusUnavailable, nats_errors.Error, OSError) as doubt:
                self._on_trouble(f"reader of {self._stream} restarts after {self._cursor}: {doubt}")
                await asyncio.sleep(RESTART_WAIT_S)

    async def _one_consumer(self) -> AsyncGenerator[list[Record], None]:
        inbox = self._client.new_inbox()
        self._arrived, self._reconnected = [], False
        subscription = await self._client.listen(f"{inbox}.*", self._on_delivery)
        name = f"r{random_token()}"
        try:
            pending = await self._create(name)
            is_there = pending == 0 and self._reached >= self._newest
            if is_there:
                yield []
            self._watch_silence()
            async for batch in self._pull(name, inbox, caught_up=is_there):
                yield batch
        finally:
            if self._silence is not None:
                self._silence.cancel()
            with contextlib.suppress(nats_errors.Error, OSError):
                await subscription.unsubscribe()
                self._client.send(f"$JS.API.CONSUMER.DELETE.{self._stream}.{name}", b"")

    async def _create(self, name: str) -> int:
        """Makes the consumer; returns how many records wait for it where it is: that may be a replica that lags."""
        self._newest = await self._newest_of_leader()
        start = await self._start_sequence()
        self._reached = start - 1
        config: dict[str, Any] = {
            "name": name,
            "ack_policy": "none",
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": start,
            "mem_storage": True,
            "num_replicas": 1,
            "inactive_threshold": CONSUMER_IDLE_S * NS_PER_S,
            "filter_subjects": list(self._filters),
        }
        request = f"CONSUMER.CREATE.{self._stream}.{name}"
        answer = await self._api(request, {"stream_name": self._stream, "config": config, "action": "create"})
        if error := answer.get("error"):
            raise _Restart(f"consumer refused: {error.get('description')}")
        return int(answer.get("num_pending", 0))

    async def _start_sequence(self) -> int:
        """The stream's own sequence after the cursor; on a sourced copy the cursor counts in the original."""
        info = await self._api(f"STREAM.INFO.{self._stream}", {})
        if error := info.get("error"):
            raise _Restart(f"no stream: {error.get('description')}")
        if not info["config"].get("sources"):
            self._must_reach_the_cursor(str(info["created"]), int(info["state"]["last_seq"]))
            return self._cursor + 1
        low, high = int(info["state"]["first_seq"]), int(info["state"]["last_seq"]) + 1
        while self._cursor and low < high:
            middle = (low + high) // 2
            answer = await self._api(f"STREAM.MSG.GET.{self._stream}", {"seq": middle, "next_by_subj": ">"})
            if "message" in answer and source_sequence_of(answer["message"]) <= self._cursor:
                low = int(answer["message"]["seq"]) + 1
            else:
                high = middle
        return max(low, 1)

    async def _newest_of_leader(self) -> int:
        """The stream's own sequence of the newest record that fits; 0 where there is none."""
        newest = 0
        for subject in self._filters:
            answer = await self._api(f"STREAM.MSG.GET.{self._stream}", {"last_by_subj": subject})
            if "message" in answer:
                newest = max(newest, int(answer["message"]["seq"]))
            elif answer["error"].get("err_code") != NO_MESSAGE_FOUND:
                raise _Restart(f"no newest record: {answer['error'].get('description')}")
        return newest

    def _must_reach_the_cursor(self, epoch: str, last_sequence: int) -> None:
        """A reader that went on after records were lost would pass over those that take their numbers."""
        if self._epoch not in ("", epoch):
            raise StreamLost(f"{self._stream} was made anew while it was read, at {self._cursor}")
        self._epoch = epoch
        if last_sequence >= self._cursor:
            self._behind_since = None
            return
        now = asyncio.get_running_loop().time()
        self._behind_since = self._behind_since or now
        if now - self._behind_since < LOST_AFTER_S:
            raise _Restart(f"it ends at {last_sequence}")
        raise StreamLost(f"{self._stream} ends at {last_sequence}, but {self._cursor} was read")

    async def _pull(self, name: str, inbox: str, *, caught_up: bool) -> AsyncGenerator[list[Record], None]:
        open_pulls: dict[str, int] = {}
        asked = 0
        delivered = 0
        newest = 0
        while True:
            while len(open_pulls) < PULLS_OPEN_MAX:
                asked += 1
                open_pulls[f"{inbox}.{asked}"] = PULL_BATCH_MAX
                self._ask(name, f"{inbox}.{asked}")
            batch: list[Record] = []
            reply = ""
            for came in await self._take():
                if not came.reply.startswith("$JS.ACK"):
                    self._on_status(came, open_pulls, delivered)
                    continue
                record, consumer_sequence = record_of_delivery(came)
                if consumer_sequence != delivered + 1:
                    raise _Restart(f"gap: delivery {consumer_sequence} after {delivered}")
                delivered = consumer_sequence
                _count_down(open_pulls)
                if record.sequence <= newest:
                    raise StreamLost(f"{self._stream} gives {record.sequence} after {newest}: a copy of two lives")
                newest = record.sequence
                if newest > self._cursor:
                    batch.append(record)
                reply = came.reply
            if not caught_up and reply:
                self._reached = sequence_of(reply)
            if batch:
                yield batch
                self._cursor = batch[-1].sequence
            elif not caught_up:
                self._newest = await self._newest_of_leader()  # what was waited for may have left the stream by its age
            if not caught_up and self._reached >= self._newest and (not batch or batch[-1].pending == 0):
                caught_up = True
                yield []

    def _ask(self, name: str, reply: str) -> None:
        body = {
            "batch": PULL_BATCH_MAX,
            "expires": PULL_EXPIRES_S * NS_PER_S,
            "idle_heartbeat": int(HEARTBEAT_S * NS_PER_S),
        }
        self._client.send(f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{name}", orjson.dumps(body), reply=reply)

    def _watch_silence(self) -> None:
        """One timer for many waits: it comes back when the one that began last would have lasted too long."""
        left_s = self._waits_since + SILENCE_MAX_S - self._loop.time()
        if left_s <= 0:
            self._wake.set()
        self._silence = self._loop.call_later(left_s if left_s > 0 else SILENCE_MAX_S, self._watch_silence)

    def _on_delivery(self, came: Delivery) -> None:
        if len(self._arrived) < WAITING_MESSAGES_MAX:
            self._arrived.append(came)
        elif not self._overflowed:
            self._overflowed = True
            self._on_trouble(
                f"reader of {self._stream} is too slow: what came beyond {WAITING_MESSAGES_MAX} is dropped"
            )
        self._wake.set()

    async def _take(self) -> list[Delivery]:
        if not self._arrived:
            self._wake.clear()
            self._waits_since = self._loop.time()
            await self._wake.wait()
            if not self._arrived and not self._reconnected:
                raise _Restart("no heartbeat")
        if self._reconnected:
            raise _Restart("connection was lost")
        taken, self._arrived, self._overflowed = self._arrived, [], False
        return taken

    @staticmethod
    def _on_status(came: Delivery, open_pulls: dict[str, int], delivered: int) -> None:
        headers = came.headers
        status = headers.get(STATUS_HEADER, "")
        if status == IDLE_HEARTBEAT:
            if (sent := int(headers.get(SENT_HEADER, delivered))) > delivered:
                raise _Restart(f"gap: {sent} were sent, {delivered} came")
            return
        if status in PULL_ENDED:
            open_pulls.pop(came.subject, None)
            return
        raise _Restart(f"status {status} {headers.get('Description', '')}")


def _count_down(open_pulls: dict[str, int]) -> None:
    """The server fills the oldest pull first; one that got its batch is over."""
    oldest = next(iter(open_pulls), None)
    if oldest is None:
        return
    open_pulls[oldest] -= 1
    if open_pulls[oldest] == 0:
        del open_pulls[oldest]


def record_of_delivery(came: Delivery) -> tuple[Record, int]:
    """The record and its place in the consumer's own count, from the acknowledgement subject (v1 or v2)."""
    parts = came.reply.split(".")
    at = 5 if len(parts) == ACK_TOKENS_V1 else 7
    headers = came.headers
    source = headers.get(SOURCE_HEADER)
    record = Record(
        subject=came.subject,
        data=came.data,
        schema=headers.get(SCHEMA_HEADER),
        trace=headers.get(TRACE_HEADER, ""),
        sequence=int(source.split(" ")[1]) if source else int(parts[at]),
        ts_ns=int(parts[at + 2]),
        pending=int(parts[at + 3]),
    )
    return record, int(parts[at + 1])


def sequence_of(reply: str) -> int:
    """The stream's own sequence of a delivery, from its acknowledgement subject (v1 or v2)."""
    parts = reply.split(".")
    return int(parts[5 if len(parts) == ACK_TOKENS_V1 else 7])


def deliveries_of(reply: str) -> int:
    """How often a record was delivered, this time included, from its acknowledgement subject (v1 or v2)."""
    parts = reply.split(".")
    return int(parts[4 if len(parts) == ACK_TOKENS_V1 else 6])


def record_of(message: Mapping[str, Any]) -> Record:
    """A record from the JSON of STREAM.MSG.GET."""
    headers = _headers_of(message)
    source = headers.get(SOURCE_HEADER)
    return Record(
        subject=str(message["subject"]),
        data=base64.b64decode(message.get("data", "")),
        schema=headers.get(SCHEMA_HEADER),
        trace=headers.get(TRACE_HEADER, ""),
        sequence=int(source.split(" ")[1]) if source else int(message["seq"]),
        ts_ns=time_ns(str(message["time"])),
    )


def source_sequence_of(message: Mapping[str, Any]) -> int:
    """The original stream's sequence of a message in a sourced copy."""
    source = _headers_of(message).get(SOURCE_HEADER)
    return int(source.split(" ")[1]) if source else int(message["seq"])


def _headers_of(message: Mapping[str, Any]) -> dict[str, str]:
    lines = base64.b64decode(message.get("hdrs", "")).decode("utf-8", "replace").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, _, value in pairs}


def time_ns(text: str) -> int:
    """RFC 3339 with up to nine digits; datetime holds six, so the fraction is read by hand."""
    whole, _, rest = text.partition(".")
    digits = rest.rstrip("Z") if rest else ""
    seconds = int(datetime.fromisoformat(f"{whole.rstrip('Z')}Z").timestamp())
    return seconds * NS_PER_S + int((digits + "000000000")[:9])
