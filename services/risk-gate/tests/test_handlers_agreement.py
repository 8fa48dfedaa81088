"""The gate on the bus in memory while the processes around it are of one deployment, or not."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.common import subjects
from pitwire.common.agreement import BUILD
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import AlertSeverity, DenialCode
from pitwire.common.leases import LeadershipLost
from pitwire.common.schemas.ledger import Approved, CancelApproved, Denied, LeaderChanged, RiskDecision
from pitwire.common.schemas.orders import CancelIntent

World = Any
"""What the fixture of this name gives: modules of a folder with a hyphen cannot import each other."""


async def test_nothing_but_cancels_is_approved_while_processes_disagree(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    await world.ask(1)
    (approved,) = world.verdicts()
    assert isinstance(approved, Approved)
    await world.beat("market-data", config_hash="new")
    await world.beat("execution", config_hash="old")
    await desk.agreement.tell()
    await world.ask(2)
    message = CancelIntent(
        account="main",
        strategy="momentum",
        intent_no=3,
        valid_until_ns=world.clock.wall_ns() + NS_PER_S,
        ts_ns=world.clock.wall_ns(),
        orig_client_order_id=approved.client_order_id,
    )
    await world.send(subjects.intent("main", "momentum"), message)
    decisions = [event for event in world.ledger() if isinstance(event, RiskDecision)]
    denied, cancel = (verdict for event in decisions[1:] for verdict in event.verdicts)
    assert isinstance(denied, Denied)
    assert (denied.code, denied.detail) == (DenialCode.DISAGREEMENT, "execution 0 (no build): other configuration")
    assert isinstance(cancel, CancelApproved)
    assert [code for _, code, _ in desk.shell.alerts] == ["DISAGREEMENT"]


async def test_orders_pass_again_once_the_odd_process_is_not_heard_any_more(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    await world.beat("execution", config_hash="old")
    world.clock.advance(ns=2 * NS_PER_S)
    await world.beat("market-data", config_hash="new")
    await desk.agreement.tell()
    world.clock.advance(ns=NS_PER_S)
    await desk.agreement.tell()
    await desk.agreement.tell()
    await world.price("60000")
    await world.ask(1)
    assert isinstance(world.verdicts()[0], Approved)
    assert [severity for severity, _, _ in desk.shell.alerts] == [AlertSeverity.CRITICAL, AlertSeverity.INFO]


async def test_a_gate_of_another_build_that_takes_over_ends_the_one_before(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where two may lead at once, as gates of one build do: two releases never decide on one ledger by turns."""
    old = await world.desk("old")
    await world.price("60000")
    await world.ask(1)
    monkeypatch.setattr("pitwire.risk_gate.handlers.opening.BUILD", "9.9.9")
    new = await world.desk("new")
    monkeypatch.undo()
    await world.price("60000")
    await world.ask(2)
    assert [type(failure) for failure in old.shell.failures] == [LeadershipLost]
    assert str(old.shell.failures[0]) == f"main is led by new of build 9.9.9, not {BUILD}"
    assert not new.shell.failures
    records = world.ledger()
    led = [record for record in records if isinstance(record, LeaderChanged)]
    assert [record.build for record in led] == [BUILD, "9.9.9"]
    assert {record.epoch for record in records[records.index(led[1]) :]} == {led[1].epoch}
    assert [type(verdict) for verdict in world.verdicts()] == [Approved, Approved]


async def test_gates_of_one_build_may_take_turns(world: World) -> None:
    first = await world.desk("a")
    second = await world.desk("b")
    await world.price("60000")
    await world.ask(1)
    assert [*first.shell.failures, *second.shell.failures] == []
