"""Rows of commands, alerts, dead letters, decision traces and market data: one message, one row."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Alert, Command, CommandResult, DeadLetter, DecisionTrace, HaltSeen
from pitwire.common.schemas.market import Candle, Instrument
from pitwire.persistence.core.entries import json_text, storable
from pitwire.persistence.core.journal_rows import DeadLetterRow
from pitwire.persistence.core.operations_rows import (
    AlertRow,
    CandleRow,
    CommandRow,
    HaltSeenRow,
    InstrumentRow,
    TraceRow,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


ROWS: Final = (Candle, DecisionTrace, Alert, Instrument, HaltSeen, DeadLetter)
"""The messages that are one row each."""


def row_of(message: Message, *, sequence: int, epoch: str) -> Any:
    """The row that one of `ROWS` is."""
    if isinstance(message, Candle):
        return _candle(message, sequence)
    if isinstance(message, DecisionTrace):
        return _trace(message, sequence, epoch)
    if isinstance(message, Alert):
        return _alert(message)
    if isinstance(message, Instrument):
        return _instrument(message, sequence)
    if isinstance(message, HaltSeen):
        return _halt_seen(message, sequence)
    if isinstance(message, DeadLetter):
        return _dead_letter(message, sequence, epoch)
    msg = f"{type(message).__name__} is no row by itself"
    raise TypeError(msg)


def asked(command: Command, before: CommandRow | None, sequence: int) -> CommandRow:
    """The command, with the answer that may already be there."""
    row = before or _blank(command.command_id)
    return row._replace(
        operator=command.operator,
        service=command.service,
        verb=command.verb.value,
        account=command.account,
        args=json_text(command.args),
        reason=storable(command.reason),
        ctl_sequence=max(sequence, row.ctl_sequence),
        asked_ns=command.ts_ns,
        expires_ns=command.expires_ns,
    )


def answered(result: CommandResult, before: CommandRow | None, sequence: int) -> CommandRow:
    """The first answer, beside the command that may already be there."""
    row = before or _blank(result.command_id)
    if row.status is not None:
        return row
    return row._replace(
        operator=row.operator or result.operator,
        service=row.service or result.service,
        status=result.status.value,
        code=storable(result.code),
        text=storable(result.text),
        data=json_text(result.data),
        effect_sequence=result.oms_sequence,
        ctl_sequence=max(sequence, row.ctl_sequence),
        answered_ns=result.ts_ns,
    )


def _blank(command_id: str) -> CommandRow:
    return CommandRow(command_id, "", "", None, None, None, None, None, None, None, None, None, 0, 0, 0, 0)


def _candle(candle: Candle, sequence: int) -> CandleRow:
    return CandleRow(
        instrument_id=candle.instrument_id,
        interval=candle.interval,
        open_time=_EPOCH + timedelta(microseconds=candle.open_time_ns // 1_000),
        open_time_ns=candle.open_time_ns,
        close_time_ns=candle.close_time_ns,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        quote_volume=candle.quote_volume,
        trade_count=candle.trade_count,
        backfilled=candle.backfilled,
        quality=candle.quality.value,
        stream_sequence=sequence,
        received_ns=candle.ts_recv_ns,
    )


def _trace(trace: DecisionTrace, sequence: int, epoch: str) -> TraceRow:
    return TraceRow(
        traces_epoch=epoch,
        traces_sequence=sequence,
        account=trace.account,
        strategy=trace.strategy,
        instrument_id=trace.instrument_id,
        signal=trace.signal,
        reason=storable(trace.reason),
        values=json_text(trace.values),
        target_position=trace.target_position,
        intent_no=trace.intent_no,
        event_ns=trace.ts_event_ns,
        decided_ns=trace.ts_ns,
    )


def _alert(alert: Alert) -> AlertRow:
    return AlertRow(
        alert_id=alert.alert_id,
        severity=alert.severity.value,
        source=alert.source,
        code=alert.code,
        text=storable(alert.text),
        account=storable(alert.account),
        strategy=storable(alert.strategy),
        data=json_text(alert.data),
        raised_ns=alert.ts_ns,
    )


def _instrument(instrument: Instrument, sequence: int) -> InstrumentRow:
    return InstrumentRow(
        instrument_id=instrument.instrument_id,
        symbol=instrument.symbol,
        venue=instrument.venue,
        venue_symbol=instrument.venue_symbol,
        base=instrument.base,
        quote=instrument.quote,
        tick_size=instrument.tick_size,
        lot_size=instrument.lot_size,
        min_quantity=instrument.min_quantity,
        max_quantity=instrument.max_quantity,
        min_notional=instrument.min_notional,
        max_notional=instrument.max_notional,
        maker_fee_bps=instrument.maker_fee_bps,
        taker_fee_bps=instrument.taker_fee_bps,
        stream_sequence=sequence,
        defined_ns=instrument.ts_event_ns,
    )


def _halt_seen(seen: HaltSeen, sequence: int) -> HaltSeenRow:
    return HaltSeenRow(
        halt_id=seen.halt_id,
        service=seen.service,
        slot=seen.slot,
        oms_sequence=seen.oms_sequence,
        cancels_requested=seen.cancels_requested,
        ctl_sequence=sequence,
        seen_ns=seen.ts_ns,
    )


def _dead_letter(letter: DeadLetter, sequence: int, epoch: str) -> DeadLetterRow:
    try:
        data = base64.b64decode(letter.payload_base64, validate=True)
    except binascii.Error:
        data = letter.payload_base64.encode()
    return DeadLetterRow(
        dlq_epoch=epoch,
        dlq_sequence=sequence,
        service=letter.service,
        subject=storable(letter.subject),
        stream=storable(letter.stream),
        sequence=letter.sequence,
        schema_header=storable(letter.schema_header),
        reason=storable(letter.reason),
        data=data,
        reported_ns=letter.ts_ns,
    )
