"""Recordings: raw frames with their receive time, compressed, one file a venue and UTC day.

Each line is the receive time in ns, a space, and the frame as it came. What the venue was asked for, and what happened
to the connection, stands between the frames as `{"record": ...}`, so that a replay sees everything in the same order.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson

from pitwire.common.units import NS_PER_S

FLUSH_BYTES: Final = 262_144
"""Held back at most before it is written: what a killed recorder loses."""

LINE_BYTES_MAX: Final = 8 * 1024 * 1024
MARK: Final = b'{"record":'


@dataclass(frozen=True, slots=True)
class Entry:
    """One line. `record` is what was noted, None for a frame."""

    recv_ns: int
    raw: bytes
    record: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Fault:
    """A line that is not to be trusted, or what is missing at the end."""

    line: int
    reason: str


def day_of(recv_ns: int) -> str:
    """The UTC day, as 20240808."""
    return datetime.fromtimestamp(recv_ns // NS_PER_S, UTC).strftime("%Y%m%d")


class RecordingWriter:
    """Appends; a file that is there already goes on. Each piece is whole by itself, so a killed writer spoils none."""

    def __init__(self, folder: Path, venue: str, header: dict[str, Any]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._venue = venue
        self._header = header
        self._day = ""
        self._lines: list[bytes] = []
        self._held = 0
        self.frames = 0

    def frame(self, recv_ns: int, raw: bytes) -> None:
        """A frame as it came."""
        self.frames += 1
        self._write(recv_ns, raw)

    def note(self, recv_ns: int, kind: str, **values: Any) -> None:
        """What is no frame: an answer of the venue, a change of the connection."""
        self._write(recv_ns, orjson.dumps({"record": kind} | values))

    def flush(self) -> None:
        """Everything so far is in the file."""
        if self._lines:
            with self.path.open("ab") as file:
                file.write(gzip.compress(b"".join(self._lines), compresslevel=6, mtime=0))
        self._lines, self._held = [], 0

    @property
    def path(self) -> Path:
        """The file of the day that is being written."""
        return self._folder / f"{self._venue}-{self._day}.jsonl.gz"

    def _write(self, recv_ns: int, raw: bytes) -> None:
        day = day_of(recv_ns)
        if day != self._day:
            self.flush()
            self._day = day
            self._line(recv_ns, orjson.dumps({"record": "session"} | self._header))
        self._line(recv_ns, raw)
        if self._held >= FLUSH_BYTES:
            self.flush()

    def _line(self, recv_ns: int, raw: bytes) -> None:
        line = b"%d %b\n" % (recv_ns, raw.replace(b"\n", b" "))
        self._lines.append(line)
        self._held += len(line)


def read_recording(path: Path) -> Iterator[Entry | Fault]:
    """Every line in order; those out of their day, out of time or out of shape are told instead of given."""
    day, newest_ns, number = path.name.partition(".")[0].rpartition("-")[2], 0, 0
    with gzip.open(path, "rb") as file:
        while True:
            number += 1
            try:
                line = file.readline(LINE_BYTES_MAX)
            except (EOFError, OSError, zlib.error) as error:
                yield Fault(number, f"the file ends in the middle of a piece: {type(error).__name__}")
                return
            if not line:
                return
            entry = _entry(line)
            fault = "no receive time and JSON" if entry is None else receive_fault(entry.recv_ns, newest_ns, day)
            if entry is None or fault:
                yield Fault(number, fault)
                continue
            newest_ns = entry.recv_ns
            yield entry


def receive_fault(recv_ns: int, newest_ns: int, day: str) -> str:
    """Why a receive time cannot be; empty where it can."""
    if day_of(recv_ns) != day:
        return f"received on {day_of(recv_ns)}, in the recording of {day}"
    return f"received {newest_ns - recv_ns} ns before the line before it" if recv_ns < newest_ns else ""


def _entry(line: bytes) -> Entry | None:
    received, _, raw = line.rstrip(b"\n").partition(b" ")
    if not received.isdigit() or len(received) > 19 or not raw:
        return None
    if not raw.startswith(MARK):
        return Entry(int(received), raw, None)
    try:
        return Entry(int(received), raw, orjson.loads(raw))
    except orjson.JSONDecodeError:
        return None
