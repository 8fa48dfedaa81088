"""The fenced writer on the bus in memory: what it wrote, it knows when the reader brings it."""

from __future__ import annotations

from pitwire.common import codec, journal, subjects
from pitwire.common.enums import HaltScope
from pitwire.common.journal import FencedWriter
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.ledger import Halt
from pitwire.common.testing import FakeShell

SUBJECT = subjects.halt("risk-gate")


class Place:
    """The shortest fold there is: where the subject ends."""

    last_sequence = 0

    def written(self, sequence: int, message: Message, data: bytes) -> None:
        self.last_sequence = sequence

    async def folded(self, sequence: int) -> None:
        self.last_sequence = sequence


def halt(number: int) -> Halt:
    return Halt(halt_id=f"h{number}", scope=HaltScope.ALL, reason="a test asks", source="risk-gate")


async def test_an_own_record_is_known_by_its_bytes_once_and_anybody_elses_is_not() -> None:
    writer = FencedWriter(FakeShell().bus, SUBJECT, Place())
    message = halt(1)
    await writer.write(lambda: message)
    assert writer.own(codec.encode(halt(2))) is None
    assert writer.own(codec.encode(message)) is message
    assert writer.own(codec.encode(message)) is None


async def test_what_is_kept_of_own_records_is_bounded_and_the_newest_stay() -> None:
    writer = FencedWriter(FakeShell().bus, SUBJECT, Place())
    for number in range(journal.OWN_MAX + 2):
        await writer.write(lambda number=number: halt(number))  # type: ignore[misc] # the default binds it now
    known = [number for number in range(journal.OWN_MAX + 2) if writer.own(codec.encode(halt(number)))]
    assert known == list(range(2, journal.OWN_MAX + 2))
