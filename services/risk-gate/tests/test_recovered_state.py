"""Where a start of the gate reads on: behind what is in its snapshot, and before what no ledger record covers yet."""

from __future__ import annotations

from typing import Any

from pitwire.common.clock import NS_PER_S
from pitwire.common.schemas.ledger import MarksRecorded
from pitwire.common.testing.journal import BTC, Journal, mark
from pitwire.risk_gate.handlers.opening import recovered_state

World = Any
"""What the fixture of this name gives: modules of a folder with a hyphen cannot import each other."""


async def test_a_start_reads_on_where_its_snapshot_stands_however_long_execution_has_been_silent(world: World) -> None:
    """A quiet account writes a million marks after its last fill: they are in the state, and not read again."""
    old = await world.desk()
    await world.price("60000")
    for number in range(1, 21):
        world.clock.advance(ns=NS_PER_S)
        await world.ask(number, quantity="0.001")
    await old.gate.save_snapshot()
    restored = await recovered_state(old.shell, "main", "USDT")
    assert restored.cursors.oms_sequence < restored.ledger_sequence - 10
    assert restored.resume_from == restored.ledger_sequence + 1
    again = await world.desk("1")
    assert not again.shell.failures
    assert len(world.verdicts()) == 20


def test_what_no_ledger_record_covers_yet_is_read_again() -> None:
    journal = Journal()
    journal.start()
    covered = journal.state.ledger_sequence
    journal.halt("h1")
    journal.write(MarksRecorded, cursor=covered, marks=(mark(BTC, "100"),))
    assert journal.state.ledger_sequence == covered + 2
    assert journal.state.settled_to == covered
    journal.marks(mark(BTC, "101"))
    assert journal.state.settled_to == journal.state.ledger_sequence
