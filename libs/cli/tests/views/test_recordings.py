"""`pitwire replay` on a recording that is whole, one that is damaged, and one that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.views.recordings import record_venue, replay_recording
from pitwire.common.errors import UsageError
from pitwire.market_data.adapters.recording import RecordingWriter

CONFIG = Path(__file__).parents[4] / "pitwire.toml"
NOON = 1_723_118_400_000_000_000
SESSION: dict[str, Any] = {
    "venue": "sim", "epoch": "e", "intervals": {"BTC-USDT.sim": ["1m"]}, "books": [],
    "known": {"BTCUSDT": "BTC-USDT.sim"}, "silence_max_ns": 1, "skew_max_ns": None,
}  # fmt: skip
TRADE = b'{"stream":"btcusdt@trade","data":{"s":"BTCUSDT","t":%d,"p":"1.5","q":"1","m":true,"T":1723118400000}}'


def recording(folder: Path) -> Path:
    writer = RecordingWriter(folder, "sim", SESSION)
    for at in (1, 2, 2, 4):
        writer.frame(NOON + at, TRADE % at)
    writer.frame(NOON + 5, b"nonsense")
    writer.flush()
    return writer.path


def test_a_replay_counts_what_was_made_and_what_was_wrong(tmp_path: Path) -> None:
    reply = replay_recording(recording(tmp_path))
    assert isinstance(reply.document, dict)
    made = {"frames": 5, "malformed": 1, "messages": 3, "flagged": {"GAP": 1}, "rejected": {"repeated": 1}}
    document = dict(reply.document)
    (session,) = document.pop("sessions")
    assert session == {"epoch": "e", "sha256": session["sha256"]} | made
    assert len(session["sha256"]) == 64
    assert document == {"frames": 5, "malformed": 1, "faults": [], "faults_total": 0}
    assert reply.code is ExitCode.OK
    again = replay_recording(recording(tmp_path / "again"))
    assert again.document == reply.document


def test_a_damaged_recording_is_told_with_exit_code_1(tmp_path: Path) -> None:
    path = recording(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    reply = replay_recording(path)
    assert isinstance(reply.document, dict)
    assert (reply.code, reply.document["faults_total"]) == (ExitCode.NO, 1)


def test_what_is_no_recording_and_no_venue_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sim-20240808.jsonl.gz"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match="nothing is in it"):
        replay_recording(path)
    with pytest.raises(UsageError, match="odd: no such venue"):
        record_venue(CONFIG, "odd", tmp_path, 1)
