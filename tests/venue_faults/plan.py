"""Which fault meets which order in which phase of its life: every pair of the three at least once."""

from __future__ import annotations

import random
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

from pitwire.common.enums import OrderType, Side, TimeInForce

Wish = dict[str, Any]
HEAL = "heal"
"""A step of a fault that comes `HEAL_AFTER_S` later."""


class Fault(NamedTuple):
    """What the venue is asked to do wrong, and what ends it where it does not end by itself."""

    name: str
    wish: Wish
    healing: Wish | None = None


class Phase(StrEnum):
    """When the fault strikes."""

    BEFORE = "before it is sent"
    IN_FLIGHT = "in flight"
    WORKING = "working or done"
    CANCEL = "before its cancel"
    CANCELING = "cancel under way"


FAULTS = (
    Fault("none", {}),
    Fault("answer lost", {"kind": "lose_answer"}),
    *(Fault(f"{status}, carried out", {"kind": "unknown_answer", "status": status}) for status in (500, 502, 503, 504)),
    *(
        Fault(f"{status}, not carried out", {"kind": "unknown_answer", "status": status, "executed": False})
        for status in (500, 504)
    ),
    Fault("answer late", {"kind": "delay_answer", "ms": 300}),
    Fault("events twice", {"kind": "duplicate_events", "count": 2}),
    Fault("events late", {"kind": "late_events", "ms": 300, "count": 2}),
    Fault("events in the wrong order", {"kind": "reorder_events", "count": 2}),
    Fault("connections reset", {"kind": "drop", "mode": "hard", "who": "ws_api"}),
    Fault("connections closed", {"kind": "drop", "mode": "graceful", "who": "ws_api"}),
    Fault("connections half open", {"kind": "drop", "mode": "half_open", "who": "ws_api"}),
    Fault("venue frozen", {"kind": "freeze", "ms": 400}),
    Fault("429", {"kind": "limit", "status": 429, "seconds": 1}),
    Fault("418", {"kind": "limit", "status": 418, "seconds": 1}),
    Fault("maintenance", {"kind": "maintenance", "ms": 400}),
    Fault("market closed", {"kind": "halt", "symbol": "BTCUSDT"}, {"kind": "resume", "symbol": "BTCUSDT"}),
    Fault("clock ahead", {"kind": "skew", "ms": 5_000}, {"kind": "skew", "ms": 0}),
    Fault("clock behind", {"kind": "skew", "ms": -5_000}, {"kind": "skew", "ms": 0}),
)

TYPES: dict[str, Wish] = {
    "MARKET": {},
    "LIMIT IOC": {"limit": "1.2", "time_in_force": TimeInForce.IOC},
    "LIMIT FOK": {"limit": "0.8", "time_in_force": TimeInForce.FOK},
    "LIMIT GTC": {"limit": "0.8"},
    "LIMIT post-only": {"limit": "0.8", "post_only": True},
    "STOP_LOSS": {"stop": "1.3", "order_type": OrderType.STOP_LOSS},
    "TAKE_PROFIT_LIMIT": {"stop": "0.8", "limit": "0.79", "order_type": OrderType.TAKE_PROFIT_LIMIT},
}


class Cell(NamedTuple):
    """One order of the campaign."""

    fault: Fault
    type_name: str
    phase: Phase


def cells(orders: int, seed: int) -> list[Cell]:
    """At least `orders` of them: the whole pairwise table again and again, each time in another order and phase."""
    chance = random.Random(seed)
    phases = list(Phase)
    found: list[Cell] = []
    turn = 0
    while len(found) < orders:
        table = [
            Cell(fault, type_name, phases[(at + number + turn) % len(phases)])
            for at, fault in enumerate(FAULTS)
            for number, type_name in enumerate(TYPES)
        ]
        chance.shuffle(table)
        found += table
        turn += 1
    return found


def sample(seed: int) -> list[Cell]:
    """Each fault twice, with every type and every phase among them."""
    chance = random.Random(seed)
    phases, names = list(Phase), list(TYPES)
    found = [
        Cell(fault, names[(2 * at + turn) % len(names)], phases[(at + 2 * turn) % len(phases)])
        for turn in range(2)
        for at, fault in enumerate(FAULTS)
    ]
    chance.shuffle(found)
    return found


def intent_of(type_name: str, price: Decimal) -> Wish:
    """The fields of an intent: a small buy, by what its type needs."""
    wanted = dict(TYPES[type_name])
    fields: Wish = {"side": Side.BUY}
    for name, field in (("limit", "limit_price"), ("stop", "stop_price")):
        if name in wanted:
            fields[field] = f"{price * Decimal(wanted.pop(name)):.2f}"
    if "limit_price" in fields and "order_type" not in wanted:
        fields["order_type"] = OrderType.LIMIT
    return fields | wanted
