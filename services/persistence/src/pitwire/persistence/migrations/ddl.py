"""Tables as readable text: one line a column, `name type | what it says to a person in psql`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_MOMENT = "moment"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a comment on itself and on every column.

    The type `moment` makes two columns: `<name>_ns`, exact nanoseconds where order matters (0 = not known), and
    `<name>_at`, the same as a timestamptz that the server derives, so that the two can never disagree.
    """

    name: str
    comment: str
    columns: str
    key: tuple[str, ...]
    indexes: tuple[str, ...] = ()

    def create(self) -> Iterator[str]:
        """The statements that make it, in order."""
        found = [column for line in self.columns.strip().splitlines() for column in _columns(line)]
        body = ",\n    ".join([f"{name} {kind}" for name, kind, _ in found] + [f"PRIMARY KEY ({', '.join(self.key)})"])
        yield f"CREATE TABLE {self.name} (\n    {body}\n)"
        yield f"COMMENT ON TABLE {self.name} IS {_quoted(self.comment)}"
        for name, _, comment in found:
            yield f"COMMENT ON COLUMN {self.name}.{name} IS {_quoted(comment)}"
        for index in self.indexes:
            words = "_".join(re.findall(r"\w+", index.partition(" WHERE ")[0]))
            yield f"CREATE INDEX {self.name}_{words}_idx ON {self.name} ({index.replace(' WHERE ', ') WHERE (')})"

    def drop(self) -> str:
        return f"DROP TABLE {self.name}"


@dataclass(frozen=True, slots=True)
class Addition:
    """Columns that a later step adds to a table, written as those of a `Table`; they stand behind the others."""

    table: str
    columns: str

    def add(self) -> Iterator[str]:
        """The statements that add them, in order."""
        for name, kind, comment in self._found():
            yield f"ALTER TABLE {self.table} ADD COLUMN {name} {kind}"
            yield f"COMMENT ON COLUMN {self.table}.{name} IS {_quoted(comment)}"

    def drop(self) -> str:
        return f"ALTER TABLE {self.table} " + ", ".join(f"DROP COLUMN {name}" for name, _, _ in self._found())

    def _found(self) -> list[tuple[str, str, str]]:
        return [column for line in self.columns.strip().splitlines() for column in _columns(line)]


def _columns(line: str) -> Iterator[tuple[str, str, str]]:
    head, _, comment = (part.strip() for part in line.partition("|"))
    name, _, kind = (part.strip() for part in head.partition(" "))
    if not comment or not kind:
        msg = f"a column is written `name type | comment`, not {line!r}"
        raise ValueError(msg)
    if kind != _MOMENT:
        yield name, kind, comment
        return
    yield f"{name}_ns", "bigint NOT NULL DEFAULT 0", f"{comment}; nanoseconds since 1970, 0 = not known"
    at = f"CASE WHEN {name}_ns > 0 THEN to_timestamp({name}_ns / 1e9::double precision) END"
    yield f"{name}_at", f"timestamptz GENERATED ALWAYS AS ({at}) STORED", f"{name}_ns as a time, to the microsecond"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
