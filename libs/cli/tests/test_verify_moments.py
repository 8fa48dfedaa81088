"""The venue is asked before the journal is read to its end: what happened in between is no violation."""

from __future__ import annotations

import dataclasses

from libs.cli.tests.verify_world import System, healthy

from pitwire.common.enums import ExecType
from pitwire.common.schemas.execution import ExecReport


def cancelled_since() -> tuple[System, int]:
    """The venue still has an order that the journal has cancelled, and the sequence of that cancel."""
    system = healthy()
    place = next(number for number, order in enumerate(system.orders) if order.status == "CANCELED")
    order = system.orders[place]
    system.orders[place] = dataclasses.replace(order, status="PARTIALLY_FILLED", is_working=True)
    cancel = next(
        entry.sequence
        for entry in system.journal.entries
        if isinstance(entry.event, ExecReport)
        and entry.event.exec_type is ExecType.CANCELED
        and entry.event.client_order_id == order.client_order_id
    )
    return system, cancel


def test_an_order_that_ended_after_the_venue_was_asked_may_have_worked_then() -> None:
    system, cancel = cancelled_since()
    system.venue_asked_after = cancel - 1
    assert not {"I-6", "I-17"} & set(system.violated())


def test_an_order_that_had_ended_before_works_there_against_the_journal() -> None:
    system, cancel = cancelled_since()
    system.venue_asked_after = cancel
    assert {"I-6", "I-17"} <= set(system.violated())
