"""What an order may cost at worst: the price a limit counts it at, and what it reserves."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from pitwire.common.enums import Side
from pitwire.common.money import basis_points_of, on_wire_up, percent_of, product, total
from pitwire.common.schemas.ledger import Reservation
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import OrderIntent

MARKET_COLLAR_PERCENT: Final = Decimal(5)
"""How far above the mark an order without a limit price is taken to fill, on either side."""


def worst_price(intent: OrderIntent, mark_price: Decimal) -> Decimal:
    """The highest price at which the order may fill, so the price its notional is counted at.

    A buy with a limit pays at most the limit. A sell with a limit may get the limit or, being marketable, the mark or
    its stop. Without a limit: mark or stop, whichever is higher, plus the collar.
    """
    if intent.limit_price is not None and intent.side is Side.BUY:
        return intent.limit_price
    prices = [price for price in (intent.limit_price, intent.stop_price, mark_price) if price is not None]
    highest = max(prices)
    if intent.limit_price is not None:
        return highest
    return on_wire_up(total(highest, percent_of(highest, MARKET_COLLAR_PERCENT)))


def reservation_of(intent: OrderIntent, instrument: Instrument, worst: Decimal) -> Reservation:
    """Quote currency with the taker's fee for a buy, base currency for a sell."""
    if intent.side is Side.BUY:
        cost = product(intent.quantity, worst)
        asset, amount = instrument.quote, on_wire_up(total(cost, basis_points_of(cost, instrument.taker_fee_bps)))
    else:
        asset, amount = instrument.base, intent.quantity
    return Reservation(
        instrument_id=intent.instrument_id,
        side=intent.side,
        quantity=intent.quantity,
        worst_price=worst,
        asset=asset,
        amount=amount,
    )
