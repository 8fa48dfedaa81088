"""What execution keeps of an account so that a start need not read the whole journal: the fold, and nothing else.

What only one process knows (what it has on its way to the venue or to the journal) is not part of it: to a new process
an order that was submitted may be at the venue, as after any restart.
"""

from __future__ import annotations

from typing import Any

from pitwire.common.fills import BookedTrades
from pitwire.common.portfolio.rows import order_of, order_row
from pitwire.common.schemas.ledger import Approved
from pitwire.execution.core.orders import TRADES_KEPT, Entry, Orders
from pitwire.execution.core.place import ExecPlace


def entry_row(entry: Entry) -> list[Any]:
    """One order by the journal."""
    approved = None if entry.approved is None else entry.approved.model_dump(mode="json")
    return [
        order_row(entry.order),
        approved,
        entry.decision_sequence,
        entry.fault,
        entry.trace,
        entry.valid_until_ns,
        entry.cancel_wanted,
    ]


def entry_of(row: list[Any]) -> Entry:
    """The entry that `entry_row` wrote, as a new process knows it."""
    order, approved, decision_sequence, fault, trace, valid_until_ns, cancel_wanted = row
    state = order_of(order)
    return Entry(
        order=state,
        told=state,
        approved=None if approved is None else Approved.model_validate(approved),
        decision_sequence=decision_sequence,
        fault=fault,
        trace=trace,
        valid_until_ns=valid_until_ns,
        cancel_wanted=cancel_wanted,
    )


def orders_rows(orders: Orders) -> dict[str, Any]:
    """Everything remembered of orders and trades."""
    active, settled, strategies, newest = orders.parts()
    return {
        "active": [entry_row(entry) for entry in active],
        "settled": [entry_row(entry) for entry in settled],
        "strategies": strategies,
        "newest_trade": [[*place, trade_id] for place, trade_id in newest.items()],
        "trades": orders.trades.snapshot(),
    }


def orders_of(data: dict[str, Any]) -> Orders:
    """What `orders_rows` wrote."""
    orders = Orders()
    orders.take_parts(
        [entry_of(row) for row in data["active"]],
        [entry_of(row) for row in data["settled"]],
        data["strategies"],
        {(venue_account, instrument_id): trade_id for venue_account, instrument_id, trade_id in data["newest_trade"]},
    )
    orders.trades = BookedTrades.restore(data["trades"], TRADES_KEPT)
    return orders


def place_row(place: ExecPlace) -> list[Any]:
    """Where the execution events stand."""
    return [place.sequence, place.exec_no, place.epoch, place.leader]


def place_of(account: str, row: list[Any]) -> ExecPlace:
    """What `place_row` wrote."""
    place = ExecPlace(account)
    place.sequence, place.exec_no, place.epoch, place.leader = row
    return place
