"""Which halts hold, from the journal alone: cleared ones do not, unreadable ones halt all."""

from __future__ import annotations

from typing import Any

from pitwire.common import codec, subjects
from pitwire.common.active_halts import active_halts
from pitwire.common.bus.memory import MemoryBus, MemoryServer
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.ledger import Halt, Resume


async def add(bus: MemoryBus, subject: str, message: Message) -> None:
    await bus.append(subject, codec.encode(message), codec.headers_for(message))


def halt(halt_id: str, **changed: Any) -> Halt:
    return Halt.model_validate({"halt_id": halt_id, "reason": "test", "source": "operator", "scope": "ALL"} | changed)


async def test_what_was_resumed_holds_no_longer_and_what_cannot_be_read_holds() -> None:
    bus = MemoryBus(MemoryServer())
    await add(bus, subjects.halt("operator"), halt("h1"))
    await add(bus, subjects.halt("risk-gate"), halt("h2", scope="ACCOUNT", target="main"))
    resume = Resume(resume_id="r", cleared=("h1",), command_id="c", operator="operator", reason="test", ts_ns=1)
    await add(bus, subjects.RESUME, resume)
    at = await bus.append(subjects.halt("operator"), b"no halt")
    assert list((await active_halts(bus)).active) == ["h2", f"undecodable-{at}"]


async def test_a_journal_without_halts_has_none() -> None:
    assert not (await active_halts(MemoryBus(MemoryServer()))).active
