"""The rows of the code are the columns of the database: same names, same order, same keys, every one with a comment."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from pitwire.persistence.adapters.statements import documents, statements_of
from pitwire.persistence.core.journal_rows import JournalRow, QuarantineRow
from pitwire.persistence.core.tables import BY_NAME, OF_ROW, TABLES, Table, Writes
from pitwire.persistence.core.trading_rows import BalanceRow, MarkRow
from pitwire.persistence.migrations import HEAD, ddl
from pitwire.persistence.migrations.versions import v0001_journal, v0002_trading, v0003_operations, v0004_more_limits

MIGRATED = {t.name: t for module in (v0001_journal, v0002_trading, v0003_operations) for t in module.TABLES}
ADDED = {addition.table: addition for addition in v0004_more_limits.ADDITIONS}
RELEASED = ("quarantined_records", "released_at")
OWN_OF_THE_DATABASE = {"journal_cursor", "journal_cursor_regressions"}


def statement_of(name: str) -> str:
    """What makes the table, and below it what later steps add to it."""
    created = next(iter(MIGRATED[name].create())).splitlines()
    added = list(ADDED[name].add()) if name in ADDED else []
    added = [text.partition(" ADD COLUMN ")[2] for text in added if " ADD COLUMN " in text]
    return "\n".join([*created[:-2], *(f"    {text}," for text in added), *created[-2:]])


def written_columns(table: ddl.Table) -> list[str]:
    """Columns that the writer fills: not those the server derives or stamps."""
    lines = [line.strip() for line in statement_of(table.name).splitlines()[1:-2]]
    names = [line.split()[0] for line in lines if "GENERATED" not in line and "DEFAULT now()" not in line]
    return [name for name in names if (table.name, name) != RELEASED]


def test_every_row_type_is_its_table() -> None:
    assert {table.name for table in TABLES} | OWN_OF_THE_DATABASE == set(MIGRATED)
    for table in TABLES:
        assert list(table.columns) == written_columns(MIGRATED[table.name]), table.name
        assert table.key == MIGRATED[table.name].key, table.name
        assert table.newest_by is None or table.newest_by in table.columns


def test_every_column_has_a_type_that_fits() -> None:
    kinds = {"Decimal": "numeric", "int": "bigint|integer", "bool": "boolean", "str": "text", "bytes": "bytea"}
    kinds |= {"JsonText": "json|jsonb", "list[str]": r"text\[\]", "datetime": "timestamptz"}
    for table in TABLES:
        created = statement_of(table.name)
        for name, hint in table.row.__annotations__.items():
            python = str(hint.__forward_arg__ if hasattr(hint, "__forward_arg__") else hint).split(" | ")[0]
            assert re.search(rf"^\s+{name} ({kinds[python]})(?!\w)", created, re.MULTILINE), f"{table.name}.{name}"


def test_every_table_and_column_explains_itself() -> None:
    for table in MIGRATED.values():
        statements = list(table.create())
        columns = [line.split()[0] for line in statements[0].splitlines()[1:-2]]
        commented = [
            s.split(f"{table.name}.")[1].split(" IS ")[0] for s in statements if s.startswith("COMMENT ON COL")
        ]
        assert commented == columns
        assert sum(s.startswith("COMMENT ON TABLE") for s in statements) == 1
    for addition in ADDED.values():
        assert [text.split()[0] for text in addition.add()] == ["ALTER", "COMMENT"] * (len(list(addition.add())) // 2)


def test_the_head_is_the_newest_step() -> None:
    steps = (v0001_journal, v0002_trading, v0003_operations, v0004_more_limits)
    assert v0004_more_limits.revision == HEAD
    assert [step.down_revision for step in steps] == [None, "0001", "0002", "0003"]


def test_a_column_without_a_comment_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="name type"):
        list(ddl.Table("t", "c", "name text", ("name",)).create())


def test_a_moment_is_two_columns_that_cannot_disagree() -> None:
    table = ddl.Table("t", "it's", "id bigint | key\nseen moment | when", ("id",), ("seen_ns WHERE id > 0",))
    create, comment, *_, index = table.create()
    assert "seen_ns bigint NOT NULL DEFAULT 0" in create
    assert "seen_at timestamptz GENERATED ALWAYS AS" in create
    assert comment == "COMMENT ON TABLE t IS 'it''s'"
    assert index == "CREATE INDEX t_seen_ns_idx ON t (seen_ns) WHERE (id > 0)"
    assert table.drop() == "DROP TABLE t"


def test_the_newest_row_of_a_key_is_written_and_added_rows_all_are() -> None:
    writes, other = Writes(), Writes()
    writes.extend(
        [MarkRow("main", "BTC-USDT.sim", Decimal(1), 1, 1), MarkRow("main", "BTC-USDT.sim", Decimal(2), 2, 2)]
    )
    other.add(QuarantineRow("OMS", 1, "s", None, "r", None, b""))
    other.add(QuarantineRow("OMS", 2, "s", None, "r", None, b""))
    other.add(BalanceRow("main", "a", "BTC", Decimal(3), 3))
    writes.merge(other)
    assert [row.mark_price for row in writes.of(MarkRow)] == [2]
    assert [(table.name, len(rows)) for table, rows in writes.by_table()] == [
        ("quarantined_records", 2),
        ("balances", 1),
        ("marks", 1),
    ]
    assert OF_ROW[MarkRow] is BY_NAME["marks"]


def test_rows_become_one_exact_document() -> None:
    balance = BalanceRow("main", "a", "BTC", Decimal("0.10000000000000000000000000000000000001"), 3)
    text = documents(OF_ROW[BalanceRow], [balance])
    assert b'"amount":"0.10000000000000000000000000000000000001"' in text.dumps(text.obj)  # type: ignore[misc] # it was given its dumps above
    record = JournalRow(1, "s", "K", "main", 1, None, 1, "", "h", '{"a": [1, 2]}', 5)  # type: ignore[arg-type] # JsonText is made from any JSON
    nested = documents(OF_ROW[JournalRow], [record, record._replace(payload=None)])
    assert b'"payload":{"a": [1, 2]}' in nested.dumps(nested.obj)  # type: ignore[misc] # it was given its dumps above
    raw = documents(OF_ROW[QuarantineRow], [QuarantineRow("OMS", 1, "s", None, "r", None, b"\x00\xff")])
    assert b'"\\\\x00ff"' in raw.dumps(raw.obj)  # type: ignore[misc] # it was given its dumps above


def test_what_has_no_column_type_is_a_defect() -> None:
    table = Table("t", MarkRow, ("account",))
    document = documents(table, [MarkRow("a", "b", object(), 1, 1)])  # type: ignore[arg-type] # this is the defect under test
    with pytest.raises(TypeError, match="object"):
        document.dumps(document.obj)  # type: ignore[misc] # it was given its dumps above


def test_an_upsert_never_goes_back() -> None:
    text = statements_of(OF_ROW[MarkRow]).upsert.as_string()
    assert 'ON CONFLICT ("account", "instrument_id") DO UPDATE' in text
    assert 'WHERE old."oms_sequence" <= excluded."oms_sequence"' in text
    assert "DO NOTHING" in statements_of(OF_ROW[JournalRow]).add_missing.as_string()
