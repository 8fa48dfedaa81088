"""What can be traded and in which steps: the registry every core asks, and the shape an order must have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from pitwire.common import money
from pitwire.common.enums import DenialCode, Side
from pitwire.common.errors import InvalidName
from pitwire.common.ids import symbol_of
from pitwire.common.schemas.market import Instrument


@lru_cache(maxsize=4096)
def assets_of(instrument_id: str) -> tuple[str, str]:
    """Base and quote of our canonical `BASE-QUOTE.VENUE`.

    That name is itself built from the two assets the venue lists, and neither may hold a dash; a venue's own spelling
    (`BTCFDUSD`) is never cut up. So folds that only have the journal know which two balances a fill moves.
    """
    base, dash, quote = symbol_of(instrument_id).partition("-")
    if not (base and dash and quote) or "-" in quote:
        raise InvalidName(what="instrument_id (BASE-QUOTE.VENUE)", value=instrument_id)
    return base, quote


class InstrumentRegistry:
    """The newest definition of each instrument; cores read it, the shell fills it from the market data."""

    def __init__(self, instruments: tuple[Instrument, ...] = ()) -> None:
        self._by_id: dict[str, Instrument] = {}
        self._by_venue_symbol: dict[tuple[str, str], Instrument] = {}
        for instrument in instruments:
            self.put(instrument)

    def put(self, instrument: Instrument) -> None:
        """A later definition replaces the earlier one: venues change steps in mid-day."""
        self._by_id[instrument.instrument_id] = instrument
        self._by_venue_symbol[instrument.venue, instrument.venue_symbol] = instrument

    def get(self, instrument_id: str) -> Instrument | None:
        return self._by_id.get(instrument_id)

    def by_venue_symbol(self, venue: str, venue_symbol: str) -> Instrument | None:
        return self._by_venue_symbol.get((venue, venue_symbol))

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, instrument_id: object) -> bool:
        return instrument_id in self._by_id


def quantity_for(instrument: Instrument, *, value: Decimal, price: Decimal) -> Decimal:
    """The largest number of lots that `value` of quote currency buys at `price`; 0 where that is below the minimum."""
    return tradable_quantity(instrument, money.ratio(value, price))


def tradable_quantity(instrument: Instrument, quantity: Decimal) -> Decimal:
    """`quantity` down to a lot and into the instrument's bounds; 0 where nothing can be traded (dust)."""
    rounded = money.round_quantity(quantity.copy_abs(), lot_size=instrument.lot_size)
    if instrument.max_quantity is not None:
        rounded = min(rounded, money.floor_to(instrument.max_quantity, instrument.lot_size))
    return rounded if rounded and rounded >= instrument.min_quantity else money.ZERO


def is_dust(instrument: Instrument, quantity: Decimal) -> bool:
    """Too little to be sold: below one lot or the minimum. Booked exactly, never traded, not an open position."""
    return quantity.copy_abs() < max(instrument.lot_size, instrument.min_quantity)


def limit_price_for(instrument: Instrument, price: Decimal, side: Side) -> Decimal:
    """The nearest tick that is no worse than `price` for this side."""
    return money.round_limit_price(price, tick_size=instrument.tick_size, side=side)


@dataclass(frozen=True, slots=True)
class ShapeFault:
    """A rule of the instrument that an order breaks."""

    code: DenialCode
    limit: Decimal
    observed: Decimal
    detail: str


def shape_fault(
    instrument: Instrument, *, quantity: Decimal, prices: tuple[Decimal, ...], notional_price: Decimal | None
) -> ShapeFault | None:
    """The first rule broken: tick of every price, lot and bounds of the quantity, bounds of the notional.

    The notional is taken at `notional_price`; None where nobody knows one yet.
    """
    return next(_shape_faults(instrument, quantity, prices, notional_price), None)


def _shape_faults(
    instrument: Instrument, quantity: Decimal, prices: tuple[Decimal, ...], notional_price: Decimal | None
) -> Iterator[ShapeFault]:
    code = DenialCode
    for price in prices:
        if not money.is_multiple(price, instrument.tick_size):
            yield ShapeFault(code.PRICE_TICK, instrument.tick_size, price, "price is no multiple of the tick")
    if not money.is_multiple(quantity, instrument.lot_size):
        yield ShapeFault(code.QUANTITY_LOT, instrument.lot_size, quantity, "quantity is no multiple of the lot")
    if quantity < instrument.min_quantity:
        yield ShapeFault(code.QUANTITY_RANGE, instrument.min_quantity, quantity, "below the venue's minimum")
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        yield ShapeFault(code.QUANTITY_RANGE, instrument.max_quantity, quantity, "above the venue's maximum")
    if notional_price is None:
        return
    notional = money.product(quantity, notional_price)
    if notional < instrument.min_notional:
        yield ShapeFault(code.NOTIONAL_BELOW_MINIMUM, instrument.min_notional, notional, "the venue takes no smaller")
    if instrument.max_notional is not None and notional > instrument.max_notional:
        yield ShapeFault(code.NOTIONAL_ABOVE_MAXIMUM, instrument.max_notional, notional, "the venue takes no larger")
