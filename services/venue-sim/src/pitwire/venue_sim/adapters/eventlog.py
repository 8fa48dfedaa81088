"""The log on disk: one JSON object a line, one write per operation; the market's position beside it."""

import fcntl
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

LOG_NAME = "venue.jsonl"
POSITION_NAME = "market.position"
LOCK_NAME = "venue.lock"
POSITION_WIDTH = 20
log = logging.getLogger("venue.log")


class DataFolderError(Exception):
    """The data folder cannot be used; the text says why and what to do."""


class FileLog:
    """The append-only log of one data folder, which it holds exclusively."""

    def __init__(self, folder: Path) -> None:
        """Open or create the log.

        Raises:
            DataFolderError: another venue uses the folder, or it cannot be written.
        """
        self._path = folder / LOG_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self._position = os.open(folder / POSITION_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except BlockingIOError:
            raise DataFolderError(f"{folder}: another venue uses it; give this one its own --data-dir") from None
        except OSError as problem:
            raise DataFolderError(f"{folder}: {problem.strerror}; give a --data-dir that can be written") from None
        self._operation = 0
        self._waiting: list[bytes] = []
        self.defer: Callable[[Callable[[], None]], object] = lambda flush: flush()
        """Carries out a flush soon, so that one write takes all that happened in one turn of the event loop."""

    def read(self) -> Iterator[dict[str, Any]]:
        """Every line of complete operations; an operation cut off by a crash is removed from the file.

        Raises:
            DataFolderError: a line before the end is not a record.
        """
        batch: list[dict[str, Any]] = []
        good = position = 0
        with self._path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                position += len(line)
                try:
                    record = orjson.loads(line)
                except orjson.JSONDecodeError:
                    if line.endswith(b"\n"):
                        raise DataFolderError(f"{self._path}, line {number}: not a JSON record") from None
                    break
                if not line.endswith(b"\n") or not isinstance(record, dict):
                    break
                batch.append(record)
                if record.get("end"):
                    yield from batch
                    self._operation = int(record["op"])
                    batch = []
                    good = position
        if os.fstat(self._file).st_size > good:
            log.warning(
                "an operation cut off by a crash was removed", extra={"file": self._path.name, "bytes_kept": good}
            )
            os.ftruncate(self._file, good)

    def append(self, records: list[dict[str, Any]]) -> None:
        """Write one operation as a batch of lines; no client may hear of it before it is flushed."""
        self._operation += 1
        head = b'{"op":%d,' % self._operation
        lines = [head + orjson.dumps(record)[1:] for record in records]
        lines[-1] = lines[-1][:-1] + b',"end":true}'
        is_first = not self._waiting
        self._waiting += lines
        if is_first:
            self.defer(self.flush)

    def flush(self) -> None:
        """Hand what was appended to the operating system: from then on it survives this process."""
        if not self._waiting:
            return
        data = b"\n".join(self._waiting) + b"\n"
        self._waiting.clear()
        written = os.write(self._file, data)
        while written < len(data):
            written += os.write(self._file, data[written:])

    def save_position(self, market_ms: int) -> None:
        """Note how far the market has come, in place, after what it did."""
        self.flush()
        os.pwrite(self._position, b"%020d" % market_ms, 0)

    def load_position(self) -> int:
        """How far the market had come, 0 before any."""
        text = os.pread(self._position, POSITION_WIDTH, 0)
        return int(text) if len(text) == POSITION_WIDTH and text.isdigit() else 0

    def close(self) -> None:
        """Give the folder free."""
        self.flush()
        for descriptor in (self._file, self._position, self._lock):
            os.close(descriptor)
