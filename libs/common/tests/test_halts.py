"""Which halts hold where, and that nothing but a resume that names one ends it."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.common.enums import CancelPolicy, TradingState
from pitwire.common.halts import HALTS_MAX, OVERFLOW_ID, Halts, covers, is_cancelled_by, undecodable_halt
from pitwire.common.schemas.ledger import Halt, Resume


def halt(halt_id: str, scope: str = "ALL", target: str = "", **changed: Any) -> Halt:
    values = {"halt_id": halt_id, "scope": scope, "target": target, "reason": "test", "source": "ops"}
    return Halt.model_validate(values | changed)


def resume(*ids: str) -> Resume:
    return Resume(resume_id="r", cleared=ids, command_id="c", operator="ops", reason="test", ts_ns=1)


# An order of main/momentum for BTC-USDT at sim.
COVERS = """
ALL        -                  yes
ACCOUNT    main               yes
ACCOUNT    other              no
ACCOUNT    -                  yes
STRATEGY   main/momentum      yes
STRATEGY   momentum           yes
STRATEGY   other/momentum     no
STRATEGY   main/reversion     no
STRATEGY   -                  yes
VENUE      sim                yes
VENUE      other              no
INSTRUMENT BTC-USDT.sim       yes
INSTRUMENT BTC-USDT           yes
INSTRUMENT BTC-USDT.other     no
INSTRUMENT ETH-USDT.sim       no
"""


@pytest.mark.parametrize("row", COVERS.strip().splitlines())
def test_a_halt_covers_its_scope_and_without_a_target_everything(row: str) -> None:
    scope, target, wanted = row.split()
    found = covers(
        halt("h", scope, "" if target == "-" else target),
        account="main",
        strategy="momentum",
        venue="sim",
        instrument_id="BTC-USDT.sim",
    )
    assert found is (wanted == "yes")


def test_the_strictest_halt_wins_and_all_that_cover_are_named() -> None:
    halts = Halts()
    halts.add(halt("a", "ACCOUNT", "main", state="REDUCING"))
    halts.add(halt("b", "INSTRUMENT", "BTC-USDT.sim"))
    halts.add(halt("c", "VENUE", "other"))
    assert halts.state_for("main", "momentum", "sim", "BTC-USDT.sim") == (TradingState.HALTED, ("a", "b"))
    assert halts.state_for("main", "momentum", "sim", "ETH-USDT.sim") == (TradingState.REDUCING, ("a",))
    assert halts.state_for("other", "momentum", "sim", "ETH-USDT.sim") == (TradingState.ACTIVE, ())


def test_only_a_resume_that_names_a_halt_ends_it() -> None:
    """I-21: halts latch."""
    halts = Halts()
    halts.add(halt("a"))
    halts.add(halt("b"))
    assert [h.halt_id for h in halts.clear(resume("a", "never-was"))] == ["a"]
    assert list(halts.active) == ["b"]
    assert halts.state_for("main")[0] is TradingState.HALTED


def test_a_resume_does_not_end_a_halt_that_comes_after_it() -> None:
    halts = Halts()
    halts.clear(resume("a"))
    halts.add(halt("a"))
    assert len(halts) == 1


def test_a_repeated_id_never_loosens_a_halt() -> None:
    halts = Halts()
    halts.add(halt("a", state="HALTED"))
    halts.add(halt("a", state="REDUCING"))
    assert halts.state_for("main")[0] is TradingState.HALTED


def test_one_id_with_two_scopes_halts_all() -> None:
    halts = Halts()
    halts.add(halt("a", "VENUE", "other"))
    halts.add(halt("a", "VENUE", "sim"))
    assert halts.state_for("any", "any", "third", "X-Y.third")[0] is TradingState.HALTED


def test_a_halt_that_cannot_be_read_halts_all_and_can_be_resumed() -> None:
    halts = Halts()
    halts.add(undecodable_halt(42))
    assert halts.state_for("main") == (TradingState.HALTED, ("undecodable-42",))
    halts.clear(resume("undecodable-42"))
    assert halts.state_for("main")[0] is TradingState.ACTIVE


def test_a_flood_of_halts_is_bounded_and_halts_all() -> None:
    halts = Halts()
    for number in range(HALTS_MAX + 5):
        halts.add(halt(f"h{number}", "VENUE", "other"))
    assert len(halts) == HALTS_MAX + 1
    assert halts.state_for("main") == (TradingState.HALTED, (OVERFLOW_ID,))


def test_halts_come_back_from_a_snapshot() -> None:
    halts = Halts()
    halts.add(halt("a", "STRATEGY", "main/momentum", state="REDUCING", cancel="ALL"))
    halts.add(undecodable_halt(7))
    again = Halts.restore(halts.snapshot())
    assert dict(again.active) == dict(halts.active)


@pytest.mark.parametrize(
    ("policy", "protective", "cancelled"),
    [
        ("NON_PROTECTIVE", False, True),
        ("NON_PROTECTIVE", True, False),
        ("ALL", True, True),
        ("ALL", False, True),
        ("NONE", False, False),
        ("NONE", True, False),
    ],
)
def test_which_working_orders_a_halt_cancels(policy: str, protective: bool, cancelled: bool) -> None:
    assert is_cancelled_by(halt("a", cancel=CancelPolicy(policy)), is_protective=protective) is cancelled
