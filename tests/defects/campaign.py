"""`make defects`: plants each defect in a copy of the checkout and shows that its test goes red.

First every named test must pass on the clean copies. Then, defect by defect, the changed file is written, the one test
is run, and the file is put back. A test that does not even run proves nothing and counts as missed, and so does one
that fails because the patch itself is broken: a name, attribute or import that is not there. Tests run in forks of this
process, which has loaded the libraries but nothing of Pitwire: most of the time of a test run is that loading.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import multiprocessing
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, NamedTuple

import pytest
from tests.defects.catalogue import FOLDER, ROOT, Planted, absent, page, planted

COPIED: Final = ("libs", "services", "tests", "pyproject.toml", "pitwire.toml")
LOADED_BEFORE: Final = ("aiohttp", "hypothesis", "nats", "orjson", "prometheus_client", "pydantic", "structlog")
VENV: Final = f"{os.sep}.venv{os.sep}"
OPTIONS: Final = ("-x", "-q", "--tb=short", "-p", "no:cacheprovider", "-W", "ignore::pytest.PytestAssertRewriteWarning")
SECONDS_MAX: Final = 600
TESTS_PASSED, TESTS_FAILED, NO_END = 0, 1, -1
"""pytest's exit codes; 2 and more mean that the tests did not run."""

BROKEN_PATCH: Final = re.compile(
    r"^E +(NameError|UnboundLocalError|AttributeError|ImportError|SyntaxError)\b", re.MULTILINE
)
"""What no defect is made of: a test that ends so has seen the patch, not what is wrong."""


class Job(NamedTuple):
    """Tests to run, with a defect planted or without."""

    tests: Sequence[str]
    defect: Planted | None = None


class Outcome(NamedTuple):
    """What became of one job."""

    job: Job
    exit_code: int
    seconds: float
    output: str

    @property
    def is_caught(self) -> bool:
        return self.exit_code == TESTS_FAILED and not BROKEN_PATCH.search(self.output)


class Running(NamedTuple):
    """A job at work in one copy of the checkout."""

    process: BaseProcess
    job: Job
    checkout: Path
    report: Path
    started: float


def copy_of_checkout(folder: Path) -> Path:
    """The sources and tests alone, compiled, into a new `folder`."""
    folder.mkdir()
    for name in COPIED:
        source, target = ROOT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, target)
    for sources in folder.glob("*/*/src"):
        compileall.compile_dir(sources, quiet=2)
    return folder


def work(job: Job, checkout: Path, report: Path) -> None:
    """In the fork: the defect, then pytest on the copy and on nothing else of Pitwire."""
    with report.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(checkout)
    sys.dont_write_bytecode = True
    sys.modules.pop("tests", None)
    for name in [name for name in sys.modules if name.startswith("tests.")]:
        del sys.modules[name]
    installed = [path for path in sys.path if path and (VENV in path or not Path(path).is_relative_to(ROOT))]
    sys.path[:] = [str(checkout), *(str(path) for path in sorted(checkout.glob("*/*/src"))), *installed]
    if job.defect is not None:
        (checkout / job.defect.file).write_text(job.defect.applied(checkout), encoding="utf-8")
    errors = importlib.import_module("pitwire.common.errors")
    if not str(errors.__file__).startswith(str(checkout)):
        os._exit(pytest.ExitCode.INTERNAL_ERROR)
    os._exit(pytest.main([*OPTIONS, *job.tests]))


def run(jobs: Sequence[Job], copies: Sequence[Path]) -> Iterator[Outcome]:
    """Every job in a fork of its own; each copy of the checkout is used by one at a time."""
    context = multiprocessing.get_context("fork")
    waiting, free, running = list(reversed(jobs)), list(copies), dict[int, Running]()
    while waiting or running:
        while waiting and free:
            job, checkout = waiting.pop(), free.pop()
            report = checkout / "report.txt"
            process = context.Process(target=work, args=(job, checkout, report))
            process.start()
            running[process.sentinel] = Running(process, job, checkout, report, time.monotonic())
        oldest = min(each.started for each in running.values())
        wait(list(running), timeout=max(oldest + SECONDS_MAX - time.monotonic(), 0.0))
        for sentinel, each in list(running.items()):
            if each.process.is_alive() and time.monotonic() - each.started < SECONDS_MAX:
                continue
            del running[sentinel]
            yield _ended(each)
            free.append(each.checkout)


def _ended(each: Running) -> Outcome:
    """The outcome of a fork that ended or has had its time; the copy is clean again."""
    exit_code = NO_END
    if each.process.is_alive():
        each.process.kill()
    each.process.join()
    if each.process.exitcode is not None and each.process.exitcode >= 0:
        exit_code = each.process.exitcode
    if each.job.defect is not None:
        shutil.copy2(ROOT / each.job.defect.file, each.checkout / each.job.defect.file)
    output = ""
    with suppress(OSError):
        output = each.report.read_text(encoding="utf-8")
    return Outcome(each.job, exit_code, time.monotonic() - each.started, output)


def main() -> None:
    """Prints the table, what is not planted, and one JSON line; exit code 1 when a defect was missed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("ids", nargs="*", help="S-1 S-2 ...; all of them where none is named")
    parser.add_argument("--page", action="store_true", help="print docs/defects.md instead")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--catalogue", type=Path, default=FOLDER)
    wanted = parser.parse_args()
    if wanted.page:
        sys.stdout.write(page())
        return
    started = time.monotonic()
    for name in LOADED_BEFORE:
        importlib.import_module(name)
    defects = [defect for defect in planted(wanted.catalogue) if not wanted.ids or defect.id in wanted.ids]
    with tempfile.TemporaryDirectory(prefix="pitwire-defects-") as folder:
        copies = [copy_of_checkout(Path(folder) / str(number)) for number in range(wanted.at_once)]
        tests = sorted({defect.test for defect in defects})
        for outcome in run([Job(share) for at in range(len(copies)) if (share := tests[at :: len(copies)])], copies):
            if outcome.exit_code != TESTS_PASSED:
                sys.exit(f"without any defect:\n{outcome.output}")
        outcomes = list(_shown(run([Job([defect.test], defect) for defect in defects], copies)))
    missed = [outcome for outcome in outcomes if not outcome.is_caught]
    for outcome in missed:
        sys.stdout.write(f"\n{_line(outcome)}{outcome.output}\n")
    for row in absent(wanted.catalogue):
        sys.stdout.write(f"{row.id:5} absent          {row.reason}\n")
    summary = {
        "planted": len(outcomes),
        "caught": len(outcomes) - len(missed),
        "missed": sorted({outcome.job.defect.id for outcome in missed if outcome.job.defect}),
        "absent": [row.id for row in absent(wanted.catalogue)],
        "seconds": round(time.monotonic() - started, 1),
    }
    sys.stdout.write(json.dumps(summary) + "\n")
    sys.exit(1 if missed else 0)


def _shown(outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    """The same, each told as it comes."""
    for outcome in outcomes:
        sys.stdout.write(_line(outcome))
        sys.stdout.flush()
        yield outcome


def _line(outcome: Outcome) -> str:
    defect, verdict = outcome.job.defect, "caught" if outcome.is_caught else "MISSED"
    if defect is None:
        return f"{verdict}\n"
    return f"{defect.id:5} {verdict} {outcome.seconds:5.1f} s  {defect.what}  <- {defect.test.rpartition('::')[2]}\n"


if __name__ == "__main__":
    main()
