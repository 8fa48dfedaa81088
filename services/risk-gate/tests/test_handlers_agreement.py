"""The gate on the bus in memory while the processes around it are of one deployment, or not."""

from __future__ import annotations

from typing import Any

from pitwire.common import subjects
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import AlertSeverity, DenialCode
from pitwire.common.schemas.ledger import Approved, CancelApproved, Denied, RiskDecision
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
