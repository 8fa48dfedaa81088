"""How things stand at the venue against how they stand here: at start, after any gap, and every now and then.

Trades first, then orders, so that an order found finished is found with all its trades. Nothing is concluded from one
absence: what works by our books and is not at the venue comes into doubt, and doubt has its own rules.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import VenueTrouble
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.core.backoff import Backoff, Fraction
from pitwire.execution.core.venue import OrderFacts, VenueOrder, VenueTrade
from pitwire.execution.handlers.balances import BalanceCheck
from pitwire.execution.handlers.metrics import Metrics
from pitwire.execution.handlers.venue_desk import RECONCILE_PERIOD_S, VenueDesk
from pitwire.execution.ports import Shell

FAILURES_BEFORE_ALERT: Final = 5
OPEN_PERIOD_S: Final = 5.0
"""Sooner where the balances differed, or could not be compared: what is explained by then was nothing."""

Trades = dict[tuple[str, str], list[VenueTrade]]
"""By instrument and the venue's order id."""


class Reconciler:
    """Reconciles one venue account whenever its desk wants it, and every `RECONCILE_PERIOD_S`."""

    def __init__(
        self,
        venue_desk: VenueDesk,
        instruments: InstrumentRegistry,
        shell: Shell,
        metrics: Metrics,
        fraction: Fraction,
        *,
        publish: Callable[[Halt], None],
    ) -> None:
        self._venue_desk = venue_desk
        self._instruments = instruments
        self._shell = shell
        self._metrics = metrics
        self._fraction = fraction
        self._balances = BalanceCheck(venue_desk, instruments, shell, publish)
        self._certain: dict[str, int] = {}
        """Per instrument the trade id up to which nothing can be missing."""

    async def run(self) -> None:
        """For ever."""
        backoff = Backoff(self._fraction)
        desk = self._venue_desk
        failures = 0
        while True:
            await self._due()
            desk.wanted.clear()
            crashpoint(CrashPoint.EXECUTION_RECONCILE_BEGUN)
            try:
                differences = await self.once()
                if not desk.wanted.is_set():
                    desk.set_reconciled()
                await self._balances.look(self._certain)
            except VenueTrouble as trouble:
                self._shell.log.warning("reconcile failed", venue_account=desk.name, reason=str(trouble))
                failures += 1
                if failures == FAILURES_BEFORE_ALERT:
                    text = f"{desk.name} cannot be reconciled, so nothing is sent: {trouble}"
                    account = desk.desk.account
                    await self._shell.alert(AlertSeverity.CRITICAL, "RECONCILE_FAILS", text, account=account)
                desk.wanted.set()
                await asyncio.sleep(backoff.wait_after_s(trouble))
                continue
            crashpoint(CrashPoint.EXECUTION_RECONCILED)
            backoff.reset()
            failures = 0
            self._metrics.reconciles.labels(desk.name).inc()
            self._metrics.differences.labels(desk.name).inc(differences)
            self._shell.log.info("reconciled", venue_account=desk.name, differences=differences)

    async def _due(self) -> None:
        try:
            async with asyncio.timeout(OPEN_PERIOD_S if self._balances.is_open else RECONCILE_PERIOD_S):
                await self._venue_desk.wanted.wait()
        except TimeoutError:
            return

    async def once(self) -> int:
        """One reconcile; returns how many events it brought that nothing else had."""
        desk, reads = self._venue_desk, self._venue_desk.venue.reads
        newest, trades = await self._new_trades()
        differences = 0
        seen: set[str] = set()
        for order in await reads.open_orders():
            seen.add(order.client_order_id)
            differences += await self._tell(order, trades)
        for client_order_id, instrument_id in self._ours_elsewhere(seen):
            found = await reads.query_order(instrument_id, client_order_id)
            if found is not None:
                differences += await self._tell(found, trades)
            else:
                now_ns = self._shell.clock.wall_ns()
                differences += desk.desk.perform(desk.desk.core.missing(client_order_id, now_ns))
        for (instrument_id, venue_order_id), rest in list(trades.items()):
            differences += await self._tell_rest(instrument_id, venue_order_id, rest)
        self._certain |= newest
        return differences

    async def _new_trades(self) -> tuple[dict[str, int], Trades]:
        """Trades since the last one that is certain, and which is the newest now.

        An instrument in which this account's journal has no trade begins with the newest: older ones are not its own.
        """
        desk, core = self._venue_desk, self._venue_desk.desk.core
        newest: dict[str, int] = {}
        found: Trades = {}
        for instrument_id in self._traded():
            since = self._certain.get(instrument_id)
            if since is None:
                since = core.orders.newest_trade(desk.name, instrument_id)
            if since is None:
                newest[instrument_id] = await desk.venue.reads.newest_trade_id(instrument_id)
                continue
            rows = await desk.venue.reads.trades_since(instrument_id, since)
            newest[instrument_id] = max([since, *(int(row.trade_id) for row in rows)])
            for row in rows:
                found.setdefault((instrument_id, row.venue_order_id), []).append(row)
        return newest, found

    def _traded(self) -> Iterable[str]:
        venue = self._venue_desk.desk.core.venue_of(self._venue_desk.name)
        return [instrument.instrument_id for instrument in self._instruments if instrument.venue == venue]

    def _ours_elsewhere(self, seen: set[str]) -> Sequence[tuple[str, str]]:
        """Orders of this venue account that may not be over by our books and are not among the open ones."""
        return [
            (entry.client_order_id, entry.told.instrument_id)
            for entry in self._venue_desk.desk.core.orders.unsettled()
            if entry.told.venue_account == self._venue_desk.name
            and entry.is_out
            and not entry.awaiting
            and entry.client_order_id not in seen
            and not entry.told.is_settled
        ]

    async def _tell(self, order: VenueOrder, trades: Trades) -> int:
        desk = self._venue_desk
        rows: Sequence[VenueTrade] = trades.pop((order.instrument_id, order.venue_order_id), [])
        if not rows and desk.desk.core.lacks_trades(order):
            rows = await desk.venue.reads.trades_of_order(order.instrument_id, order.venue_order_id)
        return desk.desk.told(OrderFacts(order, tuple(rows)), desk.name)

    async def _tell_rest(self, instrument_id: str, venue_order_id: str, rows: list[VenueTrade]) -> int:
        """Trades of an order that is over at the venue: of ours if we know it, else of nobody we know."""
        desk = self._venue_desk
        known = desk.desk.core.orders.find_venue_order(desk.name, instrument_id, venue_order_id)
        if known is not None and all(desk.desk.core.knows_trade(desk.name, row) for row in rows):
            return 0
        order = await desk.venue.reads.query_venue_order(instrument_id, venue_order_id)
        if order is None:
            raise VenueTrouble(f"{instrument_id}: trades of order {venue_order_id}, which the venue does not know")
        return desk.desk.told(OrderFacts(order, tuple(rows)), desk.name)
