"""One position: signed quantity, exact cost, realised profit, fees; the same for an account's net and a sub-ledger.

Average-cost method (I-12): an add weighs in, a reduction releases its share of the cost and leaves the average, a flip
closes all and opens the rest at the flipping trade's price, flat means zero cost and no average.

Fees (I-13): in quote they cost cash; in base they change the quantity, at the trade's own price, so that a buy of 1
with a fee of 0.001 is a position of 0.999 and a fee worth 0.001 x price; in a third asset they are kept apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from pitwire.common.enums import Side
from pitwire.common.fills import Fill
from pitwire.common.instruments import assets_of
from pitwire.common.money import MONEY, ZERO, canonical, difference, exact, product, released_cost, total


@dataclass(frozen=True, slots=True)
class Position:
    """`cost` has the sign of `quantity`; `realised_pnl` and `fees` are in quote currency; fees reduce neither."""

    instrument_id: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    realised_pnl: Decimal = ZERO
    fees: Decimal = ZERO
    other_fees: tuple[tuple[str, Decimal], ...] = ()
    opened_ns: int = 0
    updated_ns: int = 0
    fill_count: int = 0

    @property
    def is_long(self) -> bool:
        return self.quantity > ZERO

    @property
    def is_short(self) -> bool:
        return self.quantity < ZERO

    @property
    def is_flat(self) -> bool:
        return not self.quantity

    @property
    def side(self) -> Side | None:
        """The side that opened it; None when flat."""
        if not self.quantity:
            return None
        return Side.BUY if self.quantity > ZERO else Side.SELL

    @property
    def average_price(self) -> Decimal | None:
        """Cost / quantity at 34 digits; None when flat."""
        return MONEY.divide(self.cost, self.quantity) if self.quantity else None

    @classmethod
    def opened_by(cls, fill: Fill) -> Position:
        return cls(fill.instrument_id).apply_fill(fill)

    def value(self, mark_price: Decimal | None) -> Decimal:
        """Quantity at the mark, negative for a short; at cost where there is no mark yet."""
        return self.cost if mark_price is None else product(self.quantity, mark_price)

    def unrealised_pnl(self, mark_price: Decimal | None) -> Decimal:
        return difference(self.value(mark_price), self.cost)

    def total_pnl(self, mark_price: Decimal | None) -> Decimal:
        """Realised + unrealised - fees, in quote currency; fees in a third asset are not in it."""
        return difference(total(self.realised_pnl, self.unrealised_pnl(mark_price)), self.fees)

    @exact
    def apply_fill(self, fill: Fill) -> Position:
        """The position after one booked trade or its reversal."""
        base, quote = assets_of(fill.instrument_id)
        if fill.instrument_id != self.instrument_id:
            msg = f"a fill in {fill.instrument_id} cannot move a position in {self.instrument_id}"
            raise ValueError(msg)
        moved, fees, other_fees, fee = fill.signed_quantity, self.fees, self.other_fees, fill.signed_fee
        if fee:
            if fill.fee_currency == quote:
                fees += fee
            elif fill.fee_currency == base:
                moved -= fee
                fees += fee * fill.price
            else:
                other_fees = with_amount(other_fees, fill.fee_currency, fee)
        quantity, cost, realised = _moved(self.quantity, self.cost, moved, fill.price)
        opened_anew = quantity and (not self.quantity or (quantity > ZERO) is not (self.quantity > ZERO))
        return Position(
            self.instrument_id,
            quantity,
            cost,
            self.realised_pnl + realised,
            fees,
            other_fees,
            fill.ts_event_ns if opened_anew else (self.opened_ns if quantity else 0),
            fill.ts_event_ns,
            self.fill_count + 1,
        )

    def snapshot(self) -> list[Any]:
        numbers = [canonical(n) for n in (self.quantity, self.cost, self.realised_pnl, self.fees)]
        other_fees = [[asset, canonical(amount)] for asset, amount in self.other_fees]
        return [self.instrument_id, *numbers, other_fees, self.opened_ns, self.updated_ns, self.fill_count]

    @classmethod
    def restore(cls, row: list[Any]) -> Position:
        quantity, cost, realised_pnl, fees = (Decimal(text) for text in row[1:5])
        other_fees = tuple((asset, Decimal(amount)) for asset, amount in row[5])
        return cls(row[0], quantity, cost, realised_pnl, fees, other_fees, *row[6:])


@lru_cache(maxsize=4096)
def flat(instrument_id: str) -> Position:
    """The position of who never traded it."""
    return Position(instrument_id)


def _moved(quantity: Decimal, cost: Decimal, moved: Decimal, price: Decimal) -> tuple[Decimal, Decimal, Decimal]:
    """Quantity, cost and realised profit after `moved` (signed) at `price`."""
    after = quantity + moved
    if not quantity or not moved or (quantity > ZERO) is (moved > ZERO):
        return after, cost + moved * price, ZERO
    if not after:
        return ZERO, ZERO, -moved * price - cost
    if (after > ZERO) is (quantity > ZERO):
        released = released_cost(cost, -moved, quantity)
        return after, cost - released, -moved * price - released
    return after, after * price, quantity * price - cost


def with_amount(
    amounts: tuple[tuple[str, Decimal], ...], asset: str, amount: Decimal
) -> tuple[tuple[str, Decimal], ...]:
    """The amounts per asset with `amount` added, in the order in which assets first came; zeros stay."""
    if not amount:
        return amounts
    if all(name != asset for name, _ in amounts):
        return (*amounts, (asset, amount))
    return tuple((name, total(had, amount) if name == asset else had) for name, had in amounts)
