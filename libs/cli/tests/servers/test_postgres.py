"""A real PostgreSQL: made, killed, restarted, shared by nobody, run by any account."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from pitwire.cli.servers import Filling, Postgres, ServerError
from pitwire.cli.servers.account import NOBODY, root_ways

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("postgres-cache")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account can get to; those of pytest are closed again by each session that starts."""
    with tempfile.TemporaryDirectory(prefix="pitwire-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def connect(server: Postgres) -> psycopg.Connection:
    return psycopg.connect(server.dsn.replace("+psycopg", ""), autocommit=True)


def count(server: Postgres) -> int:
    with connect(server) as connection:
        row = connection.execute("SELECT count(*) FROM kept").fetchone()
    assert row is not None
    return int(row[0])


def fill(server: Postgres, rows: int) -> None:
    with connect(server) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (number int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, %s)", [rows])


def test_kill_and_restart_keep_the_port_and_every_committed_row(tmp_path: Path, cache: Path) -> None:
    with Postgres(tmp_path / "pg", cache=cache) as server:
        fill(server, 2000)
        before = server.dsn
        server.kill()
        server.restart()
        assert server.dsn == before
        assert count(server) == 2000


def test_rows_outlive_the_supervisor_object(tmp_path: Path, cache: Path) -> None:
    with Postgres(tmp_path / "pg", cache=cache, durable=False) as server:
        fill(server, 10)
    with Postgres(tmp_path / "pg", cache=cache, durable=False) as server:
        assert count(server) == 10


async def test_two_servers_start_at_once_from_one_cold_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first, second = (
        Postgres(tmp_path / "a", cache=cache, durable=False),
        Postgres(tmp_path / "b", cache=cache, durable=False),
    )
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.to_thread(first.start))
        group.create_task(asyncio.to_thread(second.start))
    try:
        fill(first, 1)
        fill(second, 2)
        assert (count(first), count(second)) == (1, 2)
    finally:
        first.stop()
        second.stop()


def test_each_server_has_a_password_of_its_own_and_insists_on_it(tmp_path: Path, cache: Path) -> None:
    with (
        Postgres(tmp_path / "a", cache=cache, durable=False) as first,
        Postgres(tmp_path / "b", cache=cache, durable=False) as second,
    ):
        passwords = [server.dsn.split(":")[2].split("@")[0] for server in (first, second)]
        assert passwords[0] != passwords[1]
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(first.dsn.replace("+psycopg", "").replace(passwords[0], passwords[1]))


def test_it_listens_on_loopback_alone(tmp_path: Path, cache: Path) -> None:
    with Postgres(tmp_path / "pg", cache=cache) as server, connect(server) as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("127.0.0.1",)
        assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_stop_leaves_no_process(tmp_path: Path, cache: Path) -> None:
    server = Postgres(tmp_path / "pg", cache=cache, durable=False).start()
    fill(server, 1)
    pid = server.pid
    server.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert str(tmp_path) not in processes()
    server.stop()


def test_no_server_outlives_a_supervisor_that_was_killed_and_the_next_start_recovers(
    tmp_path: Path, cache: Path
) -> None:
    program = (
        "import sys, time; from pathlib import Path; from pitwire.cli.servers import Postgres\n"
        "server = Postgres(Path(sys.argv[1]), cache=Path(sys.argv[2]), durable=False).start()\n"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    argv = [sys.executable, "-c", program, str(tmp_path / "pg"), str(cache)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        supervisor.kill()
    with Postgres(tmp_path / "pg", cache=cache, durable=False) as server:
        assert server.pid != pid
        assert "postgres" not in command_of(pid)


def test_a_pid_file_that_names_another_live_process_does_not_stop_the_start(tmp_path: Path, cache: Path) -> None:
    with Postgres(tmp_path / "pg", cache=cache, durable=False) as server:
        fill(server, 5)
        server.kill()
        pid_file = tmp_path / "pg/cluster/data/postmaster.pid"
        lines = pid_file.read_text().splitlines()
        with subprocess.Popen(["/bin/sleep", "600"]) as stranger:
            pid_file.write_text("\n".join([str(stranger.pid), *lines[1:]]) + "\n")
            server.restart()
            stranger.kill()
        assert count(server) == 5


def test_a_first_start_that_was_cut_short_is_made_anew(tmp_path: Path, cache: Path) -> None:
    half = tmp_path / "pg/cluster.new/data"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with Postgres(tmp_path / "pg", cache=cache, durable=False) as server:
        fill(server, 1)


def test_a_folder_in_use_is_refused(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pitwire.cli.servers.postgres.LOCK_TIMEOUT_S", 0.05)
    with (
        Postgres(tmp_path / "pg", cache=cache, durable=False),
        pytest.raises(ServerError, match="in use by the process"),
    ):
        Postgres(tmp_path / "pg", cache=cache, durable=False).start()


def test_data_of_another_major_version_is_refused_and_left_alone(tmp_path: Path, cache: Path) -> None:
    Postgres(tmp_path / "pg", cache=cache, durable=False).start().stop()
    version = tmp_path / "pg/cluster/data/PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(ServerError, match=r"was made by PostgreSQL 14, but .*PITWIRE_PG_BIN"):
        Postgres(tmp_path / "pg", cache=cache, durable=False).start()
    assert (tmp_path / "pg/cluster/password").exists()


def test_a_setting_the_server_refuses_is_reported_with_its_words(tmp_path: Path, cache: Path) -> None:
    with pytest.raises(ServerError, match="invalid value for parameter .shared_buffers"):
        Postgres(tmp_path / "pg", cache=cache, durable=False, settings={"shared_buffers": "much"}).start()
    assert str(tmp_path) not in processes()


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Postgres(tmp_path / "pg", cache=tmp_path / "file" / "below", durable=False) as server:
        fill(server, 1)


def filling(key: str, rows: int, filled: list[str]) -> Filling:
    """A table of so many rows; `filled` is told each time that it is really made."""

    def make(dsn: str) -> None:
        filled.append(key)
        with psycopg.connect(dsn.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (number int)")
            connection.execute("INSERT INTO kept SELECT generate_series(1, %s)", [rows])

    return Filling(key, make)


def test_a_new_database_holds_its_filling_which_is_made_once_per_key(tmp_path: Path) -> None:
    cache, filled = tmp_path / "cache", list[str]()
    for folder, key, rows in (("a", "one", 3), ("b", "one", 3), ("c", "two", 5)):
        with Postgres(tmp_path / folder, cache=cache, filling=filling(key, rows, filled), durable=False) as server:
            assert count(server) == rows
    assert filled == ["one", "two"]


def test_a_filling_that_fails_leaves_no_template(tmp_path: Path, cache: Path) -> None:
    filled = list[str]()

    def fail(_: str) -> None:
        raise ServerError("no schema today")

    with pytest.raises(ServerError, match="no schema today"):
        Postgres(tmp_path / "a", cache=cache, filling=Filling("failed", fail), durable=False).start()
    with Postgres(tmp_path / "a", cache=cache, filling=filling("failed", 3, filled), durable=False) as server:
        assert count(server) == 3
    assert filled == ["failed"]


def test_a_server_that_crashed_says_so(tmp_path: Path, cache: Path) -> None:
    with Postgres(tmp_path / "pg", cache=cache, durable=False) as server:
        assert server.returncode is None
        os.kill(server.pid, signal.SIGKILL)
        assert wait_for_end(server) == -signal.SIGKILL
        server.restart()
        fill(server, 1)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
@pytest.mark.parametrize("number", range(4))
def test_root_runs_it_in_each_way_that_this_machine_has(open_folder: Path, number: int) -> None:
    ways = list(root_ways())
    if number >= len(ways):
        pytest.skip("this machine has fewer ways")
    if not can_run(ways[number].prefix):
        pytest.skip(f"{' '.join(ways[number].prefix)} does not work on this machine")
    with Postgres(open_folder / "pg", account=ways[number], durable=False) as server:
        fill(server, 3)
        server.kill()
        server.restart()
        assert count(server) == 3


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_an_ordinary_user_runs_it(open_folder: Path) -> None:
    become = [shutil.which("setpriv") or "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    if not can_run((*become, sys.executable, "-c", "import pitwire.cli", "--")):
        pytest.skip("nobody cannot reach this Python")
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    program = (
        "import os, sys; from pathlib import Path; from pitwire.cli.servers import NatsServer, Postgres\n"
        "home = Path(sys.argv[1])\n"
        "with NatsServer({'jetstream': True}, home / 'nats'), Postgres(home / 'pg', cache=home / 'cache') as server:\n"
        "    print(os.getuid(), Path(f'/proc/{server.pid}').stat().st_uid)"
    )
    done = subprocess.run([*become, sys.executable, "-c", program, str(home)], capture_output=True, text=True, cwd=home)
    assert done.stderr == "", done.stderr
    assert done.stdout.split() == [str(NOBODY)] * 2


def wait_for_end(server: Postgres) -> int:
    while True:
        code = server.returncode
        if code is not None:
            return code


def can_run(prefix: tuple[str, ...]) -> bool:
    return subprocess.run([*prefix, "/bin/true"], capture_output=True).returncode == 0


def command_of(pid: int) -> str:
    """The command line of a process; empty when it is gone or waits to be reaped."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""


def processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
