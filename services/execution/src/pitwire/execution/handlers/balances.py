"""The venue's balances against the books: looked at only when nothing is on its way, believed only when seen twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

from pitwire.common.enums import AlertSeverity
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.core.agreement import Difference, excess_of, halt_of
from pitwire.execution.core.fold import SERVICE
from pitwire.execution.handlers.venue_desk import VenueDesk
from pitwire.execution.ports import Shell

QUIET_POLLS_MAX: Final = 20
QUIET_POLL_S: Final = 0.1


class BalanceCheck:
    """Of one venue account. A difference that stands makes its account REDUCING, by a halt in the journal."""

    def __init__(
        self, venue_desk: VenueDesk, instruments: InstrumentRegistry, shell: Shell, publish: Callable[[Halt], None]
    ) -> None:
        self._venue_desk = venue_desk
        self._instruments = instruments
        self._shell = shell
        self._publish = publish
        self.suspected: tuple[Difference, ...] = ()
        """Seen once: a deposit may be recorded just now, so it is looked at again before it counts."""

        self._was_busy = False

    @property
    def is_open(self) -> bool:
        """To be looked at again soon: too much was going on, or something differed."""
        return self._was_busy or bool(self.suspected)

    async def look(self, certain: Mapping[str, int]) -> None:
        """After a reconcile that left nothing missing up to the trades in `certain`. `VenueTrouble`."""
        desk = self._venue_desk
        core = desk.desk.core
        if not core.agreement.keeps_books_of(desk.name):
            return
        told = await self._consistent(certain)
        self._was_busy = told is None
        if told is None:
            return
        venue = core.venue_of(desk.name)
        traded = {asset for each in self._instruments if each.venue == venue for asset in (each.base, each.quote)}
        found = core.agreement.differences(desk.name, told, traded)
        was_suspected, self.suspected = excess_of(found) == excess_of(self.suspected), found
        if found and was_suspected:
            await self._disagrees(found)

    async def _consistent(self, certain: Mapping[str, int]) -> Mapping[str, Decimal] | None:
        """Balances that belong to exactly the trades in the journal; None while too much is going on."""
        desk = self._venue_desk
        for _ in range(QUIET_POLLS_MAX):
            if desk.desk.is_settled:
                break
            await asyncio.sleep(QUIET_POLL_S)
        exec_no = desk.desk.core.place.exec_no
        if not await self._has_only(certain):
            return None
        told = await desk.venue.reads.balances()
        if not await self._has_only(certain) or not desk.desk.is_settled or desk.desk.core.place.exec_no != exec_no:
            return None
        return told

    async def _has_only(self, certain: Mapping[str, int]) -> bool:
        """No trade at the venue is newer than those that were told; fewer there may be, after a wipe."""
        reads = self._venue_desk.venue.reads
        return all([await reads.newest_trade_id(name) <= newest for name, newest in certain.items()])

    async def _disagrees(self, found: tuple[Difference, ...]) -> None:
        desk = self._venue_desk
        account, core = desk.desk.account, desk.desk.core
        halt = halt_of(account, desk.name, found, source=SERVICE, ts_ns=self._shell.clock.wall_ns())
        if core.agreement.is_settled(halt.halt_id) or halt.halt_id in core.halts.journaled.active:
            return
        self._publish(halt)
        await self._shell.alert(AlertSeverity.CRITICAL, "ACCOUNT_DISAGREES", halt.reason, account=account)
