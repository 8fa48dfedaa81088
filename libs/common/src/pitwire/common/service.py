"""The shell every service runs in: connect, log, heartbeat, health, supervise, quarantine, stop. It decides nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from types import TracebackType
from typing import Any, Final, Self

import uvloop
from prometheus_client import CollectorRegistry

from pitwire.common import codec, crashpoints, registry, subjects
from pitwire.common.agreement import BUILD
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_S, Clock, SystemClock, random_token
from pitwire.common.config import ServiceSettings
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import BusUnavailable, ConfigError, UsageError
from pitwire.common.health import HealthServer
from pitwire.common.ids import content_hash
from pitwire.common.schemas.control import Alert, DeadLetter, Heartbeat
from pitwire.common.telemetry import Log, ShellMetrics, set_up_logging, set_up_tracing

HEARTBEAT_PERIOD_S: Final = 0.25
FIRST_CONNECT_TRIES_MAX: Final = 60
FIRST_CONNECT_WAIT_S: Final = 0.5
STOP_TIMEOUT_S: Final = 5.0
DEAD_LETTER_PAYLOAD_MAX: Final = 100_000
GC_THRESHOLD: Final = 50_000
"""Messages are made by the thousand and hold no cycles: looking for some after every 700 costs a tenth of the time."""

EXIT_OK: Final = 0
EXIT_FAILED: Final = 1
EXIT_USAGE: Final = 2


def schema_hash() -> str:
    """sha256 over every message schema: processes that disagree must not trade together."""
    text = "".join(f"{name}{model.model_json_schema()}" for name, model in sorted(registry.SCHEMAS.items()))
    return content_hash(text.encode())


class Service:
    """One process. Use as `async with Service(name, settings) as service: ...; await service.run()`."""

    def __init__(self, name: str, settings: ServiceSettings, *, config_hash: str = "") -> None:
        self.name = name
        self.settings = settings
        crashpoints.arm(settings.crashpoint)
        self.instance = random_token(4)
        self.clock: Clock = SystemClock()
        self.log: Log = set_up_logging(name, settings.slot, settings.log_level)
        self.registry = CollectorRegistry()
        self.metrics = ShellMetrics(self.registry, name)
        self.tracing = set_up_tracing(name, settings.otlp_endpoint)
        self.bus: NatsBus
        self._config_hash = config_hash
        self._schema_hash = schema_hash()
        self._health = HealthServer(self.registry, self._answers_ready)
        self._ready = False
        self._leader = False
        self._progress: dict[str, int] = {"ts_market_ns": 0, "cursor": 0, "lag": 0}
        self._beat = asyncio.Event()
        self._stop = asyncio.Event()
        self._starting: asyncio.Task[Any] | None = None
        self._exit_code = EXIT_OK
        self._tasks: list[asyncio.Task[None]] = []
        self._on_stop: list[Callable[[], Awaitable[None]]] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._starting = asyncio.current_task()
        for signum in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(signum, self._end)
        await self._health.start(self.settings.health_host, self.settings.health_port)
        self.bus = await self._connect()
        self.spawn("heartbeat", self._heartbeats())
        self.log.info("started", pid=os.getpid(), instance=self.instance, health_port=self._health.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, asyncio.CancelledError | UsageError):
            self.log.error("failed", exc_info=error)
        self._stop.set()
        for task in self._tasks:
            task.cancel()
        await self._within("tasks", asyncio.gather(*self._tasks, return_exceptions=True))
        await self._within("bus", self.bus.close())
        await self._within("health", self._health.stop())
        self.tracing.close()
        self.log.info("stopped", exit_code=self._exit_code)
        if self._starting is not None and isinstance(error, asyncio.CancelledError):
            raise SystemExit(self._exit_code)

    async def run(self) -> int:
        """Works until SIGTERM, SIGINT or the failure of a task; then stops in order. Returns the exit code."""
        self._starting = None
        await self._stop.wait()
        self.set_ready(False)
        for hook in reversed(self._on_stop):
            await self._within("stop hook", hook())
        return self._exit_code

    def on_stop(self, hook: Callable[[], Awaitable[None]]) -> None:
        """`hook` runs, bounded in time, while the bus is still there; last registered runs first."""
        self._on_stop.append(hook)

    def spawn(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Supervised: when it raises, the process stops and its restart recovers as a first start does."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._on_task_done)
        self._tasks.append(task)
        return task

    def fail(self, reason: str, error: BaseException | None = None) -> None:
        """Ends the process: something that only a fresh start can mend."""
        self.log.critical("ends itself", reason=reason, exc_info=error)
        self._exit_code = EXIT_FAILED
        self._end()

    def _end(self) -> None:
        """Stops the run; a start that still waits for something is ended where it waits."""
        if self._starting is not None and not self._stop.is_set():
            self._starting.cancel()
        self._stop.set()

    async def must_be_allowed(self, *subjects_written: str) -> None:
        """`AppendRefused` where this process may not append what it lives by; a silent bus is waited for elsewhere."""
        for subject in subjects_written:
            try:
                await self.bus.may_append(subject)
            except BusUnavailable as error:
                self.log.warning("permission not asked", subject=subject, reason=str(error))

    def set_ready(self, ready: bool) -> None:
        self._ready = ready
        self.metrics.ready.set(1 if ready else 0)
        self._beat.set()

    def set_leader(self, leader: bool) -> None:
        self._leader = leader

    def progress(
        self, *, ts_market_ns: int | None = None, cursor: int | None = None, lag: int | None = None, now: bool = False
    ) -> None:
        """How far this process is. `now` sends a heartbeat at once: after a closed candle was fully handled."""
        if ts_market_ns is not None and ts_market_ns > self._progress["ts_market_ns"]:
            self._progress["ts_market_ns"] = ts_market_ns
            self.metrics.market_time.set(ts_market_ns / NS_PER_S)
        if cursor is not None:
            self._progress["cursor"] = cursor
            self.metrics.cursor.set(cursor)
        if lag is not None:
            self._progress["lag"] = lag
            self.metrics.lag.set(lag)
        if now:
            self._beat.set()

    async def quarantine(self, record: Record, reason: str, *, stream: str = "") -> None:
        """Sets a record aside, whole, with its place and reason; counts it; the caller goes on."""
        self.metrics.quarantined.inc()
        self.log.warning("quarantined", subject=record.subject, sequence=record.sequence, reason=reason)
        letter = DeadLetter(
            service=self.name,
            subject=record.subject[:512],
            stream=stream,
            sequence=record.sequence,
            schema_header=(record.schema or "")[:512],
            reason=reason[:512],
            payload_base64=base64.b64encode(record.data[:DEAD_LETTER_PAYLOAD_MAX]).decode(),
            ts_ns=self.clock.wall_ns(),
        )
        await self._tell(subjects.dead_letter(self.name), codec.encode(letter), codec.headers_for(letter))

    async def alert(
        self, severity: AlertSeverity, code: str, text: str, *, account: str = "", strategy: str = "", **data: str
    ) -> None:
        """Tells a person, through the bus; also logged, so that a lost bus loses no alert."""
        self.log.warning("alert", severity=severity.value, code=code, text=text, account=account, strategy=strategy)
        message = Alert(
            alert_id=random_token(),
            severity=severity,
            source=self.name,
            code=code,
            text=text[:512],
            account=account,
            strategy=strategy,
            data=data,
            ts_ns=self.clock.wall_ns(),
        )
        subject = subjects.alert(severity.value, self.name)
        await self._tell(subject, codec.encode(message), codec.headers_for(message))

    async def _tell(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        try:
            await self.bus.publish(subject, data, headers)
        except BusUnavailable as error:
            self.log.warning("not told", subject=subject, reason=str(error))

    async def _connect(self) -> NatsBus:
        for tried in range(1, FIRST_CONNECT_TRIES_MAX + 1):
            try:
                return await NatsBus.connect(
                    self.settings.nats_url,
                    principal=self.name,
                    name=f"{self.name}.{self.settings.slot}.{self.instance}",
                    seed_file=self.settings.nats_seed_file,
                    on_trouble=self._on_bus_trouble,
                    on_closed=self._on_bus_closed,
                )
            except BusUnavailable as error:
                if tried == FIRST_CONNECT_TRIES_MAX or self._stop.is_set():
                    raise
                self.log.warning("bus not reached yet", tried=tried, reason=str(error))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(FIRST_CONNECT_WAIT_S):
                        await self._stop.wait()
        raise AssertionError

    def _on_bus_trouble(self, what: str) -> None:
        self.metrics.bus_trouble.inc()
        self.log.warning("bus", what=what)

    def _on_bus_closed(self) -> None:
        if not self._stop.is_set():
            self.fail("the bus closed the connection for good (were the credentials changed?)")

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.remove(task)
        if task.cancelled():
            return
        if error := task.exception():
            self.fail(f"task {task.get_name()} failed: {error}", error)

    def _answers_ready(self) -> bool:
        return self._ready and self.bus.is_connected

    async def _heartbeats(self) -> None:
        while True:
            self._beat.clear()
            self.metrics.answers_awaited.set(self.bus.answers_awaited)
            beat = Heartbeat(
                service=self.name,
                slot=self.settings.slot,
                instance=self.instance,
                ts_ns=self.clock.wall_ns(),
                leader=self._leader,
                ready=self._answers_ready(),
                config_hash=self._config_hash,
                schema_hash=self._schema_hash,
                build=BUILD,
                **self._progress,
            )
            with contextlib.suppress(BusUnavailable):
                await self.bus.publish(
                    subjects.heartbeat(self.name, self.settings.slot), codec.encode(beat), codec.headers_for(beat)
                )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_PERIOD_S):
                    await self._beat.wait()

    async def _within(self, what: str, work: Awaitable[Any]) -> None:
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await work
        except TimeoutError:
            self.log.warning("gave up waiting", what=what, after_s=STOP_TIMEOUT_S)
        except Exception:
            self.log.exception("stopping", what=what)


def run(main: Callable[[], Coroutine[Any, Any, int]]) -> None:
    """The entry point of every service: exit code 0 stopped, 1 failed (restart me), 2 configuration is wrong."""
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
    try:
        code = uvloop.run(main())
    except (ConfigError, UsageError) as error:
        sys.stderr.write(f"{type(error).code}: {error}\n")
        code = EXIT_USAGE
    except BusUnavailable as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        code = EXIT_FAILED
    except asyncio.CancelledError:  # told to stop before the bus was reached
        code = EXIT_OK
    sys.exit(code)
