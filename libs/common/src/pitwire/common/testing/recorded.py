"""Recordings of real markets, read in place. They are not part of the project: a test without them is skipped."""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(os.environ.get("PITWIRE_DATA", Path(__file__).parents[6].parent / "shared" / "data"))


def recorded(name: str) -> Path:
    """The file of this name; the test is skipped where it is absent."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"recorded data is absent: {name} (set PITWIRE_DATA to its folder)")
    return path


def lines_of(name: str) -> Iterator[bytes]:
    """Lines of a compressed text file, without their ends."""
    with gzip.open(recorded(name), "rb") as file:
        for line in file:
            yield line.rstrip(b"\n")


def rows_of(name: str) -> list[dict[str, str]]:
    """Rows of a compressed CSV file by column."""
    with gzip.open(recorded(name), "rt", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def frames_of(name: str) -> Iterator[tuple[int, bytes]]:
    """Receive time and frame of a recorded stream of Binance."""
    for line in lines_of(name):
        received, _, raw = line.partition(b" ")
        yield int(received), raw
