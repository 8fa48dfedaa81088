"""Backtests: a job as JSON on standard input, its result as JSON on standard output."""

from __future__ import annotations

import sys
from pathlib import Path

import orjson
from pydantic import ValidationError

from pitwire.backtest.adapters.files import Files
from pitwire.backtest.core.job import Job
from pitwire.backtest.handlers import run_job
from pitwire.common.clock import SystemClock
from pitwire.common.config import explain
from pitwire.common.errors import PitwireError


def main() -> int:
    """Runs one job; 2 and a line on standard error where it cannot be run."""
    try:
        job = Job.model_validate_json(sys.stdin.buffer.read())
        outcome = run_job(job, sources=Files((Path.cwd(),)), clock=SystemClock())
    except ValidationError as error:
        sys.stderr.write(f"the job on standard input: {explain(error)}\n")
        return 2
    except PitwireError as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return 2
    sys.stdout.buffer.write(orjson.dumps(outcome.document, default=str) + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
