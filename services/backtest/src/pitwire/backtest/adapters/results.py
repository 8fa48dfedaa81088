"""The file that remembers which runs of a sweep are done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from pitwire.backtest.core.sweep import key_of
from pitwire.common.clock import random_token
from pitwire.common.errors import UsageError


class Results:
    """One JSON line per finished run, written before the next is taken: a killed sweep goes on where it was.

    The first line names the sweep and what it is of: `job` is the hash of a job with its files.

    Raises:
        UsageError: the file holds something else, or results of another job.
    """

    def __init__(self, path: Path, *, job: str) -> None:
        self._path = path
        self.rows: dict[str, Mapping[str, Any]] = {}
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        self.sweep = self._sweep_of(lines[0], job) if lines else random_token(8)
        for line in lines[1:]:
            row = self._parsed(line, "params")
            self.rows[key_of(row["params"])] = row
        self._file = path.open("ab")
        self._file.truncate(sum(map(len, lines)))
        if not lines:
            self._write({"sweep": self.sweep, "job": job})

    def _sweep_of(self, line: bytes, job: str) -> str:
        head = self._parsed(line, "sweep")
        if head.get("job") != job:
            msg = f"--results {self._path}: of another strategy, data, capital or fills; name another file"
            raise UsageError(msg)
        return str(head["sweep"])

    def _parsed(self, line: bytes, needed: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = orjson.loads(line)
            key_of({needed: found[needed]})
        except (orjson.JSONDecodeError, KeyError, TypeError):
            msg = f"--results {self._path}: not the results of a sweep; name another file"
            raise UsageError(msg) from None
        return found

    def add(self, row: Mapping[str, Any]) -> None:
        """Keeps the row; it is on its way to the disk when this returns."""
        self._write(row)
        self.rows[key_of(row["params"])] = row

    def _write(self, line: Mapping[str, Any]) -> None:
        self._file.write(orjson.dumps(line, default=str) + b"\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()
