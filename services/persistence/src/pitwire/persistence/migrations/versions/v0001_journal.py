"""The journal as it was read: every record, how far, what could not be read, and where each account stands."""

from __future__ import annotations

from typing import Final

from alembic import op

from pitwire.persistence.migrations.ddl import Table

revision = "0001"
down_revision = None

TABLES: Final = (
    Table(
        "journal_cursor",
        "How far each stream has been written here; moved in the same transaction as the rows it stands for",
        """
stream        text                                | OMS, CTL, CANDLES ...
cursor        bigint NOT NULL CHECK (cursor >= 0) | sequence of the last record whose rows are here
stream_epoch  text NOT NULL DEFAULT ''            | when the stream that was read had been made
updated_at    timestamptz NOT NULL DEFAULT now()  | wall clock of the database
        """,
        ("stream",),
    ),
    Table(
        "journal_cursor_regressions",
        "Written by a trigger when a cursor is moved back or removed; pitwire verify fails while a row is here",
        """
regression_id  bigint GENERATED ALWAYS AS IDENTITY | counts up
stream         text NOT NULL                       | whose cursor it was
cursor_before  bigint NOT NULL                     | where it stood
cursor_after   bigint                              | where it was put; null = the row was deleted
moved_by       text NOT NULL DEFAULT current_user  | role that did it
moved_at       timestamptz NOT NULL DEFAULT now()  | wall clock of the database
        """,
        ("regression_id",),
    ),
    Table(
        "journal_records",
        "The journal, copied record by record without a gap: the second witness. sha256(payload) is the record hash",
        """
oms_sequence  bigint        | place in the total order of the journal (stream OMS)
subject       text NOT NULL | where it was written: oms.<partition>.<risk or exec>.<account>, oms.halt.<source> ...
kind          text          | schema of the record (RiskDecision, ExecReport ...); null = could not be read
account       text          | the account it is about; null for halts, resumes and firm-wide records
ledger_no     bigint        | place in the ledger of the account, 1, 2, 3 ... without a gap
exec_no       bigint        | place among the execution events of the account, 1, 2, 3 ... without a gap
epoch         bigint        | leader epoch of the writer
prev_hash     text          | what the record says the hash of the ledger record before it is
sha256        text NOT NULL | hash of the stored bytes, hexadecimal
payload       json          | the stored bytes, unchanged; null = not JSON, see quarantined_records
written       moment        | wall clock of the writer
        """,
        ("oms_sequence",),
        ("account, oms_sequence",),
    ),
    Table(
        "quarantined_records",
        "Records that were not written as rows, whole and with the reason; nothing is ever skipped without a row here",
        """
stream           text                               | the stream it stands in
sequence         bigint                             | its place there
subject          text NOT NULL                      | where it was written
schema_header    text                               | the schema it claims to have
reason           text NOT NULL                      | why it was set aside
account          text                               | whose rows stopped because of it; null = nobody had to stop
data             bytea NOT NULL                     | the stored bytes, unchanged
quarantined_at   timestamptz NOT NULL DEFAULT now() | wall clock of the database
released_at      timestamptz                        | a later build could read it, and its rows were made then
        """,
        ("stream", "sequence"),
    ),
    Table(
        "accounts",
        "Where each account stands on the journal",
        """
account              text                    | the risk account
quote                text NOT NULL           | currency of its equity and limits
incarnation          text NOT NULL           | life of the journal that its order ids are made with
ledger_no            bigint NOT NULL         | last ledger record here
ledger_sequence      bigint NOT NULL         | journal sequence of that record
ledger_hash          text NOT NULL           | sha256 of that record; the next one must name it
ledger_epoch         bigint NOT NULL         | leader epoch of the gate
exec_no              bigint NOT NULL         | last execution event here
exec_sequence        bigint NOT NULL         | journal sequence of that event
exec_epoch           bigint NOT NULL         | leader epoch of execution
covered_sequence     bigint NOT NULL         | the gate had folded execution events and halts up to here
day                  text                    | session day, YYYY-MM-DD
start_of_day_equity  numeric                 | equity when that day began, in quote
peak_equity          numeric                 | highest equity seen, in quote; net of money put in or taken out
equity_market_ns     bigint NOT NULL         | market time of the newest row in equity
holdings             jsonb NOT NULL          | money and positions as the gate had them at its newest ledger record
market               moment                  | market time of the newest ledger record
stopped_sequence     bigint                  | this record could not be read: nothing after it is in the tables below
stopped_reason       text                    | why
        """,
        ("account",),
    ),
    Table(
        "dead_letters",
        "Messages that any service had to set aside, whole, with their place and reason",
        """
dlq_epoch       text          | life of the stream DLQ
dlq_sequence    bigint        | place in it
service         text NOT NULL | who set it aside
subject         text NOT NULL | where the message was
stream          text NOT NULL | the stream it stood in, if any
sequence        bigint NOT NULL | its place there
schema_header   text NOT NULL | the schema it claimed to have
reason          text NOT NULL | why it was set aside
data            bytea NOT NULL | the message (its first 100,000 bytes)
reported        moment        | wall clock of the service
        """,
        ("dlq_epoch", "dlq_sequence"),
    ),
)

WATCH: Final = """
CREATE FUNCTION journal_cursor_watch() RETURNS trigger LANGUAGE plpgsql AS $watch$
BEGIN
    IF TG_OP = 'DELETE' THEN
        INSERT INTO journal_cursor_regressions (stream, cursor_before) VALUES (OLD.stream, OLD.cursor);
    ELSIF NEW.cursor < OLD.cursor AND NEW.stream_epoch = OLD.stream_epoch THEN
        INSERT INTO journal_cursor_regressions (stream, cursor_before, cursor_after)
        VALUES (OLD.stream, OLD.cursor, NEW.cursor);
    END IF;
    RETURN NULL;
END
$watch$
"""


def upgrade() -> None:
    """The journal's own tables, and the watch over the cursors."""
    for table in TABLES:
        op.execute(";\n".join(table.create()))
    op.execute(WATCH)
    op.execute(
        "CREATE TRIGGER journal_cursor_watch AFTER UPDATE OR DELETE ON journal_cursor "
        "FOR EACH ROW EXECUTE FUNCTION journal_cursor_watch()"
    )


def downgrade() -> None:
    """Everything this step made."""
    for table in reversed(TABLES):
        op.execute(table.drop())
    op.execute("DROP FUNCTION journal_cursor_watch()")
