"""`python -m pitwire.execution halt`: stops trading from beside the process, with or without a bus."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson
from pydantic import ValidationError

from pitwire.common.clock import NS_PER_MS, NS_PER_S, SystemClock, random_token
from pitwire.common.config import explain
from pitwire.common.enums import CancelPolicy, HaltScope, TradingState
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.adapters.latch import LatchFiles

EXIT_OBEYED: Final = 0
EXIT_USAGE: Final = 2
EXIT_WAITING: Final = 3
"""The halt is stored, and nobody has said yet that it is obeyed: it will be as soon as execution runs."""

OBEY_WAIT_NS: Final = 2 * NS_PER_S
OBEY_POLL_S: Final = 0.02
RUN_FILE: Final = "current.json"
"""What `pitwire up` leaves in its data folder; `run` in it is the folder of the run, where execution has its own."""

NOBODY_OBEYED: Final = (
    "halt: nobody has obeyed yet. If execution runs, it keeps its data elsewhere than {folder}: give --data-dir\n"
)


def halt_command(arguments: Sequence[str]) -> int:
    """Stores the halt, waits a moment for execution to obey it, prints one JSON line; returns the exit code."""
    given = _parser().parse_args(arguments)
    clock = SystemClock()
    try:
        halt = Halt(
            halt_id=f"beside-{random_token()}",
            scope=HaltScope(given.scope),
            target=given.target,
            state=given.state,
            cancel=CancelPolicy(given.cancel),
            reason=given.reason,
            source=given.operator,
            ts_ns=clock.wall_ns(),
        )
    except ValidationError as error:
        sys.stderr.write(f"halt: {explain(error)}\n")
        return EXIT_USAGE
    if (halt.scope is HaltScope.ALL) != (not halt.target):
        sys.stderr.write("halt: --target names what --scope says, and belongs to every scope but ALL\n")
        return EXIT_USAGE
    try:
        folder = execution_folder(given.data_dir)
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"{given.data_dir / RUN_FILE} does not say which run this is ({type(error).__name__}: {error})"
        sys.stderr.write(f"halt: {what}; give --data-dir, the data folder of execution itself\n")
        return EXIT_USAGE
    latches = LatchFiles(folder)
    path = latches.add(halt)
    seen_ns = _wait(latches, halt.halt_id, clock)
    line = {
        "halt_id": halt.halt_id,
        "file": str(path),
        "obeyed": seen_ns > 0,
        "ms": round((seen_ns - halt.ts_ns) / NS_PER_MS, 1) if seen_ns else None,
    }
    sys.stdout.write(orjson.dumps(line).decode() + "\n")
    if not seen_ns:
        sys.stderr.write(NOBODY_OBEYED.format(folder=folder))
    return EXIT_OBEYED if seen_ns else EXIT_WAITING


def execution_folder(data_dir: Path) -> Path:
    """Where execution looks for halts: `data_dir` itself, or below it that of the run that `pitwire up` has there."""
    try:
        run = Path(orjson.loads((data_dir / RUN_FILE).read_bytes())["run"])
    except FileNotFoundError:
        return data_dir
    return run / "execution"


def _wait(latches: LatchFiles, halt_id: str, clock: SystemClock) -> int:
    until_ns = clock.monotonic_ns() + OBEY_WAIT_NS
    while not (seen_ns := latches.acknowledged_ns(halt_id)) and clock.monotonic_ns() < until_ns:
        time.sleep(OBEY_POLL_S)
    return seen_ns


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pitwire.execution halt",
        description="Halts trading from beside the process. It survives restarts until a resume names its id.",
        epilog=f"exit codes: {EXIT_OBEYED} obeyed, {EXIT_USAGE} usage, {EXIT_WAITING} stored, not obeyed yet",
    )
    add = parser.add_argument
    add("--reason", required=True, help="why; stands in the journal")
    add("--scope", choices=[scope.value for scope in HaltScope], default=HaltScope.ALL.value)
    add("--target", default="", help="account, account/strategy, venue or instrument_id, as --scope says")
    states = [state.value for state in (TradingState.HALTED, TradingState.REDUCING)]
    add("--state", choices=states, default=TradingState.HALTED.value)
    policies = [policy.value for policy in CancelPolicy]
    add("--cancel", choices=policies, default=CancelPolicy.NON_PROTECTIVE.value, help="which working orders go")
    add("--operator", default="operator", help="who halts")
    data_dir = Path(os.environ.get("PITWIRE_DATA_DIR", ".pitwire"))
    add("--data-dir", type=Path, default=data_dir, help="of execution, or of `pitwire up` (default: %(default)s)")
    return parser
