"""A recorded session and its replay: the same messages, byte for byte; damage is told."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from pitwire.common.clock import ManualClock
from pitwire.common.errors import DecodeError
from pitwire.common.schemas.market import Instrument
from pitwire.common.testing.recorded import frames_of
from pitwire.market_data.adapters import sessions
from pitwire.market_data.adapters.frames import Notice, snapshot_of, tick_of
from pitwire.market_data.adapters.memory import definition
from pitwire.market_data.adapters.recording import Entry, Fault, RecordingWriter, day_of, read_recording
from pitwire.market_data.adapters.sessions import Recorder, Replay
from pitwire.market_data.core.candles import HistoryRequest
from pitwire.market_data.core.depth import Snapshot
from pitwire.market_data.core.ticks import Bar
from pitwire.market_data.ports import Sink

BTC = "BTC-USDT.sim"
KNOWN = {"BTCUSDT": BTC}
SESSION: dict[str, Any] = {
    "venue": "sim", "epoch": "e1", "intervals": {BTC: ["1m", "10s"]}, "books": [BTC], "known": KNOWN,
    "silence_max_ns": 5_000_000_000, "skew_max_ns": None,
}  # fmt: skip
NOON = 1_723_118_400_000_000_000


class Captured:
    """A feed that says what was captured of the real venue, with the book that was captured with it."""

    def __init__(self, frames: list[tuple[int, bytes]], clock: ManualClock, writer: RecordingWriter) -> None:
        self._frames = frames
        self._clock = clock
        self._writer = writer
        self._book: Snapshot | None = None
        self.done = asyncio.Event()

    async def instruments(self, sink: Sink) -> Mapping[str, tuple[Instrument, bool]]:
        return {BTC: (definition(BTC), True)}

    async def history(self, request: HistoryRequest, sink: Sink) -> list[Bar]:
        return []

    async def book(self, instrument_id: str) -> Snapshot:
        assert self._book is not None
        return self._book

    async def server_time_ns(self) -> int:
        return self._clock.wall_ns()

    async def run(self, sink: Sink) -> None:
        await sink.on_connected()
        for at, (recv_ns, raw) in enumerate(self._frames):
            if raw.startswith(b'{"lastUpdateId"'):
                self._book = snapshot_of(BTC, orjson.loads(raw))
                await asyncio.sleep(0.05)
                continue
            if at == len(self._frames) * 3 // 4:
                await sink.on_disconnected("reset")
                await sink.on_connected()
            self._clock.advance(ns=max(0, recv_ns - self._clock.wall_ns()))
            self._writer.frame(recv_ns, raw)
            try:
                tick = tick_of(raw, KNOWN)
            except DecodeError as error:
                await sink.on_malformed("stream", raw, str(error))
                continue
            if tick is not None and not isinstance(tick, Notice):
                await sink.on_tick(tick, recv_ns)
        self.done.set()
        await asyncio.Event().wait()

    async def close(self) -> None: ...


def entries(path: Path) -> tuple[list[Entry], list[Fault]]:
    found = list(read_recording(path))
    return [e for e in found if isinstance(e, Entry)], [f for f in found if isinstance(f, Fault)]


async def test_a_replay_gives_the_messages_of_the_session_byte_for_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "ASK_PERIOD_S", 0.005)
    captured = list(frames_of("orderbook/binance_spot_BTCUSDT_ws_20240808.jsonl.gz"))[:6_000]
    captured[3000] = (captured[3000][0], b'{"stream":"btcusdt@trade","data":{"s":"BTCUSDT","p":"-1"}}')
    clock, live, again = ManualClock(captured[0][0]), list[bytes](), list[bytes]()
    writer = RecordingWriter(tmp_path, "sim", SESSION)
    feed = Captured(captured, clock, writer)
    recorder = Recorder(Replay(SESSION).core, feed, writer, clock, live.append)
    task = asyncio.create_task(recorder.run())
    async with asyncio.timeout(60):
        await feed.done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    found, faults = entries(writer.path)
    assert faults == []
    session = found[0].record or {}
    assert session == {"record": "session"} | SESSION
    replay = Replay(session, again.append)
    for entry in found[1:]:
        replay.on_entry(entry)
    assert (replay.frames, replay.malformed, recorder.malformed) == (len(captured) - 1, 1, 1)
    kinds = [next(k for k in ("trade_id", "bid_price", "snapshot", "interval") if k in orjson.loads(m)) for m in live]
    assert set(kinds) == {"trade_id", "bid_price", "snapshot", "interval"}
    assert again == live
    frames = [(entry.recv_ns, entry.raw) for entry in found if entry.record is None]
    assert frames == [each for each in captured if not each[1].startswith(b'{"lastUpdateId"')]
    assert writer.path.stat().st_size < sum(len(raw) for _, raw in captured) / 4


def test_a_recording_goes_on_after_a_restart_and_begins_a_file_each_day(tmp_path: Path) -> None:
    first, writer = RecordingWriter(tmp_path, "sim", SESSION), RecordingWriter(tmp_path, "sim", SESSION)
    for at, each in ((NOON, first), (NOON + 1, writer)):
        each.frame(at, b'{"stream":"a"}')
        each.flush()
    writer.frame(NOON + 86_400 * 10**9, b'{"stream":"b"}')
    writer.flush()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["sim-20240808.jsonl.gz", "sim-20240809.jsonl.gz"]
    found, faults = entries(tmp_path / "sim-20240808.jsonl.gz")
    assert [entry.raw for entry in found if entry.record is None] == [b'{"stream":"a"}'] * 2
    assert faults == []


def test_a_killed_recorder_loses_the_end_and_the_rest_is_read(tmp_path: Path) -> None:
    writer = RecordingWriter(tmp_path, "sim", SESSION)
    for at in range(3):
        writer.frame(NOON + at, b'{"n":%d}' % at)
        writer.flush()
    data = writer.path.read_bytes()
    writer.path.write_bytes(data[:-9])
    found, faults = entries(writer.path)
    assert [entry.raw for entry in found if entry.record is None][:2] == [b'{"n":0}', b'{"n":1}']
    assert "ends in the middle" in faults[-1].reason


def test_lines_out_of_their_day_or_time_or_shape_are_told_and_not_given(tmp_path: Path) -> None:
    path = tmp_path / "sim-20240808.jsonl.gz"
    lines = [b"%d {}" % NOON, b"%d {}" % (NOON - 1), b"x {}", b"%d {}" % (NOON + 10**15), b'%d {"record":' % NOON]
    path.write_bytes(gzip.compress(b"\n".join(lines)))
    found, faults = entries(path)
    assert len(found) == 1
    assert [fault.line for fault in faults] == [2, 3, 4, 5]
    assert [fault.reason.split(" ")[0] for fault in faults] == ["received", "no", "received", "no"]
    assert day_of(NOON) == "20240808"
