"""One venue account at work: its words to the core, its questions and cancels until they are settled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, Protocol

from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_S
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import VenueTrouble
from pitwire.common.instruments import InstrumentRegistry
from pitwire.execution.core.actions import Cancel, FetchTrades, Investigate
from pitwire.execution.core.backoff import Backoff, Fraction
from pitwire.execution.core.fold import ExecutionCore
from pitwire.execution.core.venue import Canceled, CancelFailed, OrderFacts, VenueOrder
from pitwire.execution.handlers.errands import Errands, pause
from pitwire.execution.handlers.metrics import Metrics
from pitwire.execution.ports import Shell, Venue

CANCELS_AT_ONCE_MAX: Final = 32
QUESTIONS_AT_ONCE_MAX: Final = 4
TRADES_TRIES_MAX: Final = 20
RECONCILE_PERIOD_S: Final = 60.0
MALFORMED_SUBJECT: Final = "venue.{name}.{place}"
SUBJECT_MAX: Final = 200


class Desk(Protocol):
    """What a venue account needs of the account it belongs to."""

    @property
    def core(self) -> ExecutionCore: ...

    @property
    def account(self) -> str: ...

    @property
    def is_settled(self) -> bool: ...

    def told(self, facts: OrderFacts, venue_account: str) -> int: ...

    def perform(self, actions: list[Any]) -> int: ...


class VenueDesk:
    """`VenueListener` of one venue account. Orders may leave only while it is reconciled and the venue is reachable."""

    def __init__(
        self,
        name: str,
        venue: Venue,
        instruments: InstrumentRegistry,
        shell: Shell,
        metrics: Metrics,
        errands: Errands,
        fraction: Fraction,
        *,
        on_change: Callable[[], None],
    ) -> None:
        self.name = name
        self.venue = venue
        self.reconciled = False
        self.desk: Desk
        self.wanted = asyncio.Event()
        """A reconcile is due."""

        self._instruments = instruments
        self._shell = shell
        self._metrics = metrics
        self._errands = errands
        self._fraction = fraction
        self._on_change = on_change
        self._link_state = ""
        self._cancel_slots = asyncio.Semaphore(CANCELS_AT_ONCE_MAX)
        self._question_slots = asyncio.Semaphore(QUESTIONS_AT_ONCE_MAX)

    @property
    def trouble(self) -> str:
        """Why no order may leave for this venue account now; empty when one may."""
        return self.venue.trouble or ("" if self.reconciled else "not reconciled yet")

    async def run(self) -> None:
        """Learns the instruments, then keeps the venue connected, for ever."""
        backoff = Backoff(self._fraction)
        while True:
            try:
                for instrument in await self.venue.reads.load_instruments():
                    self._instruments.put(instrument)
                break
            except VenueTrouble as trouble:
                self.on_link(str(trouble))
                await asyncio.sleep(backoff.wait_after_s(trouble))
        await self.venue.run(self)

    # -- what the venue says -----------------------------------------------------------------------------------------

    def on_facts(self, facts: OrderFacts) -> None:
        crashpoint(CrashPoint.EXECUTION_WORD_HEARD)
        try:
            self.desk.told(facts, self.name)
        except Exception as error:  # noqa: BLE001 - whoever calls may swallow it: the process ends instead
            self._shell.fail(f"word of {self.name} could not be taken: {error}", error)

    def on_gap(self, reason: str) -> None:
        self._shell.log.info("reconcile wanted", venue_account=self.name, reason=reason)
        self.reconciled = False
        self.wanted.set()
        self._changed()

    def on_malformed(self, place: str, data: bytes, reason: str) -> None:
        subject = MALFORMED_SUBJECT.format(name=self.name, place=place)[:SUBJECT_MAX]
        record = Record(subject, data)

        async def set_aside(_: asyncio.Event) -> None:
            await self._shell.quarantine(record, reason)

        self._errands.run(f"malformed {place} {reason}", set_aside)

    def on_link(self, state: str) -> None:
        if state != self._link_state:
            self._shell.log.info("venue link", venue_account=self.name, state=state)
            self._link_state = state
        self._changed()

    def _changed(self) -> None:
        self._metrics.connected.labels(self.name).set(0 if self.trouble else 1)
        self._on_change()

    def set_reconciled(self) -> None:
        self.reconciled = True
        self._changed()

    # -- errands ---------------------------------------------------------------------------------------------------

    def do(self, action: Cancel | Investigate | FetchTrades) -> None:
        """Starts what the core wants of the venue; what runs already for this order is nudged."""
        works: dict[type, Callable[[str, asyncio.Event], Coroutine[Any, Any, None]]] = {
            Cancel: self._cancel,
            Investigate: self._investigate,
            FetchTrades: self._fetch_trades,
        }
        work = works[type(action)]
        self._errands.run(f"{type(action).__name__} {action.client_order_id}", partial(work, action.client_order_id))

    async def _cancel(self, client_order_id: str, nudge: asyncio.Event) -> None:
        """Asks until the order is over; the first time at once, whatever state it is in."""
        backoff = Backoff(self._fraction)
        entry = self.desk.core.orders.get(client_order_id)
        while entry is not None:
            instrument_id = entry.told.instrument_id
            async with self._cancel_slots:
                self._metrics.cancels.inc()
                crashpoint(CrashPoint.EXECUTION_CANCEL_DUE)
                answer = await self.venue.cancel_order(instrument_id, client_order_id)
            crashpoint(CrashPoint.EXECUTION_CANCEL_ANSWERED)
            if isinstance(answer, Canceled):
                self.desk.told(answer.facts, self.name)
            elif isinstance(answer, CancelFailed):
                self._shell.log.warning("cancel failed", client_order_id=client_order_id, reason=answer.text)
            elif not entry.awaiting:
                await self._look_again(instrument_id, client_order_id)
            entry = self.desk.core.orders.get(client_order_id)
            if entry is None or not entry.wants_cancel or self.desk.core.stopped:
                return
            await pause(nudge, backoff.next_wait_s())

    async def _look_again(self, instrument_id: str, client_order_id: str) -> None:
        """There was nothing to cancel: how did the order end?"""
        try:
            async with self._question_slots:
                order = await self.venue.reads.query_order(instrument_id, client_order_id)
                if order is not None:
                    self.desk.told(await self._with_trades(order), self.name)
        except VenueTrouble as trouble:
            self._shell.log.warning("order not looked up", client_order_id=client_order_id, reason=str(trouble))

    async def _investigate(self, client_order_id: str, nudge: asyncio.Event) -> None:
        """Asks on two endpoints until the venue's word, or proven absence, ends the doubt."""
        backoff = Backoff(self._fraction)
        core, clock = self.desk.core, self._shell.clock
        while (entry := core.orders.get(client_order_id)) is not None and entry.doubt is not None:
            started_ns = clock.wall_ns()
            wait_s = (entry.doubt.next_check_ns - started_ns) / NS_PER_S
            if wait_s > 0:
                await pause(nudge, wait_s)
                continue
            try:
                crashpoint(CrashPoint.EXECUTION_DOUBT_ASKED)
                async with self._question_slots:
                    facts = await self._ask_both(entry.told.instrument_id, client_order_id)
                crashpoint(CrashPoint.EXECUTION_DOUBT_ANSWERED)
                self.desk.perform(core.checked(client_order_id, facts, started_ns, clock.wall_ns()))
            except VenueTrouble as trouble:
                self._shell.log.warning("order in doubt", client_order_id=client_order_id, reason=str(trouble))
                await pause(nudge, backoff.wait_after_s(trouble))
            self.desk.perform(core.escalate(client_order_id, clock.wall_ns()))

    async def _ask_both(self, instrument_id: str, client_order_id: str) -> OrderFacts | None:
        reads = self.venue.reads
        order = await reads.query_order(instrument_id, client_order_id)
        if order is None:
            order = await reads.find_in_history(instrument_id, client_order_id)
        return await self._with_trades(order) if order is not None else None

    async def _with_trades(self, order: VenueOrder) -> OrderFacts:
        if not order.cum_quantity:
            return OrderFacts(order)
        trades = await self.venue.reads.trades_of_order(order.instrument_id, order.venue_order_id)
        return OrderFacts(order, tuple(trades))

    async def _fetch_trades(self, client_order_id: str, nudge: asyncio.Event) -> None:
        """The venue counts more than we have seen: asks for the trades until they are all there."""
        backoff = Backoff(self._fraction)
        reason = "the venue lists fewer trades than it counts"
        for _ in range(TRADES_TRIES_MAX):
            entry = self.desk.core.orders.get(client_order_id)
            if entry is None:
                return
            try:
                async with self._question_slots:
                    order = await self.venue.reads.query_order(entry.told.instrument_id, client_order_id)
                    if order is not None:
                        self.desk.told(await self._with_trades(order), self.name)
                if order is not None and not self.desk.core.lacks_trades(order):
                    return
            except VenueTrouble as trouble:
                reason = str(trouble)
            await pause(nudge, backoff.next_wait_s())
        text = f"{client_order_id} at {self.name}: {reason}"
        await self._shell.alert(AlertSeverity.CRITICAL, "TRADES_MISSING", text, account=self.desk.account)
