"""Which changes of an order's status there are, and the names of what should not have come."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from pitwire.common.enums import OrderStatus


class Step(StrEnum):
    """What can happen to an order, whoever tells it."""

    ACKED = "ACKED"
    PART_FILLED = "PART_FILLED"
    ALL_FILLED = "ALL_FILLED"
    CANCEL_ASKED = "CANCEL_ASKED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    IN_DOUBT = "IN_DOUBT"
    NOT_SENT = "NOT_SENT"


TRANSITIONS_TABLE: Final = """
status           ACKED  PART_FILLED      ALL_FILLED CANCEL_ASKED   CANCELED EXPIRED REJECTED IN_DOUBT NOT_SENT
PENDING_NEW      NEW    PARTIALLY_FILLED FILLED     PENDING_CANCEL CANCELED EXPIRED REJECTED UNKNOWN  NOT_SENT
NEW              =      PARTIALLY_FILLED FILLED     PENDING_CANCEL CANCELED EXPIRED REJECTED UNKNOWN  -
PARTIALLY_FILLED =      =                FILLED     PENDING_CANCEL CANCELED EXPIRED -        UNKNOWN  -
PENDING_CANCEL   =      =                FILLED     =              CANCELED EXPIRED REJECTED UNKNOWN  NOT_SENT
UNKNOWN          NEW    PARTIALLY_FILLED FILLED     =              CANCELED EXPIRED REJECTED =        -
FILLED           =      =                =          =              =        =       -        =        -
CANCELED         =      =                =          =              =        =       -        =        -
EXPIRED          =      =                =          =              =        =       -        =        -
REJECTED         -      -                -          =              -        -       =        =        -
NOT_SENT         -      -                -          =              -        -       -        -        =
"""
"""Every change of status there is. `=` stays as it is; `-` is not allowed: nothing changes and it is flagged.

Terminal states absorb what a late or repeated report may say; what contradicts them is not allowed. Two guards besides:
NOT_SENT is believed only while nothing hints that the venue saw the order; an order that leaves UNKNOWN alive is
PENDING_CANCEL where a cancel had been asked, else PARTIALLY_FILLED where something is booked.
"""


def _parse(table: str) -> dict[OrderStatus, dict[Step, OrderStatus]]:
    header, *rows = (line.split() for line in table.strip().splitlines())
    steps = [Step(name) for name in header[1:]]
    parsed: dict[OrderStatus, dict[Step, OrderStatus]] = {}
    for name, *cells in rows:
        status = OrderStatus(name)
        listed = ((step, cell) for step, cell in zip(steps, cells, strict=True) if cell != "-")
        parsed[status] = {step: status if cell == "=" else OrderStatus(cell) for step, cell in listed}
    return parsed


TRANSITIONS: Final = _parse(TRANSITIONS_TABLE)


class AnomalyCode(StrEnum):
    """What should not have come, though it was handled. Closed; never reused."""

    FILL_AFTER_TERMINAL = "FILL_AFTER_TERMINAL"
    OVERFILL = "OVERFILL"
    MISMATCH = "MISMATCH"
    ILLEGAL_TRANSITION = "ILLEGAL_TRANSITION"
    ALIVE_AFTER_END = "ALIVE_AFTER_END"
    SECOND_SUBMITTING = "SECOND_SUBMITTING"
    SECOND_VENUE_ORDER = "SECOND_VENUE_ORDER"
    EMPTY_FILL = "EMPTY_FILL"
    FEE_WITHOUT_CURRENCY = "FEE_WITHOUT_CURRENCY"
    UNKNOWN_TRADE = "UNKNOWN_TRADE"
    TRADE_REVERSED = "TRADE_REVERSED"
    TRADE_CONFLICT = "TRADE_CONFLICT"
    TRADE_TOO_OLD = "TRADE_TOO_OLD"
    LATE_FILL = "LATE_FILL"
    EXTERNAL_ORDER = "EXTERNAL_ORDER"
    UNAPPROVED_ORDER = "UNAPPROVED_ORDER"

    @property
    def pauses_strategy(self) -> bool:
        """The strategy's picture of its own orders is wrong: it stops until a person has looked."""
        return self in _PAUSING


_PAUSING = frozenset(
    {
        AnomalyCode.OVERFILL,
        AnomalyCode.ALIVE_AFTER_END,
        AnomalyCode.MISMATCH,
        AnomalyCode.SECOND_VENUE_ORDER,
        AnomalyCode.TRADE_TOO_OLD,
        AnomalyCode.UNAPPROVED_ORDER,
    }
)


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One oddity of one order; the shell raises the alert.

    `detail` may become the reason of a pause, so part of a state: numbers in it are spelled by value (`canonical`).
    """

    code: AnomalyCode
    strategy: str
    client_order_id: str
    detail: str
