"""`pitwire logs`: the JSON lines of every process of a run, merged by time."""

from __future__ import annotations

import heapq
import json
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn

from pitwire.cli.discovery import NotRunning
from pitwire.cli.output import Reply, write_text
from pitwire.cli.run.folder import newest_run
from pitwire.common.errors import UsageError

FOLLOW_PERIOD_S: Final = 0.2
TAIL_BYTES_PER_LINE: Final = 2_048
LEVELS: Final = ("debug", "info", "warning", "error", "critical")
SERVER_LOGS: Final = {"nats": "nats/nats-server.log", "postgres": "postgres/postgres.log"}
OWN_KEYS: Final = ("timestamp", "ts_ms", "level", "event", "message", "logger", "service", "slot")
SERVER_TIME: Final = re.compile(r"(\d{4})[/-](\d\d)[/-](\d\d) (\d\d:\d\d:\d\d\.\d+)")
SERVER_LEVELS: Final = {
    "[ERR]": "error", "[FTL]": "critical", "[WRN]": "warning", "ERROR:": "error", "FATAL:": "critical",
    "PANIC:": "critical", "WARNING:": "warning",
}  # fmt: skip
"""How nats-server and PostgreSQL mark what is more than information."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one log; `at` is its ISO time, empty when it has none of its own."""

    service: str
    at: str
    level: str
    text: str
    raw: dict[str, Any]


def show_logs(data_dir: Path, services: tuple[str, ...], *, follow: bool, lines: int, level: str, plain: bool) -> Reply:
    """The last lines of each log; with `follow` it never returns."""
    if follow and not plain:
        raise UsageError("-f never ends, so it cannot be one JSON document; leave out -o json")
    if level.lower() not in LEVELS:
        raise UsageError(f"--level {level!r}: give one of {', '.join(LEVELS)}")
    files = log_files(data_dir, services)
    floor = LEVELS.index(level.lower())
    ends = {name: path.stat().st_size for name, path in files.items()}
    found = merge(
        [line for line in tail(name, path, lines) if _severity(line) >= floor] for name, path in files.items()
    )
    if follow:
        for line in found:
            write_text(line_text(line))
        _follow(files, ends, floor)
    documents = [{"service": line.service} | (line.raw or {"event": line.text}) for line in found]
    return Reply(documents, tuple(line_text(line) for line in found) or ("no such lines",))


def log_files(data_dir: Path, services: tuple[str, ...]) -> dict[str, Path]:
    """The log of each process of the newest run; `UsageError` for a name that has none."""
    run = newest_run(data_dir)
    if run is None:
        raise NotRunning(f"{data_dir} holds no run; start one with `make run` or `pitwire up`")
    found = {path.stem: path for path in sorted((run / "logs").glob("*.log"))}
    found |= {name: run / place for name, place in SERVER_LOGS.items() if (run / place).exists()}
    unknown = [name for name in services if name not in found]
    if unknown:
        raise UsageError(f"no log of {', '.join(unknown)}; there are: {', '.join(found)}")
    return {name: path for name, path in found.items() if not services or name in services}


def tail(service: str, path: Path, lines: int) -> list[Line]:
    """The last complete lines of a file, read from its end."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - lines * TAIL_BYTES_PER_LINE))
        whole = file.read().decode("utf-8", "replace").splitlines()
    return [parse(service, text) for text in whole[max(0, len(whole) - lines) :] if text.strip()]


def parse(service: str, text: str) -> Line:
    """A line of structured log, or plain text of a server."""
    try:
        raw = json.loads(text)
    except json.JSONDecodeError:
        return _server_line(service, text)
    if not isinstance(raw, dict):
        return _server_line(service, text)
    at = str(raw.get("timestamp", ""))
    if "ts_ms" in raw:
        at = datetime.fromtimestamp(raw["ts_ms"] / 1000, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return Line(service, at, str(raw.get("level", "info")).lower(), str(raw.get("event", raw.get("message", ""))), raw)


def _server_line(service: str, text: str) -> Line:
    """A line of a server, with the time and the severity it spells in its own way; both servers write UTC."""
    found = SERVER_TIME.search(text)
    at = "{}-{}-{}T{}Z".format(*found.groups()) if found else ""
    level = next((level for mark, level in SERVER_LEVELS.items() if mark in text), "info")
    return Line(service, at, level, text, {})


def merge(logs: Iterable[list[Line]]) -> list[Line]:
    """All lines in the order of time; a line without a time stays behind the one before it."""
    return list(heapq.merge(*(_dated(lines) for lines in logs), key=lambda line: line.at))


def line_text(line: Line) -> str:
    """The line as a person reads it: time, service, level, event, the rest."""
    rest = " ".join(f"{key}={value}" for key, value in line.raw.items() if key not in OWN_KEYS)
    return f"{line.at[11:23]:12} {line.service:12} {line.level:8} {line.text} {rest}".rstrip()


def _dated(lines: list[Line]) -> Iterator[Line]:
    last = ""
    for line in lines:
        last = line.at or last
        yield line if line.at else Line(line.service, last, line.level, line.text, line.raw)


def _severity(line: Line) -> int:
    return LEVELS.index(line.level) if line.level in LEVELS else LEVELS.index("info")


def _follow(files: dict[str, Path], ends: dict[str, int], floor: int) -> NoReturn:
    while True:
        time.sleep(FOLLOW_PERIOD_S)
        for name, path in files.items():
            size = path.stat().st_size
            if size < ends[name]:
                ends[name] = 0
            if size == ends[name]:
                continue
            with path.open("rb") as file:
                file.seek(ends[name])
                block = file.read()
            whole = block[: block.rfind(b"\n") + 1]
            ends[name] += len(whole)
            for text in whole.decode("utf-8", "replace").splitlines():
                line = parse(name, text)
                if _severity(line) >= floor:
                    write_text(line_text(line))
