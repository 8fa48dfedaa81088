"""The SQL of each table, made once from its description, and its rows as one parameter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

import orjson
from psycopg import sql
from psycopg.types.json import Json

from pitwire.persistence.core.tables import Table


@dataclass(frozen=True, slots=True)
class Statements:
    """How rows get into one table. `add_missing` and `upsert` take `documents`."""

    copy: sql.Composed
    add_missing: sql.Composed
    upsert: sql.Composed


@cache
def statements_of(table: Table) -> Statements:
    """The statements of one table."""
    names = {
        "t": sql.Identifier(table.name),
        "c": _listed(table.columns),
        "k": _listed(table.key),
        "n": sql.Identifier(table.newest_by or table.key[-1]),
        "u": sql.SQL(", ").join(
            sql.SQL("{n} = excluded.{n}").format(n=sql.Identifier(name))
            for name in table.columns
            if name not in table.key
        ),
    }
    rows = "INSERT INTO {t} AS old ({c}) SELECT {c} FROM json_populate_recordset(NULL::{t}, %s) ON CONFLICT ({k}) DO "
    return Statements(
        copy=sql.SQL("COPY {t} ({c}) FROM STDIN").format(**names),
        add_missing=sql.SQL(rows + "NOTHING").format(**names),
        upsert=sql.SQL(rows + "UPDATE SET {u} WHERE old.{n} <= excluded.{n}").format(**names),
    )


def documents(table: Table, rows: Sequence[Any]) -> Json:
    """The rows as one JSON array, from which the server makes rows of the table's own types; numbers stay exact."""
    columns, nested = table.columns, table.json_columns
    found = [dict(zip(columns, row, strict=True)) for row in rows]
    for document in found:
        for name in nested:
            if document[name] is not None:
                document[name] = orjson.Fragment(document[name])
    return Json(found, dumps=_dumps)


def _dumps(found: Any) -> bytes:
    return orjson.dumps(found, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    msg = f"{type(value).__name__} has no column"
    raise TypeError(msg)


def _listed(names: Sequence[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in names)
