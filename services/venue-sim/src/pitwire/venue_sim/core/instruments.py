"""What a configuration says of a venue's instruments: which it lists, by what rules, at what fees."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from pitwire.venue_sim.core.generated import GENERATED_SYMBOLS, GeneratedSymbol
from pitwire.venue_sim.core.recorded import split_symbol
from pitwire.venue_sim.core.rules import SymbolRules
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.units import DECIMALS, decimals_of

GENERATED_NEEDS = ("price", "minute_volume", "tick_size", "lot_step")


class InstrumentError(Exception):
    """A configured instrument cannot be had; the text names it and says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """What is said of one symbol; of the rest the market decides.

    `rules` are fields of `SymbolRules`; `price` (in quote) and `minute_volume` (in base) shape a generated market.
    """

    quote: str | None = None
    price: Decimal | None = None
    minute_volume: Decimal | None = None
    maker_fee: Decimal | None = None
    taker_fee: Decimal | None = None
    rules: dict[str, Decimal | int] = field(default_factory=dict[str, Decimal | int])


Instruments = Mapping[str, Instrument]


def generated_symbols(instruments: Instruments) -> list[GeneratedSymbol]:
    """The generated market of these instruments; of its own two when none is configured.

    Raises:
        InstrumentError: one that the market does not know says too little of itself.
    """
    if not instruments:
        return list(GENERATED_SYMBOLS)
    known = {each.rules.symbol: each for each in GENERATED_SYMBOLS}
    return [_generated(symbol, instrument, known.get(symbol)) for symbol, instrument in instruments.items()]


def _generated(symbol: str, instrument: Instrument, known: GeneratedSymbol | None) -> GeneratedSymbol:
    if known is None:
        said = instrument.rules.keys() | {name for name in GENERATED_NEEDS[:2] if getattr(instrument, name) is not None}
        missing = [name for name in GENERATED_NEEDS if name not in said]
        if missing:
            raise InstrumentError(f"instruments.{symbol}: a generated market needs {', '.join(missing)} of it")
        base, quote = _split(symbol, instrument)
        rules = SymbolRules(symbol=symbol, base=base, quote=quote, tick_size=Decimal(1), lot_step=Decimal(1))
        known = GeneratedSymbol(rules, base_price=0, minute_volume=0)
    return GeneratedSymbol(
        _changed(known.rules, instrument),
        base_price=known.base_price if instrument.price is None else float(instrument.price),
        minute_volume=known.minute_volume if instrument.minute_volume is None else float(instrument.minute_volume),
    )


def _split(symbol: str, instrument: Instrument) -> tuple[str, str]:
    quote = instrument.quote
    if quote is None:
        return split_symbol(symbol)
    if not symbol.endswith(quote) or symbol == quote:
        raise InstrumentError(f"instruments.{symbol}: the symbol does not end with its quote {quote!r}")
    return symbol.removesuffix(quote), quote


def recorded_rules(rules: list[SymbolRules], instruments: Instruments) -> list[SymbolRules]:
    """The rules of a recorded market's symbols with what is configured of them.

    Raises:
        InstrumentError: something is configured that only a generated market can have, or prices and quantities of the
            recording would not fit.
    """
    return [_recorded(each, instruments[each.symbol]) if each.symbol in instruments else each for each in rules]


def _recorded(rules: SymbolRules, instrument: Instrument) -> SymbolRules:
    where = f"instruments.{rules.symbol}"
    if instrument.price is not None or instrument.minute_volume is not None:
        raise InstrumentError(f"{where}: price and minute_volume are for a generated market; leave them out")
    changed = _changed(rules, instrument)
    for name in ("tick_size", "lot_step"):
        recorded, wanted = getattr(rules, name), getattr(changed, name)
        if recorded % wanted:
            raise InstrumentError(f"{where}: {name} {wanted} does not divide the recording's {recorded}; make it finer")
    return changed


def _changed(rules: SymbolRules, instrument: Instrument) -> SymbolRules:
    changed = replace(rules, **instrument.rules)  # type: ignore[arg-type]  # the names were checked when they were read
    decimals = decimals_of(changed.tick_size) + decimals_of(changed.lot_step)
    if decimals > DECIMALS:
        raise InstrumentError(
            f"instruments.{rules.symbol}: tick_size and lot_step have {decimals} decimals together, more than "
            f"{DECIMALS}: the value of a trade could not be told exactly"
        )
    return changed


def fees_of(instruments: Instruments, fees: Fees) -> dict[str, Fees]:
    """The fees of each configured instrument; what it does not say is the venue's."""
    return {
        symbol: Fees(
            maker=fees.maker if instrument.maker_fee is None else instrument.maker_fee,
            taker=fees.taker if instrument.taker_fee is None else instrument.taker_fee,
        )
        for symbol, instrument in instruments.items()
    }
