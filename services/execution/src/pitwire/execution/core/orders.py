"""The orders of one account as execution knows them: by the journal, and by what is on its way there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pitwire.common.enums import ExecType, OrderType, TimeInForce
from pitwire.common.fills import BookedTrades, trade_key
from pitwire.common.order_state import Applied, OrderState, apply
from pitwire.common.schemas.execution import ExecReport
from pitwire.common.schemas.ledger import Approved
from pitwire.execution.core.doubts import Doubt

SETTLED_KEPT: Final = 2_000
"""Settled orders remembered whole: reports that come late still find their order."""

STRATEGIES_KEPT: Final = 50_000
"""Of older orders only the strategy is remembered, so that a very late fill is booked to whom it belongs."""

TRADES_KEPT: Final = 5_000


@dataclass(slots=True)
class Entry:
    """One order. `order` is the fold of the journal; `told` is `order` plus the events queued for the journal."""

    order: OrderState
    told: OrderState
    approved: Approved | None = None
    decision_sequence: int = 0
    fault: str = ""
    trace: str = ""
    valid_until_ns: int = 0
    """Wall clock after which the venue takes the request no more."""

    composed: bool = False
    """This process has made its `Submitting` or `NotSent`."""

    sent: bool = False
    """This process has put the request on the wire."""

    awaiting: bool = False
    """The venue's answer to it is outstanding."""

    cancel_wanted: bool = False
    queued: int = 0
    """Events made from `told` that have not come back from the journal."""

    doubt: Doubt | None = None

    @property
    def client_order_id(self) -> str:
        return self.order.client_order_id

    @property
    def wants_cancel(self) -> bool:
        """A cancel was asked for and the order is not over."""
        return self.told.is_active and (self.cancel_wanted or self.told.cancel_requested)

    @property
    def is_out(self) -> bool:
        """It may be at the venue: this process sent it, or another life may have."""
        return self.sent or (self.order.submitted and not self.composed)

    @property
    def can_rest(self) -> bool:
        """It may stand in the book; otherwise the venue's first answer is its last word."""
        told = self.told
        return told.order_type is not OrderType.MARKET and told.time_in_force is TimeInForce.GTC

    @property
    def is_protective(self) -> bool:
        """A stop that can only reduce: what halts and silence leave in place unless told otherwise."""
        told = self.told
        return told.order_type.has_stop_price and (told.reduce_only or told.is_reduction)


class Orders:
    """Entries by client_order_id, what was booked, and what is being booked. Bounded."""

    __slots__ = (
        "_active",
        "_at_venue",
        "_newest_trade",
        "_pending_trades",
        "_settled",
        "_settled_order",
        "_strategies",
        "trades",
    )

    def __init__(self) -> None:
        self._active: dict[str, Entry] = {}
        self._at_venue: dict[tuple[str, str, str], str] = {}
        self._settled: dict[str, Entry] = {}
        self._settled_order: deque[str] = deque()
        self._strategies: dict[str, str] = {}
        self._pending_trades: dict[str, None] = {}
        self._newest_trade: dict[tuple[str, str], int] = {}
        self.trades = BookedTrades(TRADES_KEPT)

    def get(self, client_order_id: str) -> Entry | None:
        return self._active.get(client_order_id) or self._settled.get(client_order_id)

    def strategy_of(self, client_order_id: str) -> str | None:
        """The strategy of an order that was ours, however old; None for one that never was (or is long forgotten)."""
        entry = self.get(client_order_id)
        return entry.order.strategy if entry else self._strategies.get(client_order_id)

    def active(self) -> Iterator[Entry]:
        """Orders that are not over by journal and queue, oldest first; safe against changes meanwhile."""
        return iter([entry for entry in self._active.values() if entry.told.is_active])

    def unsettled(self) -> Iterator[Entry]:
        """Orders that are not over, and those whose last trades are still missing; oldest first."""
        return iter(list(self._active.values()))

    def find_venue_order(self, venue_account: str, instrument_id: str, venue_order_id: str) -> Entry | None:
        """The remembered order with this venue order id, which a venue counts per instrument."""
        client_order_id = self._at_venue.get((venue_account, instrument_id, venue_order_id))
        return self.get(client_order_id) if client_order_id is not None else None

    def add(self, entry: Entry) -> None:
        self._active[entry.client_order_id] = entry

    # -- snapshots -----------------------------------------------------------------------------------------------

    def parts(self) -> tuple[list[Entry], list[Entry], dict[str, str], dict[tuple[str, str], int]]:
        """What is remembered besides the trades: active, settled, strategies of older orders, newest trade ids."""
        settled = [self._settled[client_order_id] for client_order_id in self._settled_order]
        return list(self._active.values()), settled, dict(self._strategies), dict(self._newest_trade)

    def take_parts(
        self,
        active: list[Entry],
        settled: list[Entry],
        strategies: dict[str, str],
        newest_trade: dict[tuple[str, str], int],
    ) -> None:
        """The inverse of `parts`, on empty orders."""
        for entry in (*settled, *active):
            self._index(entry)
        self._active = {entry.client_order_id: entry for entry in active}
        self._settled = {entry.client_order_id: entry for entry in settled}
        self._settled_order = deque(self._settled)
        self._strategies = strategies
        self._newest_trade = newest_trade

    # -- the fold ------------------------------------------------------------------------------------------------

    def fold_report(self, entry: Entry, report: ExecReport, *, own: bool) -> Applied | None:
        """Applies a report of the journal; None for a trade that is booked already. `own`: this process queued it."""
        applied: Applied | None = None
        if report.exec_type is ExecType.TRADE:
            key = trade_key(report)
            self._pending_trades.pop(key, None)
            if key not in self.trades:
                applied = apply(entry.order, report)
        else:
            original = None
            if report.exec_type in {ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT}:
                original = self.trades.find(trade_key(report))
            applied = apply(entry.order, report, original=original)
        if applied is not None:
            entry.order = applied.order
            for fill in applied.fills:
                self.trades.put(fill)
            self._note_trade(report)
        self.came_back(entry, own=own)
        return applied

    def came_back(self, entry: Entry, *, own: bool) -> None:
        """An event of this entry was read from the journal: when none is on its way, the journal says all."""
        entry.queued = max(entry.queued - 1, 0) if own else entry.queued
        if entry.queued == 0:
            entry.told = entry.order
            self._index(entry)
            if entry.order.is_settled:
                self._settle(entry)

    def _note_trade(self, report: ExecReport) -> None:
        if report.trade_id.isascii() and report.trade_id.isdigit():
            place = (report.venue_account, report.instrument_id)
            self._newest_trade[place] = max(self._newest_trade.get(place, 0), int(report.trade_id))

    def _settle(self, entry: Entry) -> None:
        client_order_id = entry.client_order_id
        if self._active.pop(client_order_id, None) is None:
            return
        entry.approved = None
        self._settled[client_order_id] = entry
        self._settled_order.append(client_order_id)
        if len(self._settled_order) > SETTLED_KEPT:
            oldest = self._settled.pop(self._settled_order.popleft())
            self._at_venue.pop(_venue_key(oldest.order), None)
            self._strategies[oldest.client_order_id] = oldest.order.strategy
            if len(self._strategies) > STRATEGIES_KEPT:
                del self._strategies[next(iter(self._strategies))]

    # -- what is on its way --------------------------------------------------------------------------------------

    def is_new_trade(self, key: str) -> bool:
        """Neither booked nor queued for booking."""
        return key not in self.trades and key not in self._pending_trades and not self.trades.is_too_old(key)

    def queue(self, entry: Entry, told: OrderState, *, trade: str = "") -> None:
        """An event was made that leads to `told`; `trade` is the key of the trade it books."""
        entry.told = told
        entry.queued += 1
        self._index(entry)
        if trade:
            self._pending_trades[trade] = None

    def _index(self, entry: Entry) -> None:
        if entry.told.venue_order_id:
            self._at_venue[_venue_key(entry.told)] = entry.client_order_id

    def newest_trade(self, venue_account: str, instrument_id: str) -> int | None:
        """The highest trade id in the journal; None while there is none."""
        return self._newest_trade.get((venue_account, instrument_id))


def _venue_key(order: OrderState) -> tuple[str, str, str]:
    return order.venue_account, order.instrument_id, order.venue_order_id
