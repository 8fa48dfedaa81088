"""What `pitwire replay` says of a journal."""

from __future__ import annotations

from libs.cli.tests.verify_world import QUOTES

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.verify.repeated import Repeater
from pitwire.cli.views.replayed import reply
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.testing.journal import ACCOUNT


def test_a_difference_is_told_and_makes_the_exit_code_1() -> None:
    repeater = Repeater(QUOTES, {}, InstrumentRegistry())
    assert reply(repeater).code is ExitCode.OK
    repeater.accounts[ACCOUNT].differing.add("decision at 7")
    found = reply(repeater)
    assert found.code is ExitCode.NO
    assert "decision at 7" in str(found.document)
