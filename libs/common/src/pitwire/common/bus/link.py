"""nats-py's client with a way of its own for messages: handed on where they are read, written where they are sent.

The library takes every message through a queue and a task of its subscription, and every publish through a task that
flushes: half of what the bus costs an order (docs/adr). Connecting, reconnecting, pings and permissions stay its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from typing_extensions import override

from pitwire.common.bus.client import Client, Parser, Subscription, errors

CRLF: Final = b"\r\n"
HEADER_LINE: Final = b"NATS/1.0\r\n"
STATUS_HEADER: Final = "Status"
DESCRIPTION_HEADER: Final = "Description"
NO_RESPONDERS: Final = "503"

LINE_MAX: Final = 65_536
"""Bytes of one line of the protocol: the server's own description is the longest there is."""

UNSENT_BYTES_MAX: Final = 64 * 1024 * 1024
"""What may wait for the socket of a server that does not read; beyond it publishing fails at once."""

NEWLINES: Final = str.maketrans("\r\n", "  ")
"""A header's value ends no line, as with the library."""

NAMES_CACHED_MAX: Final = 4_096
MESSAGE_WORDS: Final = {b"MSG": 4, b"HMSG": 5}
"""Words on the line of a message that names no reply."""


@dataclass(slots=True)
class Delivery:
    """One message as it came."""

    subject: str
    reply: str
    data: bytes
    headers: dict[str, str]


Handler = Callable[[Delivery], None]


class Link(Client):
    """One connection. What is sent while it is down fails at once: nothing is kept to land late."""

    def __init__(self) -> None:
        super().__init__()
        self.parser = _Parser(self)
        self.handlers: dict[int, Handler] = {}
        self._ps = self.parser
        self._answers: dict[str, asyncio.Future[Delivery]] = {}
        self._answers_to = ""
        self._asked = 0

    @property
    def answers_awaited(self) -> int:
        """Requests whose answer is outstanding."""
        return len(self._answers)

    async def listen(self, pattern: str, handler: Handler) -> Subscription:
        """`handler` gets each message where it is read: it must return at once. What it raises is told as trouble."""
        self.handlers[self._sid + 1] = handler
        return await self.subscribe(pattern, cb=_handed_on_already)

    async def listen_for_answers(self) -> None:
        """Once, when connected: from then on `ask` may be used."""
        self._answers_to = f"{self.new_inbox()}."
        await self.listen(f"{self._answers_to}*", self._on_answer)

    async def ask(self, subject: str, data: bytes, headers: Mapping[str, str] | None, *, timeout_s: float) -> Delivery:
        """The first answer; `TimeoutError` when none came, `NoRespondersError` when nobody hears the subject."""
        loop = asyncio.get_running_loop()
        self._asked += 1
        number = str(self._asked)
        answer: asyncio.Future[Delivery] = loop.create_future()
        timer = loop.call_later(timeout_s, _give_up, answer)
        self._answers[number] = answer
        try:
            self.send(subject, data, headers, reply=self._answers_to + number)
            found = await answer
        finally:
            timer.cancel()
            del self._answers[number]
        if found.headers.get(STATUS_HEADER) == NO_RESPONDERS:
            raise errors.NoRespondersError
        return found

    def send(self, subject: str, data: bytes, headers: Mapping[str, str] | None = None, *, reply: str = "") -> None:
        """Writes to the socket, after everything that the library has waiting for it."""
        self._must_take(len(data))
        sent = command(subject, data, headers, reply=reply)
        if self._pending:
            sent = b"".join((*self._pending, sent))
            self._pending, self._pending_data_size = [], 0
        transport: Any = self._transport
        transport.write(sent)

    def _must_take(self, size: int) -> None:
        if self.is_closed:
            raise errors.ConnectionClosedError
        if size > self.max_payload:
            raise errors.MaxPayloadError
        transport: Any = self._transport
        writer = getattr(transport, "_io_writer", None)
        if not self.is_connected or writer is None or writer.is_closing():
            raise errors.OutboundBufferLimitError
        if writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            raise errors.OutboundBufferLimitError

    async def deliver(self, sid: int, subject: bytes, reply: bytes, data: bytes, head: bytes) -> None:
        """One message to who listens for it; the library's own subscriptions get theirs as always."""
        handler = self.handlers.get(sid)
        if handler is None:
            await self._process_msg(sid, subject, reply, data, head)
            return
        try:
            handler(Delivery(subject.decode(), reply.decode(), data, headers_of(head) if head else {}))
        except Exception as error:  # noqa: BLE001 - one message that is handled badly must not end the reading of all
            await self._error_cb(error)

    def _on_answer(self, delivery: Delivery) -> None:
        answer = self._answers.get(delivery.subject[len(self._answers_to) :])
        if answer is not None and not answer.done():
            answer.set_result(delivery)

    @override
    def _remove_sub(self, sid: int, max_msgs: int = 0) -> None:
        self.handlers.pop(sid, None)
        super()._remove_sub(sid, max_msgs)


class _Parser(Parser):
    """Finds messages by position; every other line is the library's to read."""

    nc: Link
    _rest = b""
    _resets = 0

    @override
    def reset(self) -> None:
        super().reset()
        self._rest = b""
        self._resets += 1

    @override
    async def parse(self, data: bytes = b"") -> None:
        """Takes what came from the socket. A reset meanwhile means another socket: what is left of this is dropped."""
        read, at, resets = self._rest + data, 0, self._resets
        self._rest = b""
        while (end := read.find(CRLF, at)) >= 0:
            words = read[at:end].split()
            kind = words[0] if words else b""
            if kind in MESSAGE_WORDS:
                after = self._message_end(words, end)
                if after + len(CRLF) > len(read):
                    break
                await self._take(words, read[end + len(CRLF) : after])
                at = after + len(CRLF)
            else:
                at, line = end + len(CRLF), read[at : end + len(CRLF)]
                await super().parse(line)
            if self._resets != resets:
                return
        self._rest = read[at:]
        if end < 0 and len(self._rest) > LINE_MAX:
            raise errors.ProtocolError(f"nats: a line of more than {LINE_MAX} bytes")

    @staticmethod
    def _message_end(words: list[bytes], end: int) -> int:
        if not 0 <= len(words) - MESSAGE_WORDS[words[0]] <= 1 or not words[-1].isdigit() or not words[2].isdigit():
            raise errors.ProtocolError("nats: malformed message")
        return end + len(CRLF) + int(words[-1])

    async def _take(self, words: list[bytes], content: bytes) -> None:
        reply = words[3] if len(words) > MESSAGE_WORDS[words[0]] else b""
        head = int(words[-2]) if words[0] == b"HMSG" else 0
        await self.nc.deliver(int(words[2]), words[1], reply, content[head:], content[:head])


async def _handed_on_already(_: object) -> None:
    """The library wants a callback; nothing ever reaches it."""


def _give_up(answer: asyncio.Future[Delivery]) -> None:
    if not answer.done():
        answer.set_exception(TimeoutError())


def headers_of(head: bytes) -> dict[str, str]:
    """The headers of one message; an inline status is one of them."""
    first, *lines = head.decode("utf-8", "replace").split("\r\n")
    found: dict[str, str] = {}
    _, _, status = first.partition(" ")
    if status:
        code, _, description = status.strip().partition(" ")
        found = {STATUS_HEADER: code, DESCRIPTION_HEADER: description}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            found[name.strip()] = value.strip()
    return found


def command(subject: str, data: bytes, headers: Mapping[str, str] | None, *, reply: str = "") -> bytes:
    """A publish on the wire. `BadSubjectError` and `BadHeaderError` for what would be read as something else."""
    to = b"%b %b" % (_subject(subject), reply.encode()) if reply else _subject(subject)
    if not headers:
        return b"PUB %b %d\r\n%b\r\n" % (to, len(data), data)
    lines = [HEADER_LINE]
    for name, value in headers.items():
        lines.append(_name(name))
        lines.append(value.strip().translate(NEWLINES).encode())
        lines.append(CRLF)
    lines.append(CRLF)
    head = b"".join(lines)
    return b"HPUB %b %d %d\r\n%b%b\r\n" % (to, len(head), len(head) + len(data), head, data)


@lru_cache(maxsize=NAMES_CACHED_MAX)
def _subject(subject: str) -> bytes:
    """On the wire; an empty one or white space in it would be another command."""
    if not subject or any(character.isspace() for character in subject):
        raise errors.BadSubjectError
    return subject.encode()


@lru_cache(maxsize=NAMES_CACHED_MAX)
def _name(name: str) -> bytes:
    """A header's name and its colon on the wire."""
    if not name or not name.isascii() or not name.isprintable() or any(each in name for each in " :"):
        raise errors.BadHeaderError(name)
    return f"{name}: ".encode()
