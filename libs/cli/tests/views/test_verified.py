"""The outcome of verify as a table and as an exit code."""

from __future__ import annotations

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.output import Table
from pitwire.cli.verify import Check, Outcome
from pitwire.cli.views.verified import outcome_reply

HOLDS = Check("I-9", "positions are their fills", holds=True, figure="12 fills")
BROKEN = Check("I-2", "one venue order per id", holds=False, figure="9 orders", detail="ABC twice")


def test_everything_holds_is_exit_code_0() -> None:
    reply = outcome_reply(Outcome((HOLDS,), 0.1))
    assert reply.code is ExitCode.OK
    assert reply.parts[-1] == "everything holds"


def test_one_broken_check_is_exit_code_1_and_is_told_with_its_detail() -> None:
    reply = outcome_reply(Outcome((HOLDS, BROKEN), 0.1))
    assert reply.code is ExitCode.NO
    table = reply.parts[0]
    assert isinstance(table, Table)
    assert [row[2] for row in table.rows] == ["yes", "NO"]
    assert reply.parts[1:] == ("I-2 one venue order per id: ABC twice", "1 of 2 checks do not hold")
