"""Figures, rows and filters."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from pitwire.cli.views.book import Filters
from pitwire.cli.views.shapes import figure, joined, rows_table, where


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (Decimal("1234567.500"), "1,234,567.5"),
        (Decimal("0E-8"), "0"),
        (Decimal("1E+2"), "100"),
        (datetime(2024, 7, 26, 18, 0, 1, 999, tzinfo=UTC), "2024-07-26 18:00:01"),
        (True, "yes"),
        (7, "7"),
    ],
)
def test_cells_are_plain(value: object, text: str) -> None:
    assert figure(value) == text


def test_values_are_bound_and_never_part_of_the_statement() -> None:
    clause, parameters = where(Filters(account="x'; drop table orders").conditions())
    assert clause == "where account = %(account)s"
    assert parameters == {"account": "x'; drop table orders"}


def test_conditions_are_joined() -> None:
    assert joined("", "a = 1") == "where a = 1"
    assert joined("where b = 2", "a = 1") == "where b = 2 and a = 1"


def test_columns_take_their_names_from_the_rows() -> None:
    table = rows_table(
        "t", ("order_status", "quantity"), [{"order_status": "NEW", "quantity": 1}], empty="", right={"quantity"}
    )
    assert [(column.name, column.right) for column in table.columns] == [("order status", False), ("quantity", True)]
