"""Operators, alerts, health, jobs and quarantine: everything on the bus that is neither market nor order."""

from __future__ import annotations

from pydantic import Field

from pitwire.common.enums import AlertSeverity, CommandStatus, CommandVerb
from pitwire.common.schemas.base import (
    Count,
    InstrumentRef,
    Message,
    NonNegative,
    Number,
    RecordRef,
    Text,
    TimeNs,
    Token,
)
from pitwire.common.schemas.market import MarketDoubt


class Command(Message):
    """An operator's wish: idempotent by id, expiring, with a reason, stored before it takes effect."""

    command_id: RecordRef
    operator: Token
    service: Token
    verb: CommandVerb
    account: Token = "main"
    args: dict[str, str] = Field(default_factory=dict)
    reason: Text
    expires_ns: TimeNs = Field(description="wall clock")
    ts_ns: TimeNs


class CommandResult(Message):
    """The one answer to a command."""

    command_id: RecordRef
    operator: Token
    service: Token
    status: CommandStatus
    code: Text = ""
    text: Text = ""
    data: dict[str, str] = Field(default_factory=dict)
    oms_sequence: Count = Field(default=0, description="ledger record that carried the effect")
    ts_ns: TimeNs


class HaltSeen(Message):
    """Execution's acknowledgement of a halt: from `ts_ns` on nothing in its scope leaves."""

    halt_id: RecordRef
    service: Token
    slot: Token
    oms_sequence: Count
    cancels_requested: Count
    ts_ns: TimeNs


class Heartbeat(Message):
    """Each process, several times a second and after each closed candle: alive, how far, how far behind."""

    service: Token
    slot: Token
    instance: Token
    ts_ns: TimeNs
    ts_market_ns: TimeNs = Field(default=0, description="newest market time this process has fully handled")
    cursor: Count = Field(default=0, description="OMS sequence it has fully handled")
    lag: Count = Field(default=0, description="journal messages it knows of and has not handled")
    leader: bool = False
    ready: bool = False
    config_hash: Text = ""
    schema_hash: Text = ""
    build: Text = ""


class Lease(Message):
    """Who leads one process slot; renewed by compare-and-set, so that two holders cannot both renew."""

    service: Token
    slot: Token
    holder: Token = Field(description="process instance")
    ts_ns: TimeNs


class Snapshot(Message):
    """A folded state, to start from. `state_hash` is checked after restoring; a wrong one means the one before."""

    service: Token
    account: Token
    oms_sequence: Count = Field(description="the newest journal record it covers; nothing after it is in the state")
    record_hash: Text = Field(default="", description="sha256 of that record: it must still stand there")
    read_to: Count = Field(default=0, description="a start need not read up to here again: all of it is in the state")
    state_hash: Text
    state_zlib_base64: str
    ts_ns: TimeNs


class DecisionTrace(Message):
    """Why a strategy did or did not trade at one event; the answer to `pitwire why`."""

    account: Token
    strategy: Token
    instrument_id: InstrumentRef
    ts_event_ns: TimeNs = Field(description="market clock; the wall clock while the market has said nothing")
    signal: Token = Field(description="BUY SELL HOLD WARMING_UP")
    reason: Text
    values: dict[str, str] = Field(default_factory=dict)
    target_position: Number | None = None
    intent_no: Count = Field(default=0, description="0: no intent followed")
    ts_ns: TimeNs


class RiskMetrics(Message):
    """`portfolio.<account>.risk`: where the account stands against its limits, in quote currency."""

    account: Token
    equity: Number
    cash: Number
    start_of_day_equity: Number
    peak_equity: Number
    daily_pnl: Number
    daily_loss_remaining: Number
    drawdown_percent: NonNegative
    drawdown_max_percent: NonNegative
    open_positions: Count
    working_orders: Count
    trading_state: Token
    oms_sequence: Count
    ts_market_ns: TimeNs
    ts_ns: TimeNs
    doubts: tuple[MarketDoubt, ...] = Field(
        default=(), max_length=1000, description="instruments whose market data lets only reductions pass just now"
    )


class Alert(Message):
    """`alert.<severity>.<source>`: a person should look."""

    alert_id: RecordRef
    severity: AlertSeverity
    source: Token
    code: Token
    text: Text
    account: Text = ""
    strategy: Text = ""
    data: dict[str, str] = Field(default_factory=dict)
    ts_ns: TimeNs


class DeadLetter(Message):
    """`dlq.<service>`: a message that could not be handled, whole, with its place and reason."""

    service: Token
    subject: Text
    stream: Text = ""
    sequence: Count = 0
    schema_header: Text = ""
    reason: Text
    payload_base64: str = Field(max_length=200_000)
    ts_ns: TimeNs
