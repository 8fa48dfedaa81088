"""The processor time of processes over measured windows: the figure that holds on a machine busy with other things."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")


def family(pid: int) -> list[int]:
    """The process and everything below it."""
    children: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        children += [int(child) for child in (task / "children").read_text().split()]
    return [pid, *(one for child in children for one in family(child))]


def cpu_s(pid: int) -> float:
    """User and system seconds of the process so far, with those of its children that ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(int(field) for field in fields[11:15]) / TICKS_PER_S


class CpuMeter:
    """Adds up what each of the named processes (with all below it) and this one spend while it is entered."""

    def __init__(self, pids: Mapping[str, int], own: str) -> None:
        self._pids = dict(pids)
        self._own = own
        self._spent_s: dict[str, float] = {}
        self._wall_s = 0.0

    def __enter__(self) -> Self:
        self._before, self._began = self._read(), time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self._wall_s += time.perf_counter() - self._began
        for name, now_s in self._read().items():
            self._spent_s[name] = self._spent_s.get(name, 0.0) + now_s - self._before[name]

    def ms_per(self, count: int) -> dict[str, float]:
        """Milliseconds of each for one of `count` things done meanwhile, and their sum."""
        found = {name: round(spent_s * 1e3 / count, 2) for name, spent_s in self._spent_s.items()}
        return {**found, "sum": round(sum(found.values()), 2)}

    def percent(self) -> dict[str, float]:
        """Of one processor, and their sum."""
        found = {name: round(spent_s * 100 / self._wall_s, 1) for name, spent_s in self._spent_s.items()}
        return {**found, "sum": round(sum(found.values()), 1)}

    def _read(self) -> dict[str, float]:
        named = {name: sum(map(cpu_s, family(pid))) for name, pid in self._pids.items()}
        return {**named, self._own: time.process_time()}
