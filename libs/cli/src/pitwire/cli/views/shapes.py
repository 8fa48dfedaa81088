"""How figures from the database are shown: plain decimals, UTC times, rows as documents."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pitwire.cli.database import Row
from pitwire.cli.output import Column, Table


def figure(value: Any) -> str:
    """A table cell: no exponent, no trailing zeros, `-` for what is not known."""
    if value is None or value == "":
        return "-"
    if isinstance(value, Decimal):
        return format(value.normalize(), ",f") if value else "0"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def rows_table(
    title: str, names: Sequence[str], rows: Iterable[Row], *, empty: str, right: Container[str] = ()
) -> Table:
    """The named columns of each row; those in `right` are numbers."""
    columns = tuple(Column(name.replace("_", " "), right=name in right) for name in names)
    return Table(title, columns, tuple(tuple(figure(row[name]) for name in names) for row in rows), empty)


def where(conditions: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """`where a = %(a)s and ...` for what is given, and its parameters; column names are ours, values are bound."""
    given = {name: value for name, value in conditions.items() if value}
    text = " and ".join(f"{name} = %({name})s" for name in given)
    return (f"where {text}" if text else ""), given


def joined(clause: str, condition: str) -> str:
    """One more condition on a where clause."""
    return f"{clause} and {condition}" if clause else f"where {condition}"
