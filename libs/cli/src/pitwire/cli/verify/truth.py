"""A second, independent bookkeeping: plain fractions over the execution reports, sharing no code with the folds.

It knows nothing of order states, only what was approved, what the venue said it filled, and what it said had ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from pitwire.common.enums import ExecType, OrderStatus, Side
from pitwire.common.schemas.execution import ExecEvent, ExecReport, NotSent, Submitting
from pitwire.common.schemas.ledger import Approved, CapitalRecorded

ENDED: Final = frozenset({ExecType.CANCELED, ExecType.REJECTED, ExecType.EXPIRED})
ENDED_STATUS: Final = frozenset({OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})
TradeKey = tuple[str, str, str, str]
"""Venue, venue account, instrument, trade id."""


@dataclass(slots=True)
class Told:
    """One trade as the journal told it first."""

    sequence: int
    report: ExecReport
    busted: bool = False


@dataclass(slots=True)
class Holding:
    """One position in fractions: quantity, its cost by the average-cost method, what was realised, fees."""

    quantity: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    lowest: Fraction = Fraction(0)
    highest: Fraction = Fraction(0)

    def move(self, moved: Fraction, price: Fraction) -> None:
        """`moved` (signed) at `price`, average-cost method."""
        before, after = self.quantity, self.quantity + moved
        if before == 0 or moved == 0 or (before > 0) == (moved > 0):
            self.cost += moved * price
            self._bound(price, anew=before == 0)
        elif after == 0:
            self.realised += -moved * price - self.cost
            self.cost = Fraction(0)
        elif (after > 0) == (before > 0):
            released = self.cost * -moved / before
            self.realised += -moved * price - released
            self.cost -= released
        else:
            self.realised += before * price - self.cost
            self.cost = after * price
            self._bound(price, anew=True)
        self.quantity = after

    def _bound(self, price: Fraction, *, anew: bool) -> None:
        self.lowest = price if anew else min(self.lowest, price)
        self.highest = price if anew else max(self.highest, price)


@dataclass(slots=True)
class OpenOrder:
    """How much of one order may still fill, by the plainest reading of the journal."""

    strategy: str
    instrument_id: str
    venue_account: str
    side: Side
    quantity: Fraction
    worst_price: Fraction
    asset: str
    amount: Fraction
    filled: Fraction = Fraction(0)
    venue_filled: Fraction = Fraction(0)
    seen: bool = False
    ended: bool = False

    @property
    def open_quantity(self) -> Fraction:
        if self.ended:
            return max(self.venue_filled - self.filled, Fraction(0))
        return max(self.quantity - self.filled, Fraction(0))

    @property
    def open_value(self) -> Fraction:
        return self.open_quantity * self.worst_price

    @property
    def open_amount(self) -> Fraction:
        return self.amount * self.open_quantity / self.quantity if self.quantity else Fraction(0)


@dataclass(slots=True)
class Truth:
    """The plain books of one account, moved in the order in which the ledger covers what execution wrote."""

    holdings: dict[tuple[str, str], Holding] = field(default_factory=dict[tuple[str, str], Holding])
    balances: dict[tuple[str, str], Fraction] = field(default_factory=dict[tuple[str, str], Fraction])
    trades: dict[TradeKey, Told] = field(default_factory=dict[TradeKey, Told])
    orders: dict[str, OpenOrder] = field(default_factory=dict[str, OpenOrder])
    repeated: int = 0

    def approve(self, approved: Approved) -> None:
        held, intent = approved.reservation, approved.intent
        self.orders[approved.client_order_id] = OpenOrder(
            strategy=intent.strategy,
            instrument_id=intent.instrument_id,
            venue_account=approved.venue_account,
            side=intent.side,
            quantity=Fraction(intent.quantity),
            worst_price=Fraction(held.worst_price),
            asset=held.asset,
            amount=Fraction(held.amount),
        )

    def deposit(self, record: CapitalRecorded) -> None:
        self._add(record.venue_account, record.asset, Fraction(record.amount))

    def execution(self, sequence: int, event: ExecEvent) -> None:
        order = self.orders.get(event.client_order_id)
        if isinstance(event, Submitting):
            return
        if isinstance(event, NotSent):
            if order is not None and not order.seen:
                order.ended = True
        elif isinstance(event, ExecReport):
            self._report(sequence, event, order)

    def open_on(self, instrument_id: str, side: Side) -> Fraction:
        """Quantity that may still fill on one side."""
        return sum(
            (o.open_quantity for o in self.orders.values() if o.instrument_id == instrument_id and o.side is side),
            Fraction(0),
        )

    def forget_settled(self) -> None:
        """Drops orders that hold nothing any more: sums over what is open stay quick."""
        settled = [name for name, order in self.orders.items() if order.ended and not order.open_quantity]
        for name in settled:
            del self.orders[name]

    def _report(self, sequence: int, report: ExecReport, order: OpenOrder | None) -> None:
        if report.exec_type in {ExecType.TRADE, ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT}:
            self._trade(sequence, report, order)
        if order is None:
            return
        if report.exec_type is not ExecType.UNKNOWN:
            order.seen = True
        if report.exec_type not in {ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT}:
            order.venue_filled = max(order.venue_filled, Fraction(report.cum_quantity), order.filled)
        by_status = report.exec_type is ExecType.STATUS and report.order_status in ENDED_STATUS
        if report.exec_type in ENDED or by_status or order.filled >= order.quantity:
            order.ended = True

    def _trade(self, sequence: int, report: ExecReport, order: OpenOrder | None) -> None:
        key = trade_key(report)
        told = self.trades.get(key)
        if report.exec_type is ExecType.TRADE:
            if told is not None:
                self.repeated += 1
                return
            if report.last_quantity and report.last_price:
                self.trades[key] = Told(sequence, report)
                self._book(report, order, sign=1)
            return
        if told is None or told.busted:
            return
        self._book(told.report, order, sign=-1)
        if order is not None:
            order.venue_filled -= Fraction(told.report.last_quantity)
        if report.exec_type is ExecType.TRADE_CORRECT and report.last_quantity:
            self.trades[key] = Told(sequence, report)
            self._book(report, order, sign=1)
        else:
            told.busted = True

    def _book(self, report: ExecReport, order: OpenOrder | None, *, sign: int) -> None:
        symbol = report.instrument_id.rpartition(".")[0]
        base, _, quote = symbol.partition("-")
        quantity, price = Fraction(report.last_quantity) * sign, Fraction(report.last_price)
        signed = quantity if report.side is Side.BUY else -quantity
        fee, currency = Fraction(report.fee) * sign, report.fee_currency or quote
        self._add(report.venue_account, base, signed)
        self._add(report.venue_account, quote, -signed * price)
        self._add(report.venue_account, currency, -fee)
        moved = signed - fee if currency == base else signed
        in_quote = fee if currency == quote else (fee * price if currency == base else Fraction(0))
        strategy = order.strategy if order is not None else report.strategy
        for owner in ("*", strategy):
            holding = self.holdings.setdefault((owner, report.instrument_id), Holding())
            holding.move(moved, price)
            holding.fees += in_quote
        if order is not None:
            order.filled += quantity

    def _add(self, venue_account: str, asset: str, amount: Fraction) -> None:
        key = (venue_account, asset)
        self.balances[key] = self.balances.get(key, Fraction(0)) + amount


def trade_key(report: ExecReport) -> TradeKey:
    """What makes a trade one trade; where a venue names none, its exec id, else order and cumulative quantity."""
    name = report.trade_id or report.exec_id or f"{report.client_order_id}@{_plain(report)}"
    return report.venue, report.venue_account, report.instrument_id, name


def _plain(report: ExecReport) -> str:
    return format(report.cum_quantity.normalize(), "f") if report.cum_quantity else "0"
