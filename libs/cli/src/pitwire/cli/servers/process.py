"""One supervised child process: started detached, watched, stopped in order, and never left behind.

A child runs in a session of its own, so that Ctrl-C in a terminal reaches the supervisor alone, which then stops its
children in its own order. A leash ends it when the supervisor dies in any other way: a small shell waits on a pipe
whose other end only the supervisor holds, and which the kernel closes even after kill -9. (The kernel's parent-death
signal was not taken: it fires when the *thread* that started the child ends, and a change of user clears it.)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Final, Self

from pitwire.common.errors import PitwireError

POLL_INTERVAL_S: Final = 0.005
LOG_SIZE_MAX: Final = 8 * 1024 * 1024
LOG_TAIL_MAX: Final = 2_000
LEASH_GRACE_TENTHS: Final = 50
LEASH: Final = """
IFS= read -r word
[ "$word" = released ] && exit 0
kill -s "$2" "$1" 2>/dev/null || exit 0
n=0
while [ "$n" -lt "$3" ]; do kill -0 "$1" 2>/dev/null || exit 0; sleep 0.1; n=$((n + 1)); done
kill -s KILL "$1" 2>/dev/null
"""


class ServerError(PitwireError):
    """A server could not be started, reached or stopped; the message says which, why, and where its log is."""

    code = "SERVER"


class ChildProcess:
    """A running child that cannot outlive its supervisor.

    `stop_signal` asks it to end in good order, from `stop` as well as from the leash. Standard output and error go to
    `log_path`, which starts anew once it is over 8 MB; with `answer_path` standard output goes there instead, into a
    fresh file for its owner alone. Descriptors in `pass_fds` stay open in the child.
    """

    def __init__(
        self,
        argv: Sequence[str | Path],
        *,
        name: str,
        log_path: Path,
        env: Mapping[str, str],
        cwd: Path,
        stop_signal: signal.Signals = signal.SIGTERM,
        pass_fds: Sequence[int] = (),
        answer_path: Path | None = None,
    ) -> None:
        self.name = name
        self.log_path = log_path
        self._stop_signal = stop_signal
        with _open_log(log_path) as log, _open_answers(answer_path) as answers:
            try:
                self._process = subprocess.Popen(
                    [os.fspath(part) for part in argv],
                    stdin=subprocess.DEVNULL,
                    stdout=answers or log,
                    stderr=log,
                    env=dict(env),
                    cwd=cwd,
                    pass_fds=pass_fds,
                    start_new_session=True,
                )
            except OSError as error:
                raise ServerError(f"{name}: cannot run {argv[0]}: {error}") from error
        self._leash = _tie_leash(self._process.pid, stop_signal)

    @property
    def pid(self) -> int:
        """The process id; it names this child until it was reaped."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal, or None while the child runs."""
        return self._process.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send one signal; a child that has ended is left alone."""
        if self._process.poll() is None:
            self._process.send_signal(number)

    def wait_until(self, ready: Callable[[], bool], *, timeout_s: float) -> None:
        """Wait for `ready()`; raise `ServerError` with the end of the log if the child ends first or takes too long."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self.returncode is not None:
                raise ServerError(f"{self.name} ended with code {self.returncode} while starting; {self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.name} was not ready after {timeout_s:g} s; {self.log_tail()}")
            time.sleep(POLL_INTERVAL_S)

    def stop(self, *, timeout_s: float) -> int:
        """Ask the child to end, kill it after `timeout_s`, and return its exit code."""
        self.signal(self._stop_signal)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        return self._untie()

    def kill(self) -> int:
        """End the child as a crash would (SIGKILL) and return its exit code."""
        self.signal(signal.SIGKILL)
        self._process.wait()
        return self._untie()

    def reload(self) -> None:
        """Ask the child to read its configuration again (SIGHUP)."""
        self.signal(signal.SIGHUP)

    def log_tail(self) -> str:
        """The end of the log, for an error message."""
        try:
            text = self.log_path.read_text(errors="replace")[-LOG_TAIL_MAX:].strip()
        except OSError as error:
            return f"its log {self.log_path} cannot be read: {error}"
        return f"end of {self.log_path}:\n{text}" if text else f"its log {self.log_path} is empty"

    def _untie(self) -> int:
        with contextlib.suppress(BrokenPipeError):
            self._leash.communicate(b"released\n")
        return self._process.returncode


class DirectoryLock:
    """Sole use of a directory by this process and by the children that inherit `fileno()`.

    The lock is held until the last of them has closed it, so it also tells that no server of a supervisor that was
    killed is still at work in the directory.
    """

    def __init__(self, directory: Path, *, timeout_s: float) -> None:
        self._path = directory / "lock"
        self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    holder = os.pread(self._fd, 32, 0).decode(errors="replace").strip() or "unknown"
                    os.close(self._fd)
                    raise ServerError(
                        f"{directory} is in use by the process {holder}; stop it or choose another directory"
                    ) from None
                time.sleep(POLL_INTERVAL_S)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def fileno(self) -> int:
        """The descriptor to pass on to children."""
        return self._fd

    def release(self) -> None:
        """Give the directory up; children that inherited the lock keep it until they end."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _open_log(path: Path) -> BinaryIO:
    """Open for appending, or anew when the file has grown past its limit."""
    grown = path.exists() and path.stat().st_size > LOG_SIZE_MAX
    return path.open("wb" if grown else "ab")


def _open_answers(path: Path | None) -> contextlib.AbstractContextManager[BinaryIO | None]:
    """A fresh file that only its owner may read: answers may hold keys."""
    if path is None:
        return contextlib.nullcontext()
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def _tie_leash(pid: int, stop_signal: signal.Signals) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        ["/bin/sh", "-c", LEASH, "leash", str(pid), stop_signal.name.removeprefix("SIG"), str(LEASH_GRACE_TENTHS)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
