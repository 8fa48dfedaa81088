"""`pitwire record` and `pitwire replay`: a venue's market data into a file, and what is in such a file."""

from __future__ import annotations

import asyncio
import contextlib
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.output import Reply
from pitwire.common.clock import NS_PER_MS, SystemClock, random_token
from pitwire.common.config import VenueConfig, load_config
from pitwire.common.errors import UsageError
from pitwire.common.ids import instrument_id
from pitwire.market_data.adapters.binance import BinanceFeed
from pitwire.market_data.adapters.recording import Fault, RecordingWriter, read_recording
from pitwire.market_data.adapters.sessions import Recorder, Replay
from pitwire.market_data.core.candle_lines import BASE_INTERVAL
from pitwire.market_data.core.feed import FeedCore

FAULTS_SHOWN_MAX: Final = 20


def record_venue(config: Path, venue: str, folder: Path, seconds: float) -> Reply:
    """Frames of every configured instrument, with their books, for so long."""
    settings = load_config(config).venues.get(venue)
    if settings is None:
        raise UsageError(f"{venue}: no such venue in {config}")
    settings = settings.model_copy(update={"books": settings.instruments})
    return asyncio.run(_record(venue, settings, folder, seconds))


async def _record(venue: str, settings: VenueConfig, folder: Path, seconds: float) -> Reply:
    clock, names = SystemClock(), [instrument_id(symbol, venue) for symbol in settings.instruments]
    session: dict[str, Any] = {
        "venue": venue,
        "epoch": random_token(4),
        "intervals": {name: [BASE_INTERVAL] for name in names},
        "books": names,
        "silence_max_ns": settings.silence_max_ms * NS_PER_MS,
        "skew_max_ns": None,
        "known": {},
    }
    writer = RecordingWriter(folder, venue, session)
    feed = BinanceFeed(venue, settings, clock, lambda: int(random_token(4), 16) / 2**32, writer.frame)
    recorder = Recorder(core_of(session), feed, writer, clock)
    try:
        found = await feed.instruments(recorder)
        session["known"] = {definition.venue_symbol: name for name, (definition, _) in found.items()}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await recorder.run()
    finally:
        await feed.close()
    text = f"{writer.frames} frames in {writer.path}; look at it with `pitwire replay {writer.path}`"
    return Reply({"file": str(writer.path), "frames": writer.frames, "malformed": recorder.malformed}, (text,))


def core_of(session: dict[str, Any]) -> FeedCore:
    """A core as a replay of this session will have it."""
    return Replay(session).core


def replay_recording(path: Path) -> Reply:
    """Counts, what was wrong, and a hash of every message that market-data makes of it; exit code 1 for a fault."""
    digest, messages = sha256(), 0
    faults: list[Fault] = []
    replay: Replay | None = None

    def emit(message: bytes) -> None:
        nonlocal messages
        messages += 1
        digest.update(message + b"\n")

    for entry in read_recording(path):
        if isinstance(entry, Fault):
            faults.append(entry)
        elif entry.record is not None and entry.record["record"] == "session":
            replay = Replay(entry.record, emit)
        elif replay is None:
            raise UsageError(f"{path}: the first line does not say what it is a recording of")
        else:
            replay.on_entry(entry)
    if replay is None:
        raise UsageError(f"{path}: nothing is in it")
    status = replay.core.status(0)
    document = {
        "frames": replay.frames,
        "malformed": replay.malformed,
        "messages": messages,
        "sha256": digest.hexdigest(),
        "flagged": status.flagged,
        "rejected": status.rejected,
        "faults": [f"line {fault.line}: {fault.reason}" for fault in faults[:FAULTS_SHOWN_MAX]],
        "faults_total": len(faults),
    }
    return Reply(document, code=ExitCode.NO if faults else ExitCode.OK)
