"""The whole system on this machine: started in order, kept alive, paced, stopped in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitwire.cli import discovery
from pitwire.cli.addresses import password_line
from pitwire.cli.discovery import Running, VenueAddress
from pitwire.cli.restoring import restore_journal
from pitwire.cli.run.effective import load_given, simulated_venue, write_effective, write_secret
from pitwire.cli.run.folder import CACHE
from pitwire.cli.run.health import Health
from pitwire.cli.run.infra import Infra
from pitwire.cli.run.pacer import Pacer
from pitwire.cli.run.pacing import Pace
from pitwire.cli.run.plan import (
    PACED,
    PERSISTENCE,
    SERVICES,
    STOP_ORDER,
    ProcessPlan,
    RunFolder,
    service_plan,
    venue_plan,
)
from pitwire.cli.run.venue import refuse_unserved, served_symbols
from pitwire.cli.run.venue_control import VenueControl
from pitwire.cli.run.workers import Worker
from pitwire.cli.servers import ServerError
from pitwire.common import codec, subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.config import load_config
from pitwire.common.errors import ConfigError, DecodeError
from pitwire.common.permissions import make_identities
from pitwire.common.provisioning import apply_topology
from pitwire.common.schemas.control import Heartbeat

OPERATOR: Final = "operator"
BAR_MS: Final = 60_000
VENUE_START_TIMEOUT_S: Final = 60.0
READY_TIMEOUT_S: Final = 60.0
READY_POLL_S: Final = 0.02
HEALTH_PORT: Final = "health_port"
VENUE: Final = "venue-sim"
VENUE_CONTROL: Final = "control"
GENERATED: Final = "generated"


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What `pitwire up` was asked for. `market` is `generated` or a file or folder of candles."""

    config: Path
    data_dir: Path
    market: str = GENERATED
    speed: float = 60.0
    for_s: float | None = None
    keep: bool = False


class System:
    """One run. `start`, then `trade`, then `stop_strategies` and `stop`; `work` keeps it alive meanwhile."""

    def __init__(self, options: UpOptions, folder: RunFolder, *, clock: Clock, tell: Callable[[str], None]) -> None:
        self.options = options
        self.folder = folder
        self.clock = clock
        self.tell = tell
        self.config, self._raw = load_given(options.config)
        self._venue_name = simulated_venue(self.config, options.config)
        self.health = Health(SERVICES)
        self.infra = Infra(folder.root, cache=options.data_dir / CACHE, clock=clock, on_event=tell)
        self.workers: dict[str, Worker] = {}
        self.control: VenueControl | None = None
        self.bus: NatsBus
        self._pacer: Pacer | None = None
        self._stack = contextlib.AsyncExitStack()
        self._address: VenueAddress | None = None
        self._started_ns = 0
        self._bus_is_there = asyncio.Event()
        self._rows_are_there = asyncio.Event()

    async def start(self) -> None:
        """Everything up and ready, the market standing still. `ServerError` or `UsageError` says what did not.

        The venue comes first: it reads the market, and where that is no good no server has been started.
        """
        self._started_ns = self.clock.wall_ns()
        self.folder.logs.mkdir(parents=True, exist_ok=True)
        await self._start_venue()
        await asyncio.gather(self._start_trading(), self._start_storing())
        await self._until_ready()
        self.leave_address()

    async def _start_trading(self) -> None:
        """The bus, and the services that need no database: they start while the database does."""
        identities = make_identities(self.folder.identities)
        await self.infra.start_nats(self.config, identities)
        if self.options.keep:
            await self._restore_journal()
        await apply_topology(self.infra.nats_url, self.folder.identities)
        self.config = load_config(self.folder.config)
        self._bus_is_there.set()
        self.bus = await NatsBus.connect(
            self.infra.nats_url,
            principal=OPERATOR,
            name="pitwire-up",
            seed_file=self.folder.seed_of(OPERATOR),
            on_trouble=lambda _: None,
            on_closed=lambda: None,
        )
        self._stack.push_async_callback(self.bus.close)
        await self.bus.subscribe(subjects.pattern(subjects.HEARTBEAT), self._on_heartbeat)
        for name in SERVICES:
            if name != PERSISTENCE:
                self._start_service(name)

    async def _restore_journal(self) -> None:
        """A run that goes on may have lost its journal, or the end of it: before anybody writes there."""
        await self._rows_are_there.wait()
        restored = await restore_journal(
            self.infra.nats_url, self.folder.identities, self.infra.database_url, self.clock, tell=self.tell
        )
        if restored is not None:
            self.tell(f"JOURNAL_RESTORED: {restored}")

    async def _start_storing(self) -> None:
        """The database, and persistence, which brings the schema to where it wants it."""
        await self.infra.start_postgres()
        self._rows_are_there.set()
        write_secret(self.folder.password_file, password_line(self.infra.database_url))
        await self._bus_is_there.wait()
        self._start_service(PERSISTENCE)

    def _start_service(self, name: str) -> None:
        plan = service_plan(name, self.folder, nats_url=self.infra.nats_url, database_url=self.infra.database_url)
        self._add_worker(name, plan).start()

    def trade(self) -> None:
        """Lets the market go."""
        if self._pacer is not None:
            self._pacer.begin()

    def work(self) -> list[Coroutine[Any, Any, None]]:
        """What must run while the system trades; the end of any of them ends the run."""
        jobs: list[Coroutine[Any, Any, None]] = []
        if self.infra.log_paths():
            jobs.append(self.infra.keep_alive(self.leave_address))
        for name, worker in self.workers.items():
            jobs.append(worker.keep_alive(self._venue_is_back if name == VENUE else self.leave_address))
        if self._pacer is not None:
            jobs.append(self._pacer.run())
        return jobs

    async def freeze_market(self) -> None:
        """The market stands still from here on."""
        if self._pacer is not None and self.control is not None:
            self._pacer.freeze()
            await self.control.hold(int((await self.control.status())["market_ms"]))

    async def stop_strategies(self) -> None:
        """Nothing new is asked for; everything else goes on."""
        await self._stop_worker(STOP_ORDER[0])

    async def stop(self) -> None:
        """Stops what still runs, in order; afterwards no process of this run is left."""
        discovery.remove_current(self.options.data_dir)
        for name in (*STOP_ORDER, VENUE):
            await self._stop_worker(name)
        await self._stack.aclose()
        await self.infra.stop()

    def leave_address(self) -> None:
        """Tells the other commands where everything is; again after each restart, since ports of health checks move."""
        discovery.write_current(self.options.data_dir, self.running())

    def running(self) -> Running:
        health: dict[str, str] = {}
        for name, worker in self.workers.items():
            announced = worker.announcement()
            if announced and HEALTH_PORT in announced:
                health[name] = f"http://127.0.0.1:{announced[HEALTH_PORT]}"
        if self._address is not None:
            health[VENUE] = self._address.control
        return Running(
            nats_url=self.infra.nats_url,
            database_url=self.infra.database_url,
            operator_seed=self.folder.seed_of(OPERATOR).resolve(),
            config=self.folder.config.resolve(),
            run=self.folder.root.resolve(),
            pid=os.getpid(),
            started_ns=self._started_ns,
            market=self.options.market,
            speed=self.options.speed,
            venue=self._address,
            health=health,
            pids=self.pids(),
        )

    def pids(self) -> dict[str, int]:
        return self.infra.pids() | {name: worker.pid for name, worker in self.workers.items() if worker.pid}

    def restarts(self) -> int:
        return sum(worker.restarts for worker in self.workers.values())

    def _add_worker(self, name: str, plan: ProcessPlan, *, answer_path: Path | None = None) -> Worker:
        worker = Worker(
            plan,
            log_path=self.folder.log_of(name),
            cwd=self.folder.root,
            clock=self.clock,
            on_event=self.tell,
            announces=VENUE_CONTROL if name == VENUE else HEALTH_PORT,
            answer_path=answer_path,
        )
        self.workers[name] = worker
        return worker

    async def _stop_worker(self, name: str) -> None:
        if worker := self.workers.get(name):
            await worker.stop()

    def _on_heartbeat(self, record: Record) -> None:
        with contextlib.suppress(DecodeError):
            beat = codec.decode(Heartbeat, record.data, subject=record.subject)
            self.health.observe(beat, now_ns=self.clock.monotonic_ns())
        if self._pacer is not None:
            self._pacer.on_record(record)

    async def _until_ready(self) -> None:
        deadline = self.clock.monotonic_ns() + int(READY_TIMEOUT_S * NS_PER_S)
        while waiting := self.health.not_ready(now_ns=self.clock.monotonic_ns()):
            self._refuse_the_dead()
            if self.clock.monotonic_ns() > deadline:
                tail = self.workers[waiting[0]].log_tail()
                raise ServerError(f"not ready after {READY_TIMEOUT_S:g} s: {', '.join(waiting)}; {tail}")
            await asyncio.sleep(READY_POLL_S)

    def _all_ready(self) -> bool:
        return not self.health.not_ready(now_ns=self.clock.monotonic_ns())

    def _refuse_the_dead(self) -> None:
        for worker in self.workers.values():
            worker.refuse_death()

    async def _start_venue(self) -> None:
        """Starts the simulated venue, holds its market, and writes the configuration that names its address."""
        if self._venue_name is None:
            write_effective(self._raw, self.folder, venue=None, address=None, keys={})
            return
        worker = self._add_worker(VENUE, self._venue_plan((0, 0)), answer_path=self.folder.venue_answer)
        worker.start()
        said = await worker.announced(timeout_s=VENUE_START_TIMEOUT_S)
        self._address = VenueAddress(said["http"], said["ws"], said["ws_api"], said["control"])
        worker.replace_plan(self._venue_plan((_port(said["http"]), _port(said["control"]))))
        self.control = VenueControl(said["control"])
        start_ms = int((await self.control.status())["market_ms"])
        pace = Pace(PACED, start_ms=start_ms, bar_ms=BAR_MS)
        self._pacer = Pacer(self.control, pace, all_ready=self._all_ready)
        refuse_unserved(self.config, self._venue_name, await served_symbols(self._address.http), self.options.market)
        keys = {"api_key": said["api_key"], "api_secret": said["api_secret"]}
        write_effective(self._raw, self.folder, venue=self._venue_name, address=self._address, keys=keys)

    def _venue_plan(self, ports: tuple[int, int]) -> ProcessPlan:
        return venue_plan(self.folder, self.config, market=self.options.market, speed=self.options.speed, ports=ports)

    def _venue_is_back(self) -> None:
        """The venue was started again, on the same ports and paused: it is told how far it may run."""
        if self._pacer is not None:
            self._pacer.again()
        self.leave_address()


def _port(address: str) -> int:
    return int(address.rsplit(":", 1)[1])


def check_market(market: str) -> str:
    """`generated`, or the absolute path of something that is there; `ConfigError` otherwise."""
    if market == GENERATED:
        return market
    path = Path(market)
    if not path.exists():
        raise ConfigError(
            where="--data",
            what=f"{market} is not there: give a file or folder of candles or captured frames, or `generated`",
        )
    return str(path.resolve())
