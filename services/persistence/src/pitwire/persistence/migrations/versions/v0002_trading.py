"""Orders, fills, positions, money and decisions."""

from __future__ import annotations

from typing import Final

from alembic import op

from pitwire.persistence.migrations.ddl import Table

revision = "0002"
down_revision = "0001"

ORDERS: Final = Table(
    "orders",
    "One row per order that the gate approved or that was found at the venue; its story is in order_history",
    """
account              text             | the risk account
client_order_id      text             | our id: a pure function of incarnation, account, strategy and intent
strategy             text NOT NULL    | whose sub-ledger; manual = an operator, external = not sent by us
intent_no            bigint NOT NULL  | the intent it came from; 0 = none
instrument_id        text NOT NULL    | SYMBOL.VENUE
venue                text NOT NULL    | where it was sent
venue_account        text NOT NULL    | the account there
venue_order_id       text NOT NULL    | the id the venue gave it
side                 text NOT NULL    | BUY SELL
order_type           text NOT NULL    | MARKET LIMIT STOP_LOSS ...
time_in_force        text NOT NULL    | GTC IOC FOK
quantity             numeric NOT NULL | base currency
limit_price          numeric          | null = none
stop_price           numeric          | null = none
reduce_only          boolean NOT NULL | may only lower the position
is_reduction         boolean NOT NULL | the gate verified that it lowers the position
external             boolean NOT NULL | no approval of ours explains it
order_status         text NOT NULL    | PENDING_NEW NEW PARTIALLY_FILLED PENDING_CANCEL UNKNOWN FILLED CANCELED ...
submitted            boolean NOT NULL | execution has written that it is about to send it
seen_at_venue        boolean NOT NULL | the venue has spoken of it
cancel_requested     boolean NOT NULL | a cancel was approved
cum_quantity         numeric NOT NULL | filled and booked
venue_cum_quantity   numeric NOT NULL | filled by the venue's own count
leaves_quantity      numeric NOT NULL | may still fill; 0 once ended
cost                 numeric NOT NULL | sum of last_quantity x last_price
average_price        numeric          | cost / cum_quantity; null = nothing filled
fees                 jsonb NOT NULL   | paid per currency; negative is a rebate
reservation_asset    text             | what the approval held back
reservation_amount   numeric          | how much of it, worst-case fee included
worst_price          numeric          | price at which limits counted it
reason               text NOT NULL    | why it ended as it did
decision_sequence    bigint NOT NULL  | journal sequence of the approval; 0 = none
submitting_sequence  bigint NOT NULL  | journal sequence of Submitting; 0 = not yet
oms_sequence         bigint NOT NULL  | journal sequence of the newest event in this row
trace                text NOT NULL    | W3C traceparent of the intent
valid_until          moment           | the approval ended then (wall clock)
approved             moment           | wall clock of the gate
submitting           moment           | wall clock of execution
acknowledged         moment           | the venue's first word of it (market clock)
first_fill           moment           | market clock
last_fill            moment           | market clock
ended                moment           | when it reached a terminal status
    """,
    ("account", "client_order_id"),
    (
        "client_order_id",
        "account, strategy, decision_sequence",
        "account, instrument_id WHERE ended_ns = 0",
    ),
)
ORDER_HISTORY: Final = Table(
    "order_history",
    "Every event of every order in journal order",
    """
account          text             | the risk account
client_order_id  text             | the order
oms_sequence     bigint           | journal sequence of the event
event_no         integer          | place in that record: a decision may name an order twice
event            text NOT NULL    | APPROVED CANCEL_APPROVED SUBMITTING NOT_SENT, or the exec type the venue told
order_status     text NOT NULL    | the order's status after it
cum_quantity     numeric NOT NULL | filled and booked after it
trade_id         text             | the trade it tells, if any
anomalies        text[] NOT NULL  | what should not have come, though it was handled
reason           text NOT NULL    | as told by gate, execution or venue
happened         moment           | the venue's time for its own words, else the writer's wall clock
    """,
    ("account", "client_order_id", "oms_sequence", "event_no"),
)
FILLS: Final = Table(
    "fills",
    "Every trade, booked once; a bust or correction is a further row (entry_no 2, 3 ...) that reverses or replaces it",
    """
venue            text             | where it traded
venue_account    text             | the account there
instrument_id    text             | SYMBOL.VENUE
trade_id         text             | the venue's id of the trade
entry_no         integer          | 1 = the trade; more = its reversals and corrections
is_reversal      boolean NOT NULL | takes the entry before it back
oms_sequence     bigint NOT NULL  | journal sequence of the report that was booked
account          text NOT NULL    | the risk account
strategy         text NOT NULL    | whose sub-ledger
client_order_id  text NOT NULL    | the order
venue_order_id   text NOT NULL    | the venue's id of the order
side             text NOT NULL    | BUY SELL
quantity         numeric NOT NULL | last_quantity, base currency
price            numeric NOT NULL | last_price, quote currency
notional         numeric NOT NULL | quantity x price
fee              numeric NOT NULL | the venue's figure; negative is a rebate
fee_currency     text NOT NULL    | what the fee was paid in
liquidity        text             | MAKER TAKER
realised_pnl     numeric NOT NULL | what it realised in the position of its strategy, before fees, in quote
executed         moment           | the venue's time (market clock)
received         moment           | our wall clock when the venue's message came
    """,
    ("venue", "venue_account", "instrument_id", "trade_id", "entry_no"),
    ("account, oms_sequence", "client_order_id", "account, strategy, executed_ns"),
)
POSITION_COLUMNS: Final = """
quantity        numeric NOT NULL | signed, base currency, after base fees
cost            numeric NOT NULL | what the quantity cost, signed; average-cost method
average_price   numeric          | cost / quantity; null when flat
realised_pnl    numeric NOT NULL | quote currency, before fees
fees            numeric NOT NULL | fees in quote, and fees in base at the price of their trade
other_fees      jsonb NOT NULL   | fees in further currencies
fill_count      bigint NOT NULL  | fills that made it
opened          moment           | it left flat or flipped (market clock)
updated         moment           | newest fill in it (market clock)
"""
POSITIONS: Final = Table(
    "positions",
    "Position of each strategy (its sub-ledger) and of the account (strategy = '*') in each instrument",
    """
account         text             | the risk account
strategy        text             | '*' = net of the account
instrument_id   text             | SYMBOL.VENUE
oms_sequence    bigint NOT NULL  | journal sequence of the newest fill in it
"""
    + POSITION_COLUMNS.lstrip("\n"),
    ("account", "strategy", "instrument_id"),
)
POSITION_HISTORY: Final = Table(
    "position_history",
    "Every change of every position: the row of positions as it was after each fill",
    """
account         text             | the risk account
strategy        text             | '*' = net of the account
instrument_id   text             | SYMBOL.VENUE
oms_sequence    bigint           | journal sequence of the fill
entry_no        integer          | 1; 2 = the corrected trade after its reversal in the same report
trade_id        text NOT NULL    | the venue's id of the trade
"""
    + POSITION_COLUMNS.lstrip("\n"),
    ("account", "strategy", "instrument_id", "oms_sequence", "entry_no"),
    ("account, oms_sequence",),
)
BALANCES: Final = Table(
    "balances",
    "What each account should hold at each venue account: money put in, fills and fees",
    """
account        text             | the risk account
venue_account  text             | the account at the venue
asset          text             | currency
amount         numeric NOT NULL | expected total there
oms_sequence   bigint NOT NULL  | journal sequence of the newest change
    """,
    ("account", "venue_account", "asset"),
)
EQUITY: Final = Table(
    "equity",
    "Worth of each account at its ledger records: at most one row a second of market time, and every day roll",
    """
account              text             | the risk account
oms_sequence         bigint           | journal sequence of the ledger record
kind                 text NOT NULL    | schema of that record: MarksRecorded DayRolled RiskDecision ...
quote                text NOT NULL    | currency of all figures
equity               numeric NOT NULL | cash + positions at their marks
cash                 numeric NOT NULL | quote currency held
positions_value      numeric NOT NULL | holdings at their marks
realised_pnl         numeric NOT NULL | over all instruments, before fees
unrealised_pnl       numeric NOT NULL | over all instruments
fees                 numeric NOT NULL | over all instruments
capital              numeric NOT NULL | put in less taken out, quote currency
other                numeric NOT NULL | worth of other assets put in, less fees paid in third assets
day                  text             | session day
start_of_day_equity  numeric          | when that day began
peak_equity          numeric          | highest equity so far
drawdown_percent     numeric          | below the peak, percent of it
market               moment           | market time of the record
written              moment           | wall clock of the gate
    """,
    ("account", "oms_sequence"),
    ("account, market_ns",),
)
MARKS: Final = Table(
    "marks",
    "Newest mark price of each instrument in the ledger of each account",
    """
account        text             | the risk account
instrument_id  text             | SYMBOL.VENUE
mark_price     numeric NOT NULL | mid price
oms_sequence   bigint NOT NULL  | journal sequence of the ledger record that brought it
marked         moment           | market clock
    """,
    ("account", "instrument_id"),
)
RISK_DECISIONS: Final = Table(
    "risk_decisions",
    "One row per verdict of the gate",
    """
oms_sequence          bigint           | journal sequence of the decision
verdict_no            integer          | place in it: 1, 2 ... 20
account               text NOT NULL    | the risk account
strategy              text NOT NULL    | who asked
intent_no             bigint NOT NULL  | which intent; 0 = could not be read
verdict               text NOT NULL    | APPROVED CANCEL_APPROVED DENIED
code                  text             | why denied; null = not denied
limit_value           numeric          | the limit that said no
observed              numeric          | what was measured against it
detail                text NOT NULL    | in words
client_order_id       text             | the order approved, or the one to cancel
instrument_id         text             | SYMBOL.VENUE
side                  text             | BUY SELL
order_type            text             | MARKET LIMIT ...
time_in_force         text             | GTC IOC FOK
quantity              numeric          | base currency
limit_price           numeric          | null = none
stop_price            numeric          | null = none
is_reduction          boolean          | verified to lower the position
reservation_asset     text             | what was held back
reservation_amount    numeric          | how much of it
intent_reason         text NOT NULL    | the strategy's own words
trace                 text NOT NULL    | W3C traceparent
intended              moment           | wall clock of the strategy
valid_until           moment           | approvals end then (wall clock)
decided               moment           | wall clock of the gate
market                moment           | market time the decision was made at
    """,
    ("oms_sequence", "verdict_no"),
    ("account, strategy, intent_no", "account, code WHERE code IS NOT NULL", "client_order_id"),
)
TABLES: Final = (
    ORDERS,
    ORDER_HISTORY,
    FILLS,
    POSITIONS,
    POSITION_HISTORY,
    BALANCES,
    EQUITY,
    MARKS,
    RISK_DECISIONS,
)


def upgrade() -> None:
    """The trading tables."""
    for table in TABLES:
        op.execute(";\n".join(table.create()))


def downgrade() -> None:
    """Everything this step made."""
    for table in reversed(TABLES):
        op.execute(table.drop())
