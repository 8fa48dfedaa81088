"""Operators, limits, halts, market data and alerts."""

from __future__ import annotations

from typing import Final

from alembic import op

from pitwire.persistence.migrations.ddl import Table

revision = "0003"
down_revision = "0002"

TABLES: Final = (
    Table(
        "commands",
        "Every command of an operator and the one answer to it: the audit trail",
        """
command_id       text            | idempotent by this id
operator         text NOT NULL   | who asked
service          text NOT NULL   | who was asked
verb             text            | resume pause limits order cancel flatten; null = only the answer was seen
account          text            | the risk account
args             jsonb           | what was asked
reason           text            | why
status           text            | DONE REFUSED EXPIRED; null = not answered
code             text            | why refused
text             text            | the answer in words
data             jsonb           | the answer's figures
effect_sequence  bigint          | journal sequence of the record that carried the effect; 0 = none
ctl_sequence     bigint NOT NULL | place of the newest message about it in the stream CTL
asked            moment          | wall clock of the operator
expires          moment          | no effect after this
answered         moment          | wall clock of the service
        """,
        ("command_id",),
    ),
    Table(
        "halts",
        "Every halt ever added; it holds until a resume names it",
        """
halt_id            text            | named by resumes
scope              text NOT NULL   | ALL ACCOUNT STRATEGY VENUE INSTRUMENT
target             text NOT NULL   | what is halted; empty for ALL
trading_state      text NOT NULL   | REDUCING or HALTED
cancel_policy      text NOT NULL   | which working orders are cancelled
reason             text NOT NULL   | why
source             text NOT NULL   | who
oms_sequence       bigint NOT NULL | journal sequence of the halt
cleared_by         text            | resume that ended it; null = it holds
cleared_sequence   bigint          | journal sequence of that resume
halted             moment          | wall clock of the source
cleared            moment          | wall clock of the gate
        """,
        ("halt_id",),
    ),
    Table(
        "resumes",
        "Every resume: which halts hold no longer, and by whose command",
        """
resume_id     text            | its own id
oms_sequence  bigint NOT NULL | journal sequence
cleared       text[] NOT NULL | halts it ended
command_id    text NOT NULL   | the operator's command
operator      text NOT NULL   | who asked
approver      text NOT NULL   | second person, where the deployment wants one
reason        text NOT NULL   | why
resumed       moment          | wall clock of the gate
        """,
        ("resume_id",),
    ),
    Table(
        "halts_seen",
        "Execution's acknowledgements: from then on nothing in the scope of the halt left",
        """
halt_id            text            | the halt
service            text            | who acknowledges
slot               text            | which process
oms_sequence       bigint NOT NULL | journal sequence of the halt
cancels_requested  bigint NOT NULL | orders it began to cancel
ctl_sequence       bigint NOT NULL | place in the stream CTL
seen               moment          | wall clock of the service
        """,
        ("halt_id", "service", "slot"),
    ),
    Table(
        "limits",
        "The limits of each account from each journal sequence on",
        """
account                 text             | the risk account
oms_sequence            bigint           | they hold from this ledger record on
limits_version          bigint NOT NULL  | counts up
order_value_max         numeric NOT NULL | notional of one order, quote currency
position_value_max      numeric NOT NULL | per instrument, working orders at worst case
open_positions_max      bigint NOT NULL  | instruments at once
daily_loss_max_percent  numeric NOT NULL | of start-of-day equity
drawdown_max_percent    numeric NOT NULL | of the peak
instruments_allowed     text[] NOT NULL  | everything else is restricted
instruments_restricted  text[] NOT NULL  | restricted though allowed
strategies_allowed      text[] NOT NULL  | empty = every registered one
mark_age_max_ms         bigint NOT NULL  | older marks deny
command_id              text NOT NULL    | the operator's command; empty = configuration
applied                 moment           | wall clock of the gate
        """,
        ("account", "oms_sequence"),
    ),
    Table(
        "capital",
        "Money put in (positive) or taken out: never profit or loss",
        """
account        text             | the risk account
oms_sequence   bigint           | ledger record
venue_account  text NOT NULL    | where it lies
asset          text NOT NULL    | currency
amount         numeric NOT NULL | signed
reason         text NOT NULL    | why
recorded       moment           | wall clock of the gate
        """,
        ("account", "oms_sequence"),
    ),
    Table(
        "strategies",
        "Strategies that may trade in each account",
        """
account       text             | the risk account
strategy      text             | the running instance
capital       numeric NOT NULL | quote currency it sizes by
paused        boolean NOT NULL | its reductions and cancels still pass
pause_reason  text NOT NULL    | why it was paused or released last
oms_sequence  bigint NOT NULL  | newest ledger record about it
registered    moment           | wall clock of the gate
        """,
        ("account", "strategy"),
    ),
    Table(
        "alerts",
        "What a person should look at",
        """
alert_id  text          | its own id
severity  text NOT NULL | INFO WARNING CRITICAL
source    text NOT NULL | who says so
code      text NOT NULL | stable name of the finding
text      text NOT NULL | in words
account   text NOT NULL | the risk account, if one is concerned
strategy  text NOT NULL | the strategy, if one is concerned
data      jsonb NOT NULL | figures
raised    moment        | wall clock of the source
        """,
        ("alert_id",),
        ("raised_ns",),
    ),
    Table(
        "candles",
        "Closed candles as they were published",
        """
instrument_id    text             | SYMBOL.VENUE
interval         text             | 1s 1m 5m 1h 1d ...
open_time        timestamptz      | begin, inclusive (market clock)
open_time_ns     bigint NOT NULL  | the same, exact
close_time_ns    bigint NOT NULL  | end, exclusive
open             numeric NOT NULL | quote currency
high             numeric NOT NULL | quote currency
low              numeric NOT NULL | quote currency
close            numeric NOT NULL | quote currency
volume           numeric NOT NULL | base currency
quote_volume     numeric NOT NULL | quote currency
trade_count      bigint NOT NULL  | trades in it
backfilled       boolean NOT NULL | from the venue's history: strategies warm up on it, never trade on it
quality          text NOT NULL    | OK STALE GAP CROSSED SUSPECT
stream_sequence  bigint NOT NULL  | place in the stream CANDLES
received         moment           | wall clock of market-data
        """,
        ("instrument_id", "interval", "open_time"),
    ),
    Table(
        "instruments",
        "What can be traded and in which steps, as defined last",
        """
instrument_id    text             | SYMBOL.VENUE
symbol           text NOT NULL    | BASE-QUOTE
venue            text NOT NULL    | where
venue_symbol     text NOT NULL    | the venue's own spelling
base             text NOT NULL    | what is bought and sold
quote            text NOT NULL    | what it is paid in
tick_size        numeric NOT NULL | prices are multiples of it
lot_size         numeric NOT NULL | quantities are multiples of it
min_quantity     numeric NOT NULL | smallest order
max_quantity     numeric          | largest order
min_notional     numeric NOT NULL | smallest order by value
max_notional     numeric          | largest order by value
maker_fee_bps    numeric NOT NULL | hundredths of a percent
taker_fee_bps    numeric NOT NULL | hundredths of a percent
stream_sequence  bigint NOT NULL  | place in the stream INSTRUMENTS
defined          moment           | the venue's time of it
        """,
        ("instrument_id",),
    ),
    Table(
        "decision_traces",
        "Why a strategy did or did not trade",
        """
traces_epoch     text            | life of the stream TRACES
traces_sequence  bigint          | place in it
account          text NOT NULL   | the risk account
strategy         text NOT NULL   | the running instance
instrument_id    text NOT NULL   | SYMBOL.VENUE
signal           text NOT NULL   | BUY SELL HOLD WARMING_UP
reason           text NOT NULL   | in words
values           jsonb NOT NULL  | indicators and what they were compared with
target_position  numeric         | what it wanted to hold
intent_no        bigint NOT NULL | the intent that followed; 0 = none
event            moment          | market clock of what it reacted to
decided          moment          | wall clock
        """,
        ("traces_epoch", "traces_sequence"),
        ("strategy, event_ns",),
    ),
)


def upgrade() -> None:
    """The operations tables."""
    for table in TABLES:
        op.execute(";\n".join(table.create()))


def downgrade() -> None:
    """Everything this step made."""
    for table in reversed(TABLES):
        op.execute(table.drop())
