"""Backtests of Pitwire beside its peers, each in an environment of its own, on the same candles in one run.

    make bench-peers [BARS=500000]

Prints one JSON line per peer and figure and writes the table into benchmarks/README.md. `a`: BARS candles of one
instrument, `b`: five instruments with a fifth of them each, `c`: a sweep of 500 pairs of lengths over a fifth of them.
`peers/work.py` says what is done and what is timed. A peer that is not to be had is told and left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

HERE: Final = Path(__file__).parent
PEERS: Final = HERE / "peers"
ENVIRONMENTS: Final = HERE.parent / ".venv" / "peers"
README: Final = HERE / "README.md"
BEGIN, END = "<!-- peers -->", "<!-- /peers -->"
BARS: Final = 500_000
RUN_TIMEOUT_S: Final = 1_200
INSTALL_TIMEOUT_S: Final = 900

FIGURES: Final = {
    "pitwire": ("a", "b", "c"),
    "nautilus": ("a", "b"),
    "backtesting": ("a", "b"),
    "backtrader": ("a", "b"),
    "vectorbt": ("a", "b", "c"),
}
NAMES: Final = {
    "pitwire": "Pitwire: live cores, gate, matching and exact books",
    "nautilus": "NautilusTrader 1.221",
    "backtesting": "backtesting.py 0.6.6, one instrument at a time",
    "backtrader": "backtrader 1.9.78",
    "vectorbt": "vectorbt 1.2: whole columns at once, no events",
}


def work_of(bars: int, folder: Path) -> dict[str, Path]:
    """The candles of each figure, written down."""
    sys.path.insert(0, str(PEERS))
    import work  # noqa: PLC0415 - shared with scripts of other environments

    places = {figure: folder / figure for figure in "abc"}
    for figure, (count, each) in {"a": (1, bars), "b": (5, bars // 5), "c": (1, bars // 5)}.items():
        (places[figure] / "pairs").mkdir(parents=True)
        for number in range(count):
            np.save(places[figure] / f"{number}.npy", work.walk(each, seed=number + 1))
    np.save(places["c"] / "pairs" / "pairs.npy", [(fast, slow) for fast in range(5, 25) for slow in range(26, 51)])
    return places


def python_of(peer: str) -> str | None:
    """The interpreter of its environment, made once; None where it is not to be had."""
    if peer == "pitwire":
        return sys.executable
    folder = ENVIRONMENTS / peer
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        uv = str(Path(sys.executable).parent / "uv")
        wanted = ["-r", str(PEERS / f"{peer}_py.txt")]
        for argv in (
            [uv, "venv", "-q", "--clear", str(folder)],
            [uv, "pip", "install", "-q", "--python", str(python), *wanted],
        ):
            done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S)
            if done.returncode != 0:
                sys.stderr.write(f"{peer} is left out, it could not be installed: {done.stderr.strip()[-400:]}\n")
                return None
        (folder / "ready").touch()
    return str(python)


def measured(peer: str, places: dict[str, Path]) -> Iterator[dict[str, Any]]:
    """Its figures, as they come."""
    python = python_of(peer)
    if python is None:
        return
    for figure in FIGURES[peer]:
        argv = [python, str(PEERS / f"{peer}_py.py"), figure, str(places[figure])]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=RUN_TIMEOUT_S, cwd=PEERS)
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        if done.returncode != 0 or not lines:
            sys.stderr.write(f"{peer} {figure} failed: {done.stderr.strip()[-600:]}\n")
            continue
        found: dict[str, Any] = {"benchmark": "peers", "peer": peer, **json.loads(lines[-1])}
        found["per_second"] = round(found["bars"] / max(found["seconds"], 1e-9))
        print(json.dumps(found), flush=True)
        yield found


def table(found: list[dict[str, Any]], bars: int) -> str:
    """For people; `c` counts a bar once for every pair."""
    values = {(each["peer"], each["figure"]): each for each in found}
    orders = {figure: values[peer, figure]["orders"] for peer, figure in values if peer == "pitwire"}

    def cell(peer: str, figure: str) -> str:
        each = values.get((peer, figure))
        return "-" if each is None else f"{each['per_second']:,}"

    rows = [f"| {name} | {cell(peer, 'a')} | {cell(peer, 'b')} | {cell(peer, 'c')} |" for peer, name in NAMES.items()]
    head = (
        f"`make bench-peers BARS={bars}` on {os.cpu_count()} cores. Orders of Pitwire: {orders.get('a', 0):,} in `a`, "
        f"{orders.get('b', 0):,} in `b`; the peers give as many, but for rounding."
    )
    titles = "| bars/s (`c`: pair-bars/s) | a: one instrument | b: five | c: 500 pairs |\n| --- | --- | --- | --- |"
    return "\n".join([BEGIN, "", head, "", titles, *rows, "", END])


def main() -> int:
    bars = int(sys.argv[1]) if len(sys.argv) > 1 else BARS
    with tempfile.TemporaryDirectory() as name:
        places = work_of(bars, Path(name))
        found = [each for peer in FIGURES for each in measured(peer, places)]
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    README.write_text(before + table(found, bars) + after, encoding="utf-8")
    return 0 if {each["peer"] for each in found} == set(FIGURES) else 1


if __name__ == "__main__":
    sys.exit(main())
