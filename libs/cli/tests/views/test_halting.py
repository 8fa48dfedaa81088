"""What the options of halt and resume mean."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitwire.cli.views.halting import choose, describe, halts_table, scope_of
from pitwire.common.config import load_config
from pitwire.common.enums import HaltScope
from pitwire.common.errors import UsageError
from pitwire.common.schemas.ledger import Halt

CONFIG = load_config(Path(__file__).parents[4] / "pitwire.toml")


def halt(halt_id: str, scope: HaltScope = HaltScope.ALL, target: str = "") -> Halt:
    return Halt(halt_id=halt_id, scope=scope, target=target, reason="r", source="operator")


ACTIVE = (halt("a"), halt("b", HaltScope.VENUE, "sim"), halt("c", HaltScope.ACCOUNT, "main"))


@pytest.mark.parametrize(
    ("given", "scope", "target"),
    [
        ({}, HaltScope.ALL, ""),
        ({"ACCOUNT": "main"}, HaltScope.ACCOUNT, "main"),
        ({"STRATEGY": "momentum"}, HaltScope.STRATEGY, "main/momentum"),
        ({"STRATEGY": "main/momentum"}, HaltScope.STRATEGY, "main/momentum"),
        ({"STRATEGY": "manual"}, HaltScope.STRATEGY, "main/manual"),
        ({"VENUE": "sim"}, HaltScope.VENUE, "sim"),
        ({"INSTRUMENT": "BTC-USDT.sim", "VENUE": ""}, HaltScope.INSTRUMENT, "BTC-USDT.sim"),
    ],
)
def test_scope_follows_from_the_one_option_given(given: dict[str, str], scope: HaltScope, target: str) -> None:
    assert scope_of(given, CONFIG) == (scope, target)


@pytest.mark.parametrize("given", [{"ACCOUNT": "nobody"}, {"STRATEGY": "x"}, {"VENUE": "x"}, {"INSTRUMENT": "BTCUSDT"}])
def test_a_halt_of_something_that_is_not_there_is_refused_with_what_is(given: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="known: "):
        scope_of(given, CONFIG)


def test_two_scopes_are_refused() -> None:
    with pytest.raises(UsageError, match="give one scope"):
        scope_of({"ACCOUNT": "main", "VENUE": "sim"}, CONFIG)


def test_resume_without_a_name_takes_every_halt_of_the_scope() -> None:
    assert choose(ACTIVE, (), HaltScope.ALL, "") == ACTIVE
    assert [h.halt_id for h in choose(ACTIVE, (), HaltScope.VENUE, "sim")] == ["b"]
    assert choose(ACTIVE, (), HaltScope.VENUE, "other") == ()


def test_resume_by_name_takes_those_and_no_others() -> None:
    assert [h.halt_id for h in choose(ACTIVE, ("c", "a"), HaltScope.ALL, "")] == ["c", "a"]


def test_resume_of_a_halt_that_does_not_hold_is_refused() -> None:
    with pytest.raises(UsageError, match="not active: z; active: a, b, c"):
        choose(ACTIVE, ("a", "z"), HaltScope.ALL, "")


def test_halts_are_shown_with_scope_and_target() -> None:
    assert halts_table(ACTIVE).rows[1][:3] == ("b", "VENUE", "sim")
    assert describe(HaltScope.ALL, "") == "everything"
