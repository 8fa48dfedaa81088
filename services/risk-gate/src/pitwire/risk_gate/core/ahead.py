"""The account as it will be after the verdicts of this batch so far: later intents see what earlier ones reserved."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pitwire.common.enums import Side
from pitwire.common.instruments import InstrumentRegistry, assets_of, is_dust
from pitwire.common.money import ZERO
from pitwire.common.portfolio import AccountState
from pitwire.common.portfolio.holdings import Marks
from pitwire.common.schemas.ledger import Approved, Reservation
from pitwire.common.schemas.orders import Intent


@dataclass(frozen=True, slots=True)
class Open:
    """Quantity and worst-case value of the orders that may still fill on one side."""

    quantity: Decimal
    value: Decimal

    def and_of(self, held: Reservation) -> Open:
        """With one order more."""
        return Open(self.quantity + held.quantity, self.value + held.quantity * held.worst_price)


_NOTHING: Final = Open(ZERO, ZERO)


class Ahead:
    """Reservations of the account plus those of the batch; adds only, within one call of `decide`."""

    def __init__(self, state: AccountState, marks: Marks) -> None:
        self.state = state
        self.equity = state.equity(marks)
        self._intent_no: dict[str, int] = {}
        self._open: dict[tuple[str, Side], Open] = {}
        self._by_strategy: dict[tuple[str, str, Side], Open] = {}
        self._reserved: dict[tuple[str, str], Decimal] = {}
        self._owner: dict[str, str] = {}
        self._approved: dict[str, int] = {}

    def last_intent_no(self, strategy: str) -> int:
        return max(self.state.last_intent_no(strategy), self._intent_no.get(strategy, 0))

    def answered(self, intent: Intent) -> None:
        """A verdict was given, whichever: its number is used up."""
        self._intent_no[intent.strategy] = max(self._intent_no.get(intent.strategy, 0), intent.intent_no)

    def reserve(self, approved: Approved) -> None:
        intent, held = approved.intent, approved.reservation
        place = (held.instrument_id, held.side)
        owned, taken = (intent.strategy, *place), (approved.venue_account, held.asset)
        self._open[place] = self._open.get(place, _NOTHING).and_of(held)
        self._by_strategy[owned] = self._by_strategy.get(owned, _NOTHING).and_of(held)
        self._reserved[taken] = self._reserved.get(taken, ZERO) + held.amount
        self._owner[approved.client_order_id] = intent.strategy
        self._approved[intent.strategy] = self._approved.get(intent.strategy, 0) + 1

    def open(self, instrument_id: str, side: Side) -> Open:
        working = self.state.exposure.working(instrument_id, side)
        ahead = self._open.get((instrument_id, side), _NOTHING)
        return Open(working.quantity + ahead.quantity, working.value + ahead.value)

    def open_of_strategy(self, strategy: str, instrument_id: str, side: Side) -> Open:
        place = (strategy, instrument_id, side)
        working, ahead = self.state.exposure.of_strategy(*place), self._by_strategy.get(place, _NOTHING)
        return Open(working.quantity + ahead.quantity, working.value + ahead.value)

    def orders_at(self, strategy: str, ts_market_ns: int) -> int:
        """Orders of the strategy approved so far in the minute of this market time."""
        return self.state.strategy(strategy).orders_at(ts_market_ns) + self._approved.get(strategy, 0)

    def long_of_strategy(self, strategy: str, wanted: Reservation, marks: Marks) -> Decimal:
        """What the strategy holds and may still buy, with the buy `wanted`, in the account's quote currency.

        What it holds at the marks; the buys of an instrument at the mark or at their worst prices, the higher.
        """
        wealth, value = self.state.wealth, ZERO
        held = wealth.by_strategy.get(strategy, {})
        bought = {name for owner, name, side in self._by_strategy if owner == strategy and side is Side.BUY}
        for name in dict.fromkeys((*held, *self.state.exposure.instruments, *sorted(bought), wanted.instrument_id)):
            if name in held:
                value += max(wealth.worth(held[name], marks), ZERO)
            buys = self.open_of_strategy(strategy, name, Side.BUY)
            if name == wanted.instrument_id:
                buys = buys.and_of(wanted)
            if buys.quantity:
                price, rate = wealth.mark_price(name, marks), wealth.rate(assets_of(name)[1], marks)
                value += max(buys.quantity * (price or ZERO), buys.value) * (rate or ZERO)
        return value

    def available(self, venue_account: str, asset: str) -> Decimal:
        return self.state.available(venue_account, asset) - self._reserved.get((venue_account, asset), ZERO)

    def owner_of(self, client_order_id: str) -> str | None:
        """The strategy of a known order; None where no order of that id may still fill."""
        order = self.state.order(client_order_id)
        return order.strategy if order else self._owner.get(client_order_id)

    def open_instruments(self, instruments: InstrumentRegistry) -> tuple[str, ...]:
        """Instruments with a position above dust or an order that may still fill, each once."""
        found = dict.fromkeys(self.state.exposure.instruments)
        found |= dict.fromkeys(instrument_id for instrument_id, _ in self._open)
        for instrument_id, position in self.state.wealth.net.items():
            if position.quantity:
                instrument = instruments.get(instrument_id)
                if instrument is None or not is_dust(instrument, position.quantity):
                    found[instrument_id] = None
        return tuple(found)
