"""What `pitwire replay` says of a journal."""

from __future__ import annotations

from libs.cli.tests.verify_world import QUOTES

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.verify.repeated import Repeater
from pitwire.cli.verify.strategies_repeated import Decided
from pitwire.cli.views.replayed import Strategies, reply
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.testing.journal import ACCOUNT


def test_a_difference_is_told_and_makes_the_exit_code_1() -> None:
    repeater = Repeater(QUOTES, {}, InstrumentRegistry())
    strategies = Strategies({"momentum": Decided()}, ("process 0.a: lost",))
    assert reply(repeater, strategies).code is ExitCode.OK
    strategies.decided["momentum"].differing.add("intent 7")
    assert "intent 7" in str(reply(repeater, strategies).document)
    assert reply(repeater, strategies).code is ExitCode.NO
    repeater.accounts[ACCOUNT].differing.add("decision at 7")
    found = reply(repeater, Strategies({}))
    assert found.code is ExitCode.NO
    assert "decision at 7" in str(found.document)
