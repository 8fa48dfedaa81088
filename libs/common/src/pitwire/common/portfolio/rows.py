"""Orders as plain rows of a snapshot, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from pitwire.common.enums import OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.money import canonical
from pitwire.common.order_state import OrderState


def _fees(rows: list[list[str]]) -> tuple[tuple[str, Decimal], ...]:
    return tuple((asset, Decimal(amount)) for asset, amount in rows)


_NAMES: Final = tuple(field.name for field in fields(OrderState))
_READ: Final[dict[str, Callable[[Any], Any]]] = {
    "side": Side,
    "order_type": OrderType,
    "quantity": Decimal,
    "limit_price": Decimal,
    "stop_price": Decimal,
    "time_in_force": TimeInForce,
    "status": OrderStatus,
    "cum_quantity": Decimal,
    "venue_cum_quantity": Decimal,
    "cost": Decimal,
    "fees": _fees,
}


def order_row(order: OrderState) -> list[Any]:
    """The fields in order: Decimals by value, enums by name."""
    return [_plain(getattr(order, name)) for name in _NAMES]


def order_of(row: list[Any]) -> OrderState:
    """The order that `order_row` wrote."""
    return OrderState(**{name: _read(name, value) for name, value in zip(_NAMES, row, strict=True)})


def _read(name: str, value: Any) -> Any:
    read = _READ.get(name)
    return value if read is None or value is None else read(value)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return canonical(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [[asset, canonical(amount)] for asset, amount in value]
    return value
