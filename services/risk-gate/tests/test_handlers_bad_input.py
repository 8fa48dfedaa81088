"""What the gate cannot read is set aside whole, wherever it comes from, and the gate decides on."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.common import subjects
from pitwire.common.enums import CommandVerb
from pitwire.common.schemas.ledger import Approved
from pitwire.common.testing.hands import BTC

World = Any
"""What the fixture of this name gives: modules of a folder with a hyphen cannot import each other."""

NONSENSE = b'{"quantity": NaN'


async def still_decides(world: World) -> bool:
    await world.price("60000")
    await world.ask(1)
    return isinstance(world.verdicts()[-1], Approved)


@pytest.mark.parametrize(
    "subject", [subjects.quote(BTC), subjects.candle(BTC, "1m"), subjects.heartbeat("execution", "0")]
)
async def test_an_unreadable_message_of_the_moment_is_set_aside(world: World, subject: str) -> None:
    desk = await world.desk()
    await world.hands.bus.publish(subject, NONSENSE, {"Schema": "Quote/1"})
    await desk.shell.settle()
    assert [(record.subject, record.data) for record, _ in desk.shell.quarantined] == [(subject, NONSENSE)]
    assert await still_decides(world)


@pytest.mark.parametrize(
    "subject",
    [subjects.instrument("XRP-USDT.sim"), subjects.command("ops", "risk-gate", CommandVerb.PAUSE.value)],
)
async def test_an_unreadable_stored_message_is_set_aside(world: World, subject: str) -> None:
    desk = await world.desk()
    await world.hands.bus.append(subject, NONSENSE, {"Schema": "Command/1"})
    await desk.shell.settle()
    assert [(record.subject, record.data) for record, _ in desk.shell.quarantined] == [(subject, NONSENSE)]
    assert await still_decides(world)
