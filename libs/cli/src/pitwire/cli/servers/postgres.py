"""A real PostgreSQL under supervision."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from pitwire.cli.servers.account import Account, account_for
from pitwire.cli.servers.binaries import PostgresBinaries, find_postgres
from pitwire.cli.servers.cluster import (
    DATABASE,
    ROLE,
    SERVER_ENV,
    Filling,
    Template,
    empty_template,
    filled_template,
    make_cluster,
)
from pitwire.cli.servers.process import ChildProcess, DirectoryLock, ServerError, free_port

START_TIMEOUT_S: Final = 60.0
STOP_TIMEOUT_S: Final = 20.0
LOCK_TIMEOUT_S: Final = 15.0
PORT_ATTEMPTS_MAX: Final = 5

# Small on purpose: one machine, a few connections a service. What a deployment needs it sets on its own server.
SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "jit": "off",
    "huge_pages": "off",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "timezone": "UTC",
}
# A throw-away database of a test: a crash of the server loses nothing, a power cut may. (With synchronous_commit off
# a crash would lose commits too.)
NOT_DURABLE: Final[Mapping[str, str]] = {"fsync": "off", "full_page_writes": "off"}


class Postgres:
    """A PostgreSQL on 127.0.0.1 whose files all live in `folder`, started by `start` or as a context manager.

    The database is made at the first start, with a generated password (scram). `cache` is a folder for templates that
    make the first start quicker; any number of supervisors may share it. `filling` says what a new database holds,
    where there is a cache to keep it in. With `durable=False` the server does not wait for the disk. Any free port is
    taken and stays the same over `restart`. One supervisor uses a folder at a time; a second waits up to 15 s, then
    fails with `ServerError`, as does everything else that goes wrong.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cache: Path | None = None,
        filling: Filling | None = None,
        durable: bool = True,
        settings: Mapping[str, str] | None = None,
        binaries: PostgresBinaries | None = None,
        account: Account | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._cache = cache.absolute() if cache else None
        self._filling = filling
        self._durable = durable
        self._settings = {**SETTINGS, **({} if durable else NOT_DURABLE), **(settings or {})}
        self._binaries = binaries
        self._account = account
        self._port = 0
        self._child: ChildProcess | None = None

    @property
    def dsn(self) -> str:
        """The address of the database, as SQLAlchemy wants it; it contains the password."""
        return self.dsn_of(DATABASE)

    def dsn_of(self, database: str) -> str:
        """The address of another database of this server."""
        if not self._port:
            raise ServerError(f"PostgreSQL in {self._folder} was never started")
        password = (self._cluster / "password").read_text()
        return f"postgresql+psycopg://{ROLE}:{password}@127.0.0.1:{self._port}/{database}"

    @property
    def pid(self) -> int:
        """The process id of the running server (of its postmaster)."""
        return self._running().pid

    @property
    def returncode(self) -> int | None:
        """None while the server runs; its exit code once it ended by itself."""
        return self._running().returncode

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self._folder / "postgres.log"

    def start(self) -> Self:
        """Start and wait until clients can connect. What a crash left behind is recovered by PostgreSQL itself."""
        if self._child is not None:
            raise ServerError(f"PostgreSQL in {self._folder} is already started")
        binaries = self._binaries or find_postgres()
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        account = self._account or account_for(binaries.folder / "postgres", self._folder.parent)
        account.give(self._folder)
        with DirectoryLock(self._folder, timeout_s=LOCK_TIMEOUT_S) as lock:
            self._prepare(binaries, account)
            argv: list[str | Path] = [*account.prefix, binaries.folder / "postgres", "-D", self._data]
            self._child = self._launch(argv, lock)
        return self

    def stop(self) -> None:
        """Stop at once but in good order (connections are closed); nothing happens when the server does not run."""
        if self._child is not None:
            self._child.stop(timeout_s=STOP_TIMEOUT_S)
            self._child = None

    def kill(self) -> None:
        """End the server as a crash would; `restart` or `start` brings it back with every committed row."""
        self._running().kill()
        self._child = None

    def restart(self) -> None:
        """Stop if running, then start again on the same port."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    @property
    def _cluster(self) -> Path:
        return self._folder / "cluster"

    @property
    def _data(self) -> Path:
        return self._cluster / "data"

    def _running(self) -> ChildProcess:
        if self._child is None:
            raise ServerError(f"PostgreSQL in {self._folder} is not running")
        return self._child

    def _prepare(self, binaries: PostgresBinaries, account: Account) -> None:
        """Make the cluster where there is none; check and clean the one that is there."""
        if not self._cluster.exists():
            template = self._template(binaries, account)
            make_cluster(self._cluster, binaries, account, template=template, durable=self._durable)
            return
        made_by = (self._data / "PG_VERSION").read_text().strip()
        if made_by != str(binaries.major):
            raise ServerError(
                f"{self._data} was made by PostgreSQL {made_by}, but {binaries.source} has {binaries.version}; set "
                f"PITWIRE_PG_BIN to binaries of version {made_by}, or move the folder away to start empty"
            )
        account.give(self._cluster)
        # Safe: every process of a server holds the lock, and we hold it now, so the server of that file is gone.
        # Left in place, PostgreSQL would refuse to start when another process has taken the same number since.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _template(self, binaries: PostgresBinaries, account: Account) -> Template | None:
        cache, filling = self._cache, self._filling
        if cache is None:
            return None
        if filling is None:
            return empty_template(cache, binaries, account)

        def make(folder: Path) -> Path:
            with Postgres(folder, cache=cache, durable=False, binaries=binaries, account=account) as server:
                filling.fill(server.dsn)
            return server._data

        return filled_template(cache, binaries, account, filling.key, make)

    def _launch(self, argv: list[str | Path], lock: DirectoryLock) -> ChildProcess:
        """Start on the port of before, else on a free one; another, should somebody have taken it in between."""
        for attempt in range(1, PORT_ATTEMPTS_MAX + 1):
            port = self._port or free_port()
            child = ChildProcess(
                [
                    *argv,
                    *(
                        word
                        for key, value in {**self._settings, "port": str(port)}.items()
                        for word in ("-c", f"{key}={value}")
                    ),
                ],
                name="PostgreSQL",
                log_path=self.log_path,
                env=SERVER_ENV,
                cwd=self._folder,
                stop_signal=signal.SIGINT,
                pass_fds=[lock.fileno()],
            )
            try:
                child.wait_until(self._is_ready, timeout_s=START_TIMEOUT_S)
            except ServerError as error:
                child.kill()
                if self._port or attempt == PORT_ATTEMPTS_MAX or "could not bind" not in str(error):
                    raise
            except BaseException:
                child.kill()
                raise
            else:
                self._port = port
                return child
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _is_ready(self) -> bool:
        """The postmaster writes its state into the last line of its pid file, once there is one."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return lines[-1].strip() == "ready" if lines else False
