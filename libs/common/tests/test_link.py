"""The way of messages through the link, without a server: what came in whichever pieces, and what goes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitwire.common.bus.client import errors
from pitwire.common.bus.link import LINE_MAX, Delivery, Link, command, headers_of

PIECES = st.lists(st.integers(1, 40), min_size=1, max_size=60)


class Heard:
    """A link that was never connected, with one listener."""

    def __init__(self) -> None:
        self.link = Link()
        self.came: list[Delivery] = []
        self.link.handlers[1] = self.came.append

    async def read(self, *pieces: bytes) -> None:
        for piece in pieces:
            await self.link.parser.parse(piece)


def message(subject: str, data: bytes, *, reply: str = "", headers: dict[str, str] | None = None) -> bytes:
    """What the server sends for what a publisher sent: its command with the number of the subscription."""
    line, _, rest = command(subject, data, headers, reply=reply).partition(b"\r\n")
    kind, name, *others = line.split()
    words = [b"HMSG" if kind == b"HPUB" else b"MSG", name, b"1", *others]
    return b" ".join(words) + b"\r\n" + rest


STREAM = (
    message("md.a", b"one")
    + b"+OK\r\n"
    + message(
        "md.b", b"two\r\nMSG md.c 1 3\r\n", reply="_INBOX.1", headers={"Schema": "Quote/1", "traceparent": "00-1"}
    )
    + b"PONG\r\n"
    + message("md.c", b"", headers={"Schema": "Trade/1"})
    + message("md.d", b"\x00\xff")
)


@given(PIECES)
async def test_messages_come_the_same_in_whichever_pieces_the_socket_brings_them(sizes: list[int]) -> None:
    heard, at = Heard(), 0
    while at < len(STREAM):
        for size in sizes:
            await heard.read(STREAM[at : at + size])
            at += size
    assert heard.came == [
        Delivery("md.a", "", b"one", {}),
        Delivery("md.b", "_INBOX.1", b"two\r\nMSG md.c 1 3\r\n", {"Schema": "Quote/1", "traceparent": "00-1"}),
        Delivery("md.c", "", b"", {"Schema": "Trade/1"}),
        Delivery("md.d", "", b"\x00\xff", {}),
    ]


@pytest.mark.parametrize(
    "line", [b"MSG md.a 1\r\n", b"MSG md.a x 3\r\n", b"HMSG md.a 1 r 5 -3\r\n", b"MSG a 1 r 3 4\r\n", b"NONSENSE\r\n"]
)
async def test_a_line_that_is_no_message_and_nothing_else_is_an_error_of_the_protocol(line: bytes) -> None:
    with pytest.raises(errors.ProtocolError):
        await Heard().read(line)


async def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    heard = Heard()
    with pytest.raises(errors.ProtocolError):
        await heard.read(*(b"x" * 1_000 for _ in range(LINE_MAX // 1_000 + 2)))


async def test_what_is_left_of_one_socket_never_meets_the_next() -> None:
    heard = Heard()
    await heard.read(message("md.a", b"half")[:-4])
    heard.link.parser.reset()
    await heard.read(message("md.b", b"whole"))
    assert [each.subject for each in heard.came] == ["md.b"]


def test_a_status_and_headers_may_come_together() -> None:
    head = b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\n\r\n"
    assert headers_of(head) == {"Status": "100", "Description": "Idle Heartbeat", "Nats-Last-Consumer": "7"}
    assert headers_of(b"NATS/1.0 503\r\n\r\n")["Status"] == "503"


def test_no_header_ends_its_line_and_no_name_or_subject_is_another_command() -> None:
    sent = command("md.a", b"x", {"Schema": "a\r\nPUB b 0\r\n"})
    assert headers_of(sent.partition(b"\r\n")[2][: -len(b"x\r\n")]) == {"Schema": "a  PUB b 0"}
    for name in ("", "a b", "a:b", "a\r\nb"):
        with pytest.raises(errors.BadHeaderError):
            command("md.a", b"x", {name: "v"})
    for subject in ("", "a b", "a\r\nPUB b 0"):
        with pytest.raises(errors.BadSubjectError):
            command(subject, b"x", {})


def test_nothing_is_sent_without_a_connection() -> None:
    with pytest.raises(errors.OutboundBufferLimitError):
        Link().send("md.a", b"x")
