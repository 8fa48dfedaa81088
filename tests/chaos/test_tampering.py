"""Twelve ways to tamper with what a real run left behind: `verify` fails and names each, and so does the checker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.chaos.copies import Copies, Lines

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.verify import Outcome
from pitwire.cli.views.verified import outcome_reply
from pitwire.common.bus.port import Record

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

FIRST_FILL = (
    "(venue, instrument_id, trade_id) = (SELECT venue, instrument_id, min(trade_id) FROM fills GROUP BY 1, 2 LIMIT 1)"
)
COPIED = (
    "venue, venue_account, instrument_id, trade_id, is_reversal, oms_sequence, account, strategy, client_order_id, "
    "venue_order_id, side, quantity, price, notional, fee, fee_currency, realised_pnl"
)
ENDED = "(SELECT client_order_id FROM orders WHERE order_status = 'CANCELED' ORDER BY 1 LIMIT 1)"
LOWEST = "(SELECT min(venue_order_id) FROM orders WHERE venue_order_id <> '')"
ROWS: dict[str, tuple[str, str, str]] = {
    "fill deleted": (f"DELETE FROM fills WHERE {FIRST_FILL}", "I-8.rows", "fill lost"),
    "fill doubled": (
        f"INSERT INTO fills ({COPIED}, entry_no) SELECT {COPIED}, 2 FROM fills WHERE {FIRST_FILL}",
        "I-8.rows",
        "fill doubled",
    ),
    "fill changed": (
        f"UPDATE fills SET quantity = quantity + 0.00000001 WHERE {FIRST_FILL}",
        "I-8.rows",
        "fill changed",
    ),
    "fee changed": (f"UPDATE fills SET fee = fee + 0.00000001 WHERE {FIRST_FILL}", "I-8.rows", "fee changed"),
    "order id reused": (
        f"UPDATE orders SET venue_order_id = (SELECT max(venue_order_id) FROM orders) WHERE venue_order_id = {LOWEST}",
        "I-4.orders",
        "order id reused",
    ),
    "reservation left": (
        f"UPDATE orders SET leaves_quantity = 1 WHERE client_order_id = {ENDED}",
        "I-17.rows",
        "reservation left",
    ),
    "cursor moved back": (
        "UPDATE journal_cursor SET cursor = cursor - 1 WHERE stream = 'OMS'",
        "I-27.cursor",
        "cursor wrong",
    ),
    "ledger event dropped": (
        "DELETE FROM journal_records WHERE ledger_no = 30",
        "I-27.journal",
        "ledger_no gap",
    ),
    "position row edited": (
        "UPDATE positions SET quantity = quantity + 0.00000001 WHERE strategy = '*'",
        "I-9",
        "position differs",
    ),
    "stale halt": (
        "UPDATE halts SET cleared_by = NULL WHERE halt_id = (SELECT min(halt_id) FROM halts)",
        "I-21.rows",
        "halt stale",
    ),
}


@pytest.fixture(scope="module")
def copies(copied_run: Path) -> Iterator[Copies]:
    with Copies(copied_run) as made:
        yield made


def violations(outcome: Outcome) -> dict[str, str]:
    """Check id to detail of everything that does not hold; the exit code of the command says the same."""
    found = {check.id: check.detail for check in outcome.checks if not check.holds}
    assert outcome_reply(outcome).code == (ExitCode.NO if found else ExitCode.OK)
    return found


def test_the_copies_hold_as_the_run_did(copies: Copies) -> None:
    assert violations(copies.judge()) == {}
    assert copies.check().faults == []


@pytest.mark.parametrize("way", ROWS)
def test_what_is_done_to_the_database_is_named(copies: Copies, way: str) -> None:
    statement, expected, fault = ROWS[way]
    found = violations(copies.judge(statement=statement))
    assert found.get(expected), found
    faults = copies.check(statement).faults
    assert any(told.startswith(fault) for told in faults), faults


def drop_trade(lines: Lines) -> Lines:
    """The last fill that ended an order, as if it had expired instead: a venue refuses a log that does not add up."""
    trade = [line for line in lines if line["r"] == "trade" and line["status"] == "FILLED"][-1]
    end = next(line for line in lines if line["r"] == "order_end") | {"status": "EXPIRED"}
    end |= {name: trade[name] for name in ("op", "ts", "symbol", "order_id", "client_order_id")}
    order = next(line for line in lines if line["r"] == "order" and line["order_id"] == trade["order_id"])
    return [end | {"quantity": order["quantity"]} if line is trade else line for line in lines]


def change_fee(lines: Lines) -> Lines:
    next(line for line in lines if line["r"] == "trade")["fee"] = "0.00000001"
    return lines


def double_order(lines: Lines) -> Lines:
    """A second order under the client order id of the first."""
    orders = [line for line in lines if line["r"] == "order"]
    number = max(line["order_id"] for line in orders) + 1
    operation = lines[-1]["op"] + 1
    again = orders[0] | {"order_id": number, "op": operation}
    end = next(line for line in lines if line["r"] == "order_end") | {"op": operation + 1}
    end |= {name: again[name] for name in ("order_id", "client_order_id", "symbol", "quantity", "ts")}
    return [*lines, again, end]


VENUE: dict[str, tuple[Callable[[Lines], Lines], str, str]] = {
    "venue fill missing": (drop_trade, "I-8", "fill invented"),
    "fee changed": (change_fee, "I-13", "fee changed"),
    "order id reused": (double_order, "I-2", "order doubled"),
}


@pytest.mark.parametrize("way", VENUE)
def test_what_is_done_to_the_log_of_the_venue_is_named(copies: Copies, way: str) -> None:
    edit, expected, fault = VENUE[way]
    with copies.venue_copy(edit) as log:
        found = violations(copies.judge(venue=copies.ask_venue(log)))
        faults = copies.check(log=log).faults
    assert found.get(expected), found
    assert any(told.startswith(fault) for told in faults), faults


def drop_ledger_event(records: Sequence[Record]) -> list[Record]:
    dropped = [record for record in records if ".risk." in record.subject][30]
    return [record for record in records if record is not dropped]


def move_partition(records: Sequence[Record]) -> list[Record]:
    moved = [record for record in records if ".exec." in record.subject][-1]
    oms, partition, *rest = moved.subject.split(".")
    subject = ".".join((oms, str(int(partition) + 1), *rest))
    return [replace(record, subject=subject) if record is moved else record for record in records]


def drop_resume(records: Sequence[Record]) -> list[Record]:
    """The last resume never came, so the halt it cleared still holds."""
    last = [record for record in records if record.subject == "oms.resume"][-1]
    return [record for record in records if record is not last]


JOURNAL: dict[str, tuple[Callable[[Sequence[Record]], list[Record]], str]] = {
    "ledger event dropped": (drop_ledger_event, "I-10.chain"),
    "wrong partition": (move_partition, "I-37"),
    "stale halt": (drop_resume, "I-21.rows"),
}


@pytest.mark.parametrize("way", JOURNAL)
def test_what_is_done_to_the_journal_is_named(copies: Copies, way: str) -> None:
    edit, expected = JOURNAL[way]
    found = violations(copies.judge(records=edit(copies.records)))
    assert found.get(expected), found


def test_twelve_ways_are_tried() -> None:
    assert len({*ROWS, *VENUE, *JOURNAL}) == 12
