"""What can be traded and in which steps: the registry every core asks, and the shape an order must have."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

from pitwire.common import money, refusals
from pitwire.common.errors import InvalidName
from pitwire.common.ids import symbol_of
from pitwire.common.refusals import Refusal
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


def shape_fault(
    instrument: Instrument, *, quantity: Decimal, prices: tuple[Decimal, ...], notional_price: Decimal | None
) -> Refusal | None:
    """The first rule broken: tick of every price, lot and bounds of the quantity, bounds of the notional.

    The notional is taken at `notional_price`; None where nobody knows one yet.
    """
    return next(_shape_faults(instrument, quantity, prices, notional_price), None)


def _shape_faults(
    instrument: Instrument, quantity: Decimal, prices: tuple[Decimal, ...], notional_price: Decimal | None
) -> Iterator[Refusal]:
    for price in prices:
        if not money.is_multiple(price, instrument.tick_size):
            yield refusals.PriceTick("price is no multiple of the tick", instrument.tick_size, price)
    if not money.is_multiple(quantity, instrument.lot_size):
        yield refusals.QuantityLot("quantity is no multiple of the lot", instrument.lot_size, quantity)
    if quantity < instrument.min_quantity:
        yield refusals.QuantityRange("below the venue's minimum", instrument.min_quantity, quantity)
    if instrument.max_quantity is not None and quantity > instrument.max_quantity:
        yield refusals.QuantityRange("above the venue's maximum", instrument.max_quantity, quantity)
    if notional_price is None:
        return
    notional = money.product(quantity, notional_price)
    if notional < instrument.min_notional:
        yield refusals.NotionalBelowMinimum("the venue takes no smaller", instrument.min_notional, notional)
    if instrument.max_notional is not None and notional > instrument.max_notional:
        yield refusals.NotionalAboveMaximum("the venue takes no larger", instrument.max_notional, notional)
