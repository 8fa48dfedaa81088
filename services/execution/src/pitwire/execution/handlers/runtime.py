"""The whole of execution in one process: its accounts, their venue accounts, and the order in which it all begins."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from pitwire.common import codec
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.instruments import InstrumentRegistry
from pitwire.execution.core.approvals import Setup
from pitwire.execution.core.backoff import Fraction
from pitwire.execution.core.fold import ExecutionCore
from pitwire.execution.core.silence import GateWatch
from pitwire.execution.handlers.account_desk import AccountDesk
from pitwire.execution.handlers.errands import Errands
from pitwire.execution.handlers.halting import HaltDesk
from pitwire.execution.handlers.journal import JournalReader
from pitwire.execution.handlers.metrics import Metrics
from pitwire.execution.handlers.reconcile import Reconciler
from pitwire.execution.handlers.venue_desk import VenueDesk
from pitwire.execution.handlers.watchdog import Watchdog
from pitwire.execution.ports import LatchStore, Shell, Venue

QUIET_POLL_S: Final = 0.02
QUIET_POLLS_MAX: Final = 200
"""Four seconds: the shell gives an orderly stop five."""


class Runtime:
    """`accounts` names for each account its venue accounts, the venue of each, and how it is reached."""

    def __init__(
        self,
        shell: Shell,
        accounts: Mapping[str, Mapping[str, tuple[str, Venue]]],
        instruments: InstrumentRegistry,
        latches: LatchStore,
        *,
        leader: str,
        fraction: Fraction,
    ) -> None:
        self._shell = shell
        self._leader = leader
        self._instruments = instruments
        self._fraction = fraction
        self._metrics = Metrics(shell.registry)
        self._errands = Errands(shell.fail)
        watch = GateWatch(shell.clock.monotonic_ns())
        self.desks = [self._desk(name, venues, watch) for name, venues in accounts.items()]
        self._halts = HaltDesk(shell, self.desks, latches, self._errands)
        self._reader = JournalReader(shell, self.desks, self._halts)
        self.watchdog = Watchdog(shell, watch, self.desks)

    def _desk(self, account: str, venues: Mapping[str, tuple[str, Venue]], watch: GateWatch) -> AccountDesk:
        names = {name: venue for name, (venue, _) in venues.items()}
        setup = Setup(account, names, self._instruments, codec.encode)
        core = ExecutionCore(setup, leader=self._leader)
        venue_desks = {
            name: VenueDesk(
                name,
                venue,
                self._instruments,
                self._shell,
                self._metrics,
                self._errands,
                self._fraction,
                on_change=self._on_change,
            )
            for name, (_, venue) in venues.items()
        }
        return AccountDesk(
            self._shell, core, venue_desks, watch, self._metrics, self._errands, on_change=self._on_change
        )

    def _on_change(self) -> None:
        venues = [venue for desk in self.desks for venue in desk.venues.values()]
        led = all(desk.core.leading and not desk.core.stopped for desk in self.desks)
        self._shell.set_ready(led and all(not venue.trouble for venue in venues))

    async def start(self, acquire: Callable[[], Awaitable[None]]) -> None:
        """Recovers as a first start does: snapshots, halts beside the bus, the journal, leadership, then each venue.

        `acquire` returns when this process may lead; until then it is a standby with everything folded and connected.
        Returns when this process leads every account whose journal can be read; orders leave when the venues are
        reconciled, which follows by itself.
        """
        spawn = self._shell.spawn
        for desk in self.desks:
            await desk.snapshots.restore()
        self._halts.take_snapshots()
        self._halts.read_latches()
        spawn("journal", self._reader.run())
        spawn("watchdog", self.watchdog.run())
        for desk in self.desks:
            for name, venue in desk.venues.items():
                spawn(f"venue {name}", venue.run())
        await self._reader.caught_up.wait()
        await acquire()
        for desk in self.desks:
            if desk.core.stopped:
                continue
            spawn(f"writer {desk.account}", desk.writer.run())
            await desk.writer.lead(self._leader)
            crashpoint(CrashPoint.EXECUTION_LEADS)
            await desk.led.wait()
            for name, venue in desk.venues.items():
                reconciler = Reconciler(
                    venue,
                    self._instruments,
                    self._shell,
                    self._metrics,
                    self._fraction,
                    publish=self._halts.publish,
                )
                spawn(f"reconcile {name}", reconciler.run())
        self._halts.go_live(self._reader.sequence)
        spawn("latches", self._halts.watch_latches())

    async def quiesce(self) -> None:
        """An orderly end: nothing new leaves, what works is cancelled, answers and events are waited for."""
        for desk in self.desks:
            desk.stopping = True
            if desk.core.leading:
                desk.withdraw("execution stops")
        crashpoint(CrashPoint.EXECUTION_WITHDRAWN)
        for _ in range(QUIET_POLLS_MAX):
            if all(desk.is_quiet for desk in self.desks):
                break
            await asyncio.sleep(QUIET_POLL_S)
        for desk in self.desks:
            await desk.snapshots.save()

    async def close(self) -> None:
        await self._errands.close()
        for desk in self.desks:
            for venue in desk.venues.values():
                await venue.venue.close()
