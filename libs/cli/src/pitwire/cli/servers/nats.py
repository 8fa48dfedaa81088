"""A real nats-server under supervision."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

from pitwire.cli.servers.binaries import find_nats
from pitwire.cli.servers.process import ChildProcess, DirectoryLock, ServerError

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 10.0
LOCK_TIMEOUT_S: Final = 10.0
RELOAD_ANSWER: Final = re.compile(rb"(Reloaded|Failed) (?:to reload )?server configuration")


class NatsServer:
    """A nats-server on 127.0.0.1 whose files all live in `store_dir`, started by `start` or as a context manager.

    `config` is the server's own configuration as a mapping (JSON is a form of it); the supervisor adds the listening
    address, the JetStream folder where JetStream is on (`{"jetstream": True}` is enough), and the ports file. `port` 0
    takes any free port, which then stays the same over `restart`. One supervisor uses a `store_dir` at a time; a second
    waits up to 10 s, then fails with `ServerError`, as does everything else that goes wrong.
    """

    def __init__(self, config: Mapping[str, object], store_dir: Path, *, port: int = 0) -> None:
        self._config = dict(config)
        self._dir = store_dir
        self._port = port
        self._monitoring_port = 0
        self._addresses: dict[str, object] = {}
        self._child: ChildProcess | None = None

    @property
    def url(self) -> str:
        """The client address, `nats://127.0.0.1:<port>`."""
        if not self._port:
            raise ServerError(f"nats-server in {self._dir} was never started")
        return f"nats://127.0.0.1:{self._port}"

    @property
    def monitoring_url(self) -> str:
        """The address of the server's own HTTP pages (`/healthz`, `/varz`, `/jsz`)."""
        if not self._monitoring_port:
            raise ServerError(f"nats-server in {self._dir} was never started")
        return f"http://127.0.0.1:{self._monitoring_port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        return self._running().pid

    @property
    def returncode(self) -> int | None:
        """None while the server runs; its exit code once it ended by itself."""
        return self._running().returncode

    @property
    def log_path(self) -> Path:
        """The server's log."""
        return self._dir / "nats-server.log"

    def start(self) -> Self:
        """Start and wait until clients can connect. Any state that a crash left in `store_dir` is recovered."""
        if self._child is not None:
            raise ServerError(f"nats-server in {self._dir} is already started")
        binary = find_nats()
        self._dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with DirectoryLock(self._dir, timeout_s=LOCK_TIMEOUT_S) as lock:
            for stale in self._dir.glob("*.ports"):
                stale.unlink()
            self._addresses = {
                "listen": f"127.0.0.1:{self._port or -1}",
                "http": f"127.0.0.1:{self._monitoring_port or -1}",
            }
            config_path = self._write_config()
            child = ChildProcess(
                [binary, "-c", config_path],
                name="nats-server",
                log_path=self.log_path,
                env={"PATH": os.defpath, "HOME": os.fspath(self._dir)},
                cwd=self._dir,
                pass_fds=[lock.fileno()],
            )
        try:
            child.wait_until(lambda: self._read_ports(child.pid), timeout_s=START_TIMEOUT_S)
        except BaseException:
            child.kill()
            raise
        self._child = child
        return self

    def stop(self) -> None:
        """Stop in good order; nothing happens when the server does not run."""
        if self._child is not None:
            self._child.stop(timeout_s=STOP_TIMEOUT_S)
            self._child = None

    def kill(self) -> None:
        """End the server as a crash would; `restart` or `start` brings it back."""
        self._running().kill()
        self._child = None

    def restart(self) -> None:
        """Stop if running, then start again on the same port."""
        self.stop()
        self.start()

    def reload(self, config: Mapping[str, object]) -> None:
        """Have the running server take another configuration (users, permissions) and wait until it has.

        Its clients stay connected. A configuration that the server refuses raises `ServerError` and changes nothing.
        """
        child, before = self._running(), self._config
        read = self.log_path.stat().st_size
        self._config = dict(config)
        self._write_config()
        child.reload()
        child.wait_until(lambda: bool(RELOAD_ANSWER.search(self._log_from(read))), timeout_s=START_TIMEOUT_S)
        answer = RELOAD_ANSWER.search(self._log_from(read))
        if answer and answer.group(1) == b"Failed":
            self._config = before
            self._write_config()
            raise ServerError(f"nats-server did not take the configuration; {child.log_tail()}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await asyncio.to_thread(self.start)

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self.stop)

    def _running(self) -> ChildProcess:
        if self._child is None:
            raise ServerError(f"nats-server in {self._dir} is not running")
        return self._child

    def _log_from(self, offset: int) -> bytes:
        with self.log_path.open("rb") as log:
            log.seek(offset)
            return log.read()

    def _write_config(self) -> Path:
        # The server reads its keys in no fixed order: a `port` beside `listen` would win every now and then.
        given = {key: value for key, value in self._config.items() if key not in ("host", "port")}
        document: dict[str, object] = {**given, **self._addresses, "ports_file_dir": os.fspath(self._dir)}
        jetstream = document.get("jetstream")
        if jetstream:
            own = jetstream if isinstance(jetstream, Mapping) else {}
            document["jetstream"] = {"store_dir": os.fspath(self._dir / "jetstream"), **own}
        path = self._dir / "nats-server.json"
        fresh = path.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(json.dumps(document, indent=1))
        fresh.replace(path)
        return path

    def _read_ports(self, pid: int) -> bool:
        """True once the server has written which ports it listens on, which it does when clients are welcome."""
        files = [path for path in self._dir.glob("*.ports") if path.stem.endswith(f"_{pid}")]
        if not files:
            return False
        try:
            ports = json.loads(files[0].read_bytes())
        except json.JSONDecodeError:
            return False
        self._port = _port_of(ports["nats"][0])
        self._monitoring_port = _port_of(ports["monitoring"][0])
        return True


def _port_of(address: str) -> int:
    return int(address.rsplit(":", 1)[1])
