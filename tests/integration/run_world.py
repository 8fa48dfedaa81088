"""A whole system under test: `pitwire up` as a person starts it, other commands beside it, what is left after."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.integration.cli_world import answer_of

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "pitwire.toml"
CACHE = ROOT / ".pitwire" / "cache"
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 60.0
POLL_S = 0.1
T = TypeVar("T")


def recorded_candles() -> Path:
    """Recorded one-minute candles of two instruments; PITWIRE_DATA names the folder of recordings."""
    return Path(os.environ.get("PITWIRE_DATA", ROOT.parent / "shared" / "data")) / "candles" / "binance_spot_2024"


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def _end_with_the_test() -> None:
    """In the child: a test process that is killed must not leave a whole system running behind it."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Run:
    """One `pitwire up` in a folder of its own."""

    def __init__(self, folder: Path, *words: str, config: Path = CONFIG, env: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        self.data_dir = folder / ".pitwire"
        share_cache(self.data_dir)
        self._err = (folder / "up.err").open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pitwire.cli", "up", "--config", str(config), *words],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=self._err,
            start_new_session=True,
            preexec_fn=_end_with_the_test if sys.platform == "linux" else None,  # noqa: PLW1509 - one call into libc, loaded before
            env=plain_env() | dict(env or {}),
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def said(self) -> str:
        """What it told the person at the terminal so far."""
        return (self.folder / "up.err").read_text(errors="replace")

    def until_trading(self) -> None:
        """Waits until every service is ready and the market runs."""
        self.until("trading", lambda: "in another terminal" in self.said(), timeout_s=START_TIMEOUT_S)

    def until(self, what: str, found: Callable[[], T], *, timeout_s: float = 30.0) -> T:
        """Polls until `found` is true-ish; fails with what `up` said when it ended or takes too long."""
        deadline = time.monotonic() + timeout_s
        while True:
            value = found()
            if value:
                return value
            assert self._process.poll() is None, f"it ended while waiting for {what}: {self.said()}"
            assert time.monotonic() < deadline, f"no {what} within {timeout_s:g} s: {self.said()}"
            time.sleep(POLL_S)

    def pitwire(self, *words: str) -> tuple[int, Any]:
        """Another command with `-o json`: its exit code and its document."""
        return answer_of(self.folder, *words)

    def all_ready(self) -> bool:
        """Whether every process that `current.json` names says it is ready."""
        return all(is_ready(url) for url in self.current()["health"].values())

    def current(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.data_dir / "current.json").read_bytes())
        return found

    def pid_of(self, name: str) -> int:
        """The process of one service or server, from the table of processes."""
        module = f"pitwire.{name.replace('-', '_')}"
        for pid, argv in processes(self.folder).items():
            if (module in argv and "-m" in argv) or (argv and Path(argv[0]).name == f"{name}-server"):
                return pid
        pids = (self.data_dir / "runs").glob(f"*/{name}/cluster/data/postmaster.pid")
        return next(int(path.read_text().splitlines()[0]) for path in pids)

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """As a crash of `up` itself."""
        self._process.kill()
        self._process.wait()

    def wait(self, *, timeout_s: float = STOP_TIMEOUT_S) -> tuple[int, dict[str, Any]]:
        """Its exit code and the last line of its standard output as JSON."""
        out, _ = self._process.communicate(timeout=timeout_s)
        lines = out.decode().splitlines()
        assert lines, f"no last line; it said {self.said()}"
        return self._process.returncode, json.loads(lines[-1])

    def end(self) -> None:
        """Whatever state it is in: over, and its processes gone."""
        if self._process.poll() is None:
            self.interrupt()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._err.close()


@contextmanager
def running(folder: Path, *words: str, config: Path = CONFIG, env: Mapping[str, str] | None = None) -> Iterator[Run]:
    """A run that is over at the end of the block, whatever happened in it."""
    run = Run(folder, *words, config=config, env=env)
    try:
        yield run
    finally:
        run.end()


def share_cache(data_dir: Path) -> None:
    """Templates of databases are made once for all tests, not once a run."""
    CACHE.mkdir(parents=True, exist_ok=True)
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (data_dir / CACHE.name).exists():
        (data_dir / CACHE.name).symlink_to(CACHE)


def plain_env() -> dict[str, str]:
    """The environment without any setting of Pitwire."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PITWIRE_")}


def is_ready(url: str) -> bool:
    """Whether the process behind a health address can work now."""
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def processes(folder: Path) -> dict[int, list[str]]:
    """Every process that has to do with `folder`: works in it, or names it in its command or environment."""
    found: dict[int, list[str]] = {}
    mark = os.fsencode(folder)
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
            place = os.fsencode((entry / "cwd").readlink())
        except OSError:
            continue
        if mark in command or place.startswith(mark):
            found[int(entry.name)] = command.decode(errors="replace").split("\0")
    return found


def until_gone(folder: Path, *, timeout_s: float = 15.0) -> dict[int, list[str]]:
    """What is still there after the time; empty when all went."""
    deadline = time.monotonic() + timeout_s
    while (left := processes(folder)) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return left
