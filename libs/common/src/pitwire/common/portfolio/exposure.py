"""What orders that may still fill could do at worst: reserved on approval, released only as proven away."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from pitwire.common.enums import Side
from pitwire.common.money import ZERO, canonical, exact, share_up
from pitwire.common.order_state import OrderState

K = TypeVar("K")


@dataclass(slots=True)
class Held:
    """The reservation of one order. `amount` of `asset` is for `quantity`; what is open holds its share."""

    strategy: str
    instrument_id: str
    side: Side
    venue_account: str
    asset: str
    quantity: Decimal
    worst_price: Decimal
    amount: Decimal
    open_quantity: Decimal = ZERO
    open_value: Decimal = ZERO
    open_amount: Decimal = ZERO


@dataclass(slots=True)
class Working:
    """Sum over open orders of one instrument and side, of all strategies or of one."""

    quantity: Decimal = ZERO
    value: Decimal = ZERO
    orders: int = 0

    def add(self, quantity: Decimal, value: Decimal, orders: int) -> None:
        self.quantity += quantity
        self.value += value
        self.orders += orders


_NOTHING = Working()


class Exposure:
    """The sum of all reservations, kept as orders change; equals the sum over open orders at any time (I-17)."""

    __slots__ = ("_by_strategy", "_held", "_reserved", "_working")

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}
        self._working: dict[tuple[str, Side], Working] = {}
        self._by_strategy: dict[tuple[str, str, Side], Working] = {}
        self._reserved: dict[tuple[str, str], Decimal] = {}

    def hold(self, order: OrderState, *, asset: str, worst_price: Decimal, amount: Decimal) -> None:
        """Reserves the worst case of an order: `amount` of `asset`, and its quantity at `worst_price`."""
        self._held[order.client_order_id] = Held(
            order.strategy,
            order.instrument_id,
            order.side,
            order.venue_account,
            asset,
            order.quantity,
            worst_price,
            amount,
        )
        self.follow(order)

    @exact
    def follow(self, order: OrderState) -> None:
        """Brings the reservation of `order` to what is open of it: nothing once it is settled."""
        held = self._held.get(order.client_order_id)
        if held is not None:
            self._move(held, order.open_quantity)

    def forget(self, client_order_id: str) -> None:
        """Drops the terms of a reservation that holds nothing any more."""
        held = self._held.get(client_order_id)
        if held is not None and not held.open_quantity:
            del self._held[client_order_id]

    def _move(self, held: Held, quantity: Decimal) -> None:
        if quantity == held.open_quantity:
            return
        value = quantity * held.worst_price
        amount = share_up(held.amount, quantity, held.quantity) if quantity else ZERO
        change = quantity - held.open_quantity, value - held.open_value, bool(quantity) - bool(held.open_quantity)
        _count(self._working, (held.instrument_id, held.side), change)
        _count(self._by_strategy, (held.strategy, held.instrument_id, held.side), change)
        _add(self._reserved, (held.venue_account, held.asset), amount - held.open_amount)
        held.open_quantity, held.open_value, held.open_amount = quantity, value, amount

    def working(self, instrument_id: str, side: Side) -> Working:
        return self._working.get((instrument_id, side), _NOTHING)

    def of_strategy(self, strategy: str, instrument_id: str, side: Side) -> Working:
        return self._by_strategy.get((strategy, instrument_id, side), _NOTHING)

    def works(self, strategy: str, instrument_id: str) -> bool:
        """Whether any order of the strategy on it may still fill."""
        open_now = self._by_strategy
        if not open_now:
            return False
        return (strategy, instrument_id, Side.BUY) in open_now or (strategy, instrument_id, Side.SELL) in open_now

    def reserved(self, venue_account: str, asset: str) -> Decimal:
        return self._reserved.get((venue_account, asset), ZERO)

    @property
    def instruments(self) -> tuple[str, ...]:
        """Instruments with an open order, each once, in a fixed order."""
        return tuple(dict.fromkeys(sorted(instrument_id for instrument_id, _ in self._working)))

    @property
    def order_count(self) -> int:
        return sum(working.orders for working in self._working.values())

    def snapshot(self) -> dict[str, list[str]]:
        return {
            client_order_id: [held.asset, canonical(held.worst_price), canonical(held.amount)]
            for client_order_id, held in self._held.items()
        }

    def restore(self, orders: dict[str, OrderState], data: dict[str, Any]) -> None:
        """Holds again what the snapshot held, for the orders as they stand."""
        for client_order_id, (asset, worst_price, amount) in data.items():
            order = orders[client_order_id]
            self.hold(order, asset=asset, worst_price=Decimal(worst_price), amount=Decimal(amount))


def _count(sums: dict[K, Working], key: K, change: tuple[Decimal, Decimal, int]) -> None:
    working = sums.setdefault(key, Working())
    working.add(*change)
    if not working.orders:
        del sums[key]


def _add(sums: dict[K, Decimal], key: K, amount: Decimal) -> None:
    now = sums.get(key, ZERO) + amount
    if now:
        sums[key] = now
    else:
        sums.pop(key, None)
