"""How long `pitwire up` takes to its first processed bar, and what its processes hold in memory: JSON lines.

    .venv/bin/python benchmarks/start.py

A bar is processed when its row is in PostgreSQL. Memory is the proportional set size (shared pages are shared out),
summed over the process and its children, after `SETTLE_S` of trading.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from pitwire.cli.run.numbers import NumbersReader
from pitwire.common.errors import StoreUnavailable

ROOT: Final = Path(__file__).parents[1]
TIMEOUT_S: Final = 120.0
SETTLE_S: Final = 15.0
POLL_S: Final = 0.05
SECONDS_OF_THE_FIRST_START_MAX: Final = 120.0
SECONDS_OF_LATER_STARTS_MAX: Final = 8.0
MEMORY_OF_A_SERVICE_MAX_MB: Final = 80
MEMORY_OF_ALL_MAX_MB: Final = 600


def main() -> None:
    """The first start in a folder makes the template of its database; later ones copy it."""
    with tempfile.TemporaryDirectory() as folder:
        _start(Path(folder), "first", SECONDS_OF_THE_FIRST_START_MAX)
        _start(Path(folder), "later", SECONDS_OF_LATER_STARTS_MAX)


def _start(folder: Path, which: str, seconds_max: float) -> None:
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "pitwire.cli", "up", "--config", str(ROOT / "pitwire.toml")],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        current = _until_first_bar(folder)
        _print(f"seconds_to_first_bar.{which}", round(time.perf_counter() - began, 2), seconds_max)
        if which == "later":
            time.sleep(SETTLE_S)
            _memory(current)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(TIMEOUT_S)


def _until_first_bar(folder: Path) -> dict[str, Any]:
    deadline = time.perf_counter() + TIMEOUT_S
    while time.perf_counter() < deadline:
        time.sleep(POLL_S)
        try:
            current: dict[str, Any] = json.loads((folder / ".pitwire" / "current.json").read_bytes())
            with closing(NumbersReader(current["database_url"], ())) as reader:
                if reader.read().candles:
                    return current
        except (FileNotFoundError, StoreUnavailable):
            continue
    raise TimeoutError(f"no bar within {TIMEOUT_S:g} s")


def _memory(current: dict[str, Any]) -> None:
    pids = {**current["pids"], "up": current["pid"]}
    used = {name: sum(_pss_mb(each) for each in _family(pid, alone=name == "up")) for name, pid in pids.items()}
    for name, mb in used.items():
        _print(f"memory_mb.{name}", round(mb), MEMORY_OF_A_SERVICE_MAX_MB)
    _print("memory_mb.all", round(sum(used.values())), MEMORY_OF_ALL_MAX_MB)


def _family(pid: int, *, alone: bool) -> list[int]:
    """The process and everything below it; `up` itself alone, since the others are its children."""
    if alone:
        return [pid]
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in _family(child, alone=False))]


def _pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _print(name: str, value: float, most: float) -> None:
    line = {"benchmark": "start", "figure": name, "value": value, "at_most": most, "holds": value <= most}
    print(json.dumps(line | {"load_1m": round(os.getloadavg()[0], 1)}), flush=True)


if __name__ == "__main__":
    main()
