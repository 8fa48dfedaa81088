"""Where things come from: an order that cannot be, a fill of nobody, an effect nobody commanded, two builds at once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from libs.cli.tests.verify_world import SECOND_NS, System, changed, healthy, heartbeat, instrument

from pitwire.cli.verify.check import Check
from pitwire.cli.verify.invariants import INVARIANTS
from pitwire.cli.verify.trail import ALIVE_NS
from pitwire.common.enums import CommandVerb

ROOT = Path(__file__).parents[3]


def check_of(system: System, name: str) -> Check:
    return system.checks()[name]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("tick_size", Decimal(7), "price"),
        ("lot_size", Decimal("0.3"), "lot"),
        ("min_quantity", Decimal("1.5"), "allowed"),
        ("max_quantity", Decimal("1.5"), "allowed"),
        ("min_notional", Decimal(150), "at least"),
    ],
)
def test_an_order_that_the_instrument_does_not_allow_is_named(field: str, value: Decimal, told: str) -> None:
    system = healthy()
    system.rows["instruments"] = [instrument()]
    good = check_of(system, "I-15")
    assert (good.holds, good.figure) == (True, "3 orders")
    system.rows["instruments"] = [instrument(**{field: value})]
    assert told in check_of(system, "I-15").detail


def test_an_instrument_defined_later_says_nothing_about_earlier_orders() -> None:
    system = healthy()
    system.rows["instruments"] = [instrument(lot_size=Decimal(7), defined_ns=2**62)]
    assert check_of(system, "I-15") == Check("I-15", check_of(system, "I-15").name, True, "0 orders")


def test_a_fill_that_leads_nowhere_is_named() -> None:
    system = healthy()
    system.rows["orders"] = []
    assert "no order" in check_of(system, "I-40").detail
    system = healthy()
    system.rows["fills"][0]["strategy"] = "other"
    assert "is booked to other" in check_of(system, "I-40").detail
    system = healthy()
    system.rows["fills"][0]["oms_sequence"] = 1
    assert "before its order" in check_of(system, "I-40").detail


def test_an_effect_without_its_command_is_named() -> None:
    system = healthy()
    (command,) = system.commands.values()
    assert check_of(system, "I-36").figure == "1 effects"
    for wrong, told in (
        ({}, "nobody gave"),
        ({"c1": command.model_copy(update={"verb": CommandVerb.PAUSE})}, "was to pause"),
        ({"c1": command.model_copy(update={"expires_ns": 1})}, "had expired"),
    ):
        system.commands = wrong
        assert told in check_of(system, "I-36").detail


def test_a_command_that_took_effect_twice_is_named() -> None:
    system = healthy()
    (resume,) = [record for record in system.records if record.subject == "oms.resume"]
    last = system.records[-1].sequence + 1
    system.records.append(replace(changed(resume, resume_id="r2"), sequence=last))
    assert "already" in check_of(system, "I-36").detail


def test_processes_that_disagree_are_named_while_they_live() -> None:
    system = healthy()
    assert check_of(system, "I-38").figure == "2 processes"
    system.heartbeats.append(heartbeat("strategy", config_hash="d"))
    assert "config_hash differs: execution.0 c, strategy.0 d" in check_of(system, "I-38").detail
    system.heartbeats[0] = heartbeat("risk-gate", ts_ns=SECOND_NS + ALIVE_NS + 1)
    system.heartbeats[1] = heartbeat("execution", ts_ns=SECOND_NS + ALIVE_NS + 1)
    assert check_of(system, "I-38").holds


def test_every_invariant_is_watched_and_every_check_watches_one() -> None:
    assert list(INVARIANTS) == [f"I-{number}" for number in range(1, 41)]
    assert {name for found in INVARIANTS.values() for name in found.checks} | {"READY"} == {
        *healthy().checks(),
        "READY",
    }
    for name, found in INVARIANTS.items():
        assert found.checks or found.tests, name
        assert all((ROOT / test).is_file() for test in found.tests), name
