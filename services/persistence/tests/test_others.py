"""Commands and answers, alerts, candles, traces, dead letters: one message, one row; what is none is kept whole."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from pitwire.common import codec, subjects
from pitwire.common.enums import AlertSeverity, CommandStatus, CommandVerb
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import (
    Alert,
    Command,
    CommandResult,
    DeadLetter,
    DecisionTrace,
    HaltSeen,
    Heartbeat,
)
from pitwire.common.schemas.market import Candle, Instrument
from pitwire.persistence.core.control import row_of
from pitwire.persistence.core.entries import Entry
from pitwire.persistence.core.journal_rows import DeadLetterRow, QuarantineRow
from pitwire.persistence.core.needs import Found
from pitwire.persistence.core.operations_rows import (
    AlertRow,
    CandleRow,
    CommandRow,
    HaltSeenRow,
    InstrumentRow,
    TraceRow,
)
from pitwire.persistence.core.others import StreamBatch
from pitwire.persistence.core.tables import Writes
from pitwire.persistence.handlers.reading import read

OPEN_NS = 1_722_000_000_123_456_789


def command(**changed: Any) -> Command:
    values: dict[str, Any] = {
        "command_id": "c1", "operator": "ops", "service": "risk-gate", "verb": CommandVerb.PAUSE, "account": "main",
        "args": {"strategy": "momentum\x00"}, "reason": "look", "expires_ns": 9, "ts_ns": 5,
    }  # fmt: skip
    return Command(**(values | changed))


def answer(**changed: Any) -> CommandResult:
    values: dict[str, Any] = {
        "command_id": "c1", "operator": "ops", "service": "risk-gate", "status": CommandStatus.DONE, "text": "paused",
        "data": {"a": "b"}, "oms_sequence": 77, "ts_ns": 6,
    }  # fmt: skip
    return CommandResult(**(values | changed))


def candle(**changed: Any) -> Candle:
    values: dict[str, Any] = {
        "instrument_id": "BTC-USDT.sim", "epoch": "e", "sequence": 4, "ts_event_ns": 1, "ts_recv_ns": 2,
        "interval": "1m", "open_time_ns": OPEN_NS, "close_time_ns": OPEN_NS + 60_000_000_000, "open": Decimal(1),
        "high": Decimal(3), "low": Decimal("0.5"), "close": Decimal(2), "volume": Decimal(0),
    }  # fmt: skip
    return Candle(**(values | changed))


SUBJECTS: dict[type[Message], str] = {
    Command: subjects.command("ops", "risk-gate", "pause"),
    CommandResult: subjects.command_result("ops", "c1"),
    HaltSeen: subjects.halt_seen("execution", "h1"),
    Candle: subjects.candle("BTC-USDT.sim", "1m"),
    Alert: subjects.alert("WARNING", "execution"),
    DeadLetter: subjects.dead_letter("execution"),
    DecisionTrace: subjects.decision_trace("momentum"),
    Instrument: subjects.instrument("BTC-USDT.sim"),
}


def entry(message: Message, sequence: int) -> Entry:
    schema = codec.headers_for(message)[codec.SCHEMA_HEADER]
    return Entry(sequence, SUBJECTS[type(message)], schema, codec.encode(message))


def fold(*messages: Message, first: int = 1, found: Found | None = None) -> Writes:
    reads = [read(entry(message, first + at)) for at, message in enumerate(messages)]
    folded = StreamBatch("CTL", "epoch", reads).fold(found or Found())
    assert folded.notices == ()
    return folded.writes


def test_a_command_and_its_answer_are_one_row() -> None:
    (row,) = fold(command(), answer()).of(CommandRow)
    assert (row.verb, row.status, row.reason, row.effect_sequence) == ("pause", "DONE", "look", 77)
    assert row.args == '{"strategy":"momentum\N{SYMBOL FOR NULL}"}'
    assert (row.asked_ns, row.answered_ns, row.ctl_sequence) == (5, 6, 2)


def test_they_meet_in_one_row_over_batches_and_in_any_order() -> None:
    (asked,) = fold(command()).of(CommandRow)
    (both,) = fold(answer(), first=2, found=Found(commands=[asked])).of(CommandRow)
    (answered,) = fold(answer()).of(CommandRow)
    (late,) = fold(command(), first=2, found=Found(commands=[answered])).of(CommandRow)
    assert both._replace(ctl_sequence=0) == late._replace(ctl_sequence=0)


def test_the_first_answer_stands() -> None:
    (row,) = fold(answer(), answer(status=CommandStatus.REFUSED)).of(CommandRow)
    assert row.status == "DONE"


def test_candles_keep_their_place_and_time() -> None:
    (row,) = fold(candle()).of(CandleRow)
    assert row.open_time == datetime(2024, 7, 26, 13, 20, 0, 123456, tzinfo=UTC)
    assert (row.open_time_ns, row.stream_sequence, row.high, row.quality) == (OPEN_NS, 1, Decimal(3), "OK")


def test_the_newest_of_a_repeated_candle_stays() -> None:
    (row,) = fold(candle(), candle(close=Decimal("2.5"))).of(CandleRow)
    assert (row.close, row.stream_sequence) == (Decimal("2.5"), 2)


def test_alerts_traces_instruments_acknowledgements_and_dead_letters_are_rows() -> None:
    alert = Alert(
        alert_id="a1",
        severity=AlertSeverity.WARNING,
        source="execution",
        code="X",
        text="t\x00",
        data={"k": "v"},
        ts_ns=3,
    )
    trace = DecisionTrace(
        account="main",
        strategy="momentum",
        instrument_id="BTC-USDT.sim",
        ts_event_ns=4,
        signal="BUY",
        reason="cross",
        values={"ema": "1.5"},
        target_position=Decimal("0.1"),
        intent_no=3,
        ts_ns=5,
    )
    instrument = Instrument(
        instrument_id="BTC-USDT.sim",
        symbol="BTC-USDT",
        venue="sim",
        venue_symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
    )
    seen = HaltSeen(halt_id="h1", service="execution", slot="0", oms_sequence=9, cancels_requested=2, ts_ns=6)
    letter = DeadLetter(
        service="execution", subject="s", reason="r", payload_base64=base64.b64encode(b"\x00raw").decode(), ts_ns=7
    )
    broken = letter.model_copy(update={"payload_base64": "not base64!"})
    writes = fold(alert, trace, instrument, seen, letter, broken)
    (alert_row,), (trace_row,) = writes.of(AlertRow), writes.of(TraceRow)
    assert (alert_row.severity, alert_row.text, alert_row.data) == ("WARNING", "t\N{SYMBOL FOR NULL}", '{"k":"v"}')
    assert (trace_row.traces_epoch, trace_row.traces_sequence, trace_row.values) == ("epoch", 2, '{"ema":"1.5"}')
    assert [row.lot_size for row in writes.of(InstrumentRow)] == [Decimal("0.001")]
    assert [(row.halt_id, row.cancels_requested) for row in writes.of(HaltSeenRow)] == [("h1", 2)]
    assert [row.data for row in writes.of(DeadLetterRow)] == [b"\x00raw", b"not base64!"]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (Entry(1, SUBJECTS[Alert], "Alert/1", b"{"), "not JSON"),
        (entry(candle(closed=False), 1), "an open candle"),
        (Entry(1, "nobody.knows", None, b"{}"), "does not belong"),
    ],
)
def test_what_is_no_row_is_kept_whole_and_told(given: Entry, reason: str) -> None:
    folded = StreamBatch("ALERTS", "epoch", [read(given)]).fold(Found())
    (row,) = folded.writes.of(QuarantineRow)
    assert (row.stream, row.sequence, row.data, row.account) == ("ALERTS", 1, given.data, None)
    assert reason in row.reason
    assert [(notice.severity, notice.code) for notice in folded.notices] == [
        (AlertSeverity.WARNING, "RECORD_UNREADABLE")
    ]


def test_a_message_that_is_no_row_is_never_taken_for_one() -> None:
    beat = Heartbeat(service="a", slot="0", instance="i", ts_ns=1)
    with pytest.raises(TypeError, match="Heartbeat"):
        row_of(beat, sequence=1, epoch="e")
