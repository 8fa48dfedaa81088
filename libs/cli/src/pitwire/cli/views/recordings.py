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
    if settings.exchange != "binance":
        raise UsageError(
            f"{venue}: only frames that are as Binance sends them can be recorded, not {settings.exchange}'s"
        )
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
    made = Made()
    recorder = Recorder(core_of(session), feed, writer, clock, made.add)
    try:
        found = await feed.instruments(recorder)
        session["known"] = {definition.venue_symbol: name for name, (definition, _) in found.items()}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await recorder.run()
    finally:
        await feed.close()
    text = f"{writer.frames} frames in {writer.path}; look at it with `pitwire replay {writer.path}`"
    found = {"epoch": session["epoch"], "frames": writer.frames, "malformed": recorder.malformed} | made.document()
    return Reply({"file": str(writer.path)} | found, (text,))


class Made:
    """What market-data made of a session: how many messages, and a hash of their bytes in order."""

    def __init__(self) -> None:
        self._digest = sha256()
        self._messages = 0

    def add(self, message: bytes) -> None:
        self._messages += 1
        self._digest.update(message + b"\n")

    def document(self) -> dict[str, Any]:
        return {"messages": self._messages, "sha256": self._digest.hexdigest()}


def core_of(session: dict[str, Any]) -> FeedCore:
    """A core as a replay of this session will have it."""
    return Replay(session).core


def replay_recording(path: Path) -> Reply:
    """Each session of a file made again: the hash of its messages is the one that recording told.

    With counts of what was wrong; exit code 1 for a fault.
    """
    faults: list[Fault] = []
    sessions: list[tuple[str, Replay, Made]] = []
    for entry in read_recording(path):
        if isinstance(entry, Fault):
            faults.append(entry)
        elif entry.record is not None and entry.record["record"] == "session":
            made = Made()
            sessions.append((entry.record["epoch"], Replay(entry.record, made.add), made))
        elif not sessions:
            raise UsageError(f"{path}: the first line does not say what it is a recording of")
        else:
            sessions[-1][1].on_entry(entry)
    if not sessions:
        raise UsageError(f"{path}: nothing is in it")
    document = {
        "sessions": [_session(*each) for each in sessions],
        "frames": sum(replay.frames for _, replay, _ in sessions),
        "malformed": sum(replay.malformed for _, replay, _ in sessions),
        "faults": [f"line {fault.line}: {fault.reason}" for fault in faults[:FAULTS_SHOWN_MAX]],
        "faults_total": len(faults),
    }
    return Reply(document, code=ExitCode.NO if faults else ExitCode.OK)


def _session(epoch: str, replay: Replay, made: Made) -> dict[str, Any]:
    status = replay.core.status(0)
    counts = {"frames": replay.frames, "malformed": replay.malformed}
    return {"epoch": epoch} | counts | made.document() | {"flagged": status.flagged, "rejected": status.rejected}
