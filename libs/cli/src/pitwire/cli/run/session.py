"""`pitwire up` from the first check to the last line: start, trade, show, stop, verify, sum up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pitwire.cli.addresses import public_url
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Reply, note
from pitwire.cli.run.effective import check_given, load_given
from pitwire.cli.run.folder import drop_oldest, forget_run, open_run
from pitwire.cli.run.infra import outside_seeds
from pitwire.cli.run.plan import EXECUTION, RunFolder
from pitwire.cli.run.summary import SpeedMeter, live_line, summary_document
from pitwire.cli.run.system import System, UpOptions
from pitwire.cli.run.venue_control import VenueControlFailed
from pitwire.cli.servers import DirectoryLock
from pitwire.common.clock import NS_PER_S, SystemClock
from pitwire.common.enums import CommandVerb
from pitwire.common.errors import PitwireError, StoreUnavailable, UsageError

if TYPE_CHECKING:
    from pitwire.cli.run.numbers import Numbers, NumbersReader

SUMMARY_PERIOD_S: Final = 1.0
LOCK_TIMEOUT_S: Final = 1.0
SETTLE_ANSWER_S: Final = 3.0
CANCEL_COMMANDS_MAX: Final = 50
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Ending:
    """How the trading phase ended."""

    interrupted: bool
    seconds: float


def run_up(options: UpOptions) -> Reply:
    """The whole run.

    Nothing is made or started before the configuration is known to be good. The venue, which reads the market, starts
    first and alone; a run that it or a service refuses after all leaves no folder and pushes no other run out.
    """
    config, _ = load_given(options.config)
    check_given(config, options.config)
    seeds = outside_seeds()
    options.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    with DirectoryLock(options.data_dir, timeout_s=LOCK_TIMEOUT_S):
        folder = RunFolder(open_run(options.data_dir, keep=options.keep).resolve(), seeds)
        session = _Session(options, folder)
        try:
            return asyncio.run(session.run())
        except UsageError:
            if not (session.traded or options.keep):
                forget_run(folder.root)
            raise
        finally:
            drop_oldest(options.data_dir)


class _Session:
    def __init__(self, options: UpOptions, folder: RunFolder) -> None:
        self.traded = False
        self._options = options
        self._clock = SystemClock()
        self._system = System(options, folder, clock=self._clock, tell=note)
        self._interrupted = asyncio.Event()
        self._numbers: NumbersReader | None = None
        self._speed: SpeedMeter | None = None

    async def run(self) -> Reply:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._interrupted.set)
        began_ns = self._clock.monotonic_ns()
        jobs: list[asyncio.Task[None]] = []
        try:
            started = await self._unless_interrupted(asyncio.create_task(self._system.start()))
            if not started:
                return Reply({"interrupted": True}, (), self._code_of_interrupt())
            from pitwire.cli.run.numbers import NumbersReader

            note(where_to_look(self._system, seconds=(self._clock.monotonic_ns() - began_ns) / NS_PER_S))
            jobs = [asyncio.create_task(job) for job in self._system.work()]
            self._numbers = NumbersReader(self._system.infra.database_url, tuple(self._system.config.strategies))
            return await self._trade(jobs)
        finally:
            note("stopping: strategies, gate, execution, market data, persistence, venue, servers")
            for job in jobs:
                job.cancel()
            await asyncio.gather(*jobs, return_exceptions=True)
            await self._system.stop()
            note("stopped; nothing of this run is left running")

    async def _trade(self, jobs: list[asyncio.Task[None]]) -> Reply:
        began = await self._venue_status()
        if began:
            self._speed = SpeedMeter(market_ms=began["market_ms"], now_ns=self._clock.monotonic_ns())
        self.traded = True
        self._system.trade()
        ending = await self._until_the_end(jobs)
        status = await self._venue_status()
        with contextlib.suppress(VenueControlFailed):
            await self._system.freeze_market()
        await self._system.stop_strategies()
        await self._settle()
        verified = None if ending.interrupted else await self._verify()
        numbers = await self._read_numbers()
        document = summary_document(numbers, status, verified, seconds=ending.seconds, restarts=self._system.restarts())
        if ending.interrupted:
            return Reply(document, (), self._code_of_interrupt())
        return Reply(document, (), ExitCode.OK if verified and verified["holds"] else ExitCode.NO)

    def _code_of_interrupt(self) -> ExitCode:
        """An interrupt is how an open-ended run ends; one that should have verified itself did not."""
        return ExitCode.OK if self._options.for_s is None else ExitCode.NO

    async def _until_the_end(self, jobs: list[asyncio.Task[None]]) -> Ending:
        """Trades until the time is over, somebody interrupts, or something cannot be kept alive (raises)."""
        began_ns = self._clock.monotonic_ns()
        waits: list[asyncio.Task[Any]] = [asyncio.create_task(self._interrupted.wait())]
        if self._options.for_s is not None:
            waits.append(asyncio.create_task(asyncio.sleep(self._options.for_s)))
        show = asyncio.create_task(self._show())
        done, _ = await asyncio.wait([*jobs, *waits, show], return_when=asyncio.FIRST_COMPLETED)
        for task in (*waits, show):
            task.cancel()
        for task in done - set(waits):
            task.result()
        return Ending(self._interrupted.is_set(), (self._clock.monotonic_ns() - began_ns) / NS_PER_S)

    async def _show(self) -> None:
        """One line a second about where things stand."""
        while True:
            await asyncio.sleep(SUMMARY_PERIOD_S)
            numbers = await self._read_numbers()
            waiting = self._system.health.not_ready(now_ns=self._clock.monotonic_ns())
            note(live_line(numbers, await self._venue_status(), waiting))

    async def _read_numbers(self) -> Numbers | None:
        if self._numbers is None:
            return None
        try:
            return await asyncio.to_thread(self._numbers.read)
        except StoreUnavailable:
            return None

    async def _venue_status(self) -> dict[str, Any]:
        if self._system.control is None:
            return {}
        try:
            status = await self._system.control.status()
        except VenueControlFailed:
            return {}
        if self._speed is not None:
            now_ns = self._clock.monotonic_ns()
            status["speed_reached"] = self._speed.reached(market_ms=status["market_ms"], now_ns=now_ns)
        return status

    async def _settle(self) -> None:
        """Working orders are cancelled, so that nothing is left at the venue without anybody to watch it."""
        operator = Operator(self._system.bus, self._clock, answer_timeout_s=SETTLE_ANSWER_S)
        for account in self._system.config.accounts:
            try:
                await cancel_everything(operator, account)
            except PitwireError as error:
                note(f"working orders of {account} may be left at the venue: {error}")

    async def _verify(self) -> dict[str, Any]:
        from pitwire.cli.views.verified import verify_system

        note("verifying: journal, PostgreSQL and venue")
        try:
            outcome = await verify_system(self._system.running(), self._system.bus, self._clock)
        except PitwireError as error:
            return {"holds": False, "error": f"{error.code}: {error}", "checks": []}
        return outcome.document()

    async def _unless_interrupted(self, task: asyncio.Task[None]) -> bool:
        """True when the task finished; False when it was interrupted, and then it has ended too."""
        interrupted = asyncio.create_task(self._interrupted.wait())
        await asyncio.wait({task, interrupted}, return_when=asyncio.FIRST_COMPLETED)
        interrupted.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return False


async def cancel_everything(operator: Operator, account: str) -> int:
    """Cancels the working orders of an account, some at a time; how many commands that took."""
    for asked in range(1, CANCEL_COMMANDS_MAX + 1):
        result = await operator.command(CommandVerb.CANCEL, {}, account=account, reason="the run ends")
        if not result.data:
            return asked
    return CANCEL_COMMANDS_MAX


def where_to_look(system: System, *, seconds: float) -> str:
    """What a person needs to look further, as lines."""
    running = system.running()
    of_execution = system.folder.data_of(EXECUTION)
    lines = [f"trading on {running.market} at {running.speed:g}x, ready after {seconds:.1f} s; in another terminal:"]
    lines += [
        "  pitwire status | positions | orders | fills | pnl | logs -f | halt --reason ...",
        f'  PGPASSFILE={system.folder.password_file} psql "{public_url(running.database_url)}"',
        f"  nats --server {running.nats_url} --nkey {running.operator_seed} sub 'svc.*.*.heartbeat'",
        f"  without the bus: python -m pitwire.execution halt --data-dir {of_execution} --reason ...",
        "  health: " + "  ".join(f"{name} {url}/healthz" for name, url in running.health.items()),
        f"  data, configuration and logs: {running.run}",
    ]
    return "\n".join(lines)
