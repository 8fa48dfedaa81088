"""A supervised child: it stops when told, it dies with its supervisor, and its folder is used by one at a time."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from pitwire.cli.servers.process import LOG_SIZE_MAX, ChildProcess, DirectoryLock, ServerError, free_port

WAIT_MAX_S = 15.0


def child(tmp_path: Path, script: str, **options: object) -> ChildProcess:
    return ChildProcess(
        ["/bin/sh", "-c", script],
        name="child",
        log_path=tmp_path / "child.log",
        env={"PATH": os.defpath},
        cwd=tmp_path,
        **options,  # type: ignore[arg-type] # a test passes what it likes
    )


def is_alive(pid: int) -> bool:
    """Whether the process is there and not merely waiting to be reaped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until_gone(pid: int) -> bool:
    deadline = time.monotonic() + WAIT_MAX_S
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not is_alive(pid)


def test_stop_asks_first_and_returns_the_exit_code(tmp_path: Path) -> None:
    process = child(tmp_path, "trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done")
    process.wait_until(lambda: b"up" in process.log_path.read_bytes(), timeout_s=5)
    assert process.stop(timeout_s=5) == 7


def test_stop_kills_a_child_that_does_not_listen(tmp_path: Path) -> None:
    process = child(tmp_path, "trap '' TERM; echo up; while :; do sleep 0.01; done")
    process.wait_until(lambda: b"up" in process.log_path.read_bytes(), timeout_s=5)
    assert process.stop(timeout_s=0.2) == -signal.SIGKILL


def test_a_child_that_ends_while_starting_is_reported_with_its_words(tmp_path: Path) -> None:
    process = child(tmp_path, "echo no such luck; exit 3")
    with pytest.raises(ServerError, match=r"ended with code 3 while starting.*\n.*no such luck"):
        process.wait_until(lambda: False, timeout_s=5)
    process.kill()


def test_a_child_that_is_never_ready_is_reported(tmp_path: Path) -> None:
    process = child(tmp_path, "exec sleep 60")
    with pytest.raises(ServerError, match=r"not ready after 0\.05 s; its log .* is empty"):
        process.wait_until(lambda: False, timeout_s=0.05)
    process.kill()


def test_a_program_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="cannot run /nowhere/server"):
        ChildProcess(["/nowhere/server"], name="server", log_path=tmp_path / "log", env={}, cwd=tmp_path)


def test_a_log_over_its_limit_starts_anew(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    log.write_bytes(b"x" * (LOG_SIZE_MAX + 1))
    process = child(tmp_path, "echo fresh")
    process.wait_until(lambda: process.returncode == 0, timeout_s=5)
    process.stop(timeout_s=1)
    assert log.read_text() == "fresh\n"


@pytest.mark.parametrize("script", ["exec sleep 600", "trap '' INT TERM; while :; do sleep 0.05; done"])
def test_no_child_outlives_a_supervisor_that_was_killed(tmp_path: Path, script: str) -> None:
    program = textwrap.dedent(f"""
        import os, pathlib, time
        from pitwire.cli.servers import process
        process.LEASH_GRACE_TENTHS = 3
        here = pathlib.Path({str(tmp_path)!r})
        argv = ["/bin/sh", "-c", {script!r}]
        child = process.ChildProcess(argv, name="c", log_path=here / "log", env=dict(os.environ), cwd=here)
        print(child.pid, flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        assert is_alive(pid)
        supervisor.kill()
    assert wait_until_gone(pid)


def test_a_stopped_child_takes_its_leash_with_it(tmp_path: Path) -> None:
    process = child(tmp_path, "exec sleep 600")
    leash = process._leash.pid
    assert is_alive(leash)
    process.stop(timeout_s=5)
    assert not is_alive(leash)


def test_a_folder_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path, timeout_s=1):
        with pytest.raises(ServerError, match=f"in use by the process {os.getpid()}"):
            DirectoryLock(tmp_path, timeout_s=0.05)
    DirectoryLock(tmp_path, timeout_s=1).release()


def test_a_child_that_inherited_the_lock_keeps_the_folder(tmp_path: Path) -> None:
    with DirectoryLock(tmp_path, timeout_s=1) as lock:
        process = child(tmp_path, "exec sleep 600", pass_fds=[lock.fileno()])
    with pytest.raises(ServerError, match="in use"):
        DirectoryLock(tmp_path, timeout_s=0.05)
    process.kill()
    DirectoryLock(tmp_path, timeout_s=1).release()


def test_a_free_port_can_be_bound() -> None:
    assert 1024 <= free_port() < 65536
