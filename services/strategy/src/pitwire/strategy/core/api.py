"""What a strategy is made of: its parameters, what it may answer, and what it can see.

A strategy is a class. Its constructor takes its parameters (`params`, a `Params`), and it has the methods it needs:

    on_start(history)               closed candles from before the start, oldest first
    on_candle(candle, portfolio)    a candle closed
    on_quote(quote, portfolio)      top of book changed
    on_trade(trade, portfolio)      somebody traded
    on_book(book, portfolio)        a book changed (an `OrderBook`); its venue must follow it, see `books`
    on_fill(fill, portfolio)        an order of this strategy traded
    on_order(order, portfolio)      an order of this strategy changed
    on_timer(ts_market_ns, portfolio)   `timer_seconds` of market time have passed

Each answers with one decision, several, or none. A number `history` says how many closed candles per instrument it
needs before its answers count. Without `on_start` history comes through `on_candle`; what that answers is not acted on.
Until the history is there, answers to `on_candle` and ticks are not acted on and no timer runs. `on_fill` and
`on_order` are told all the same, since an order may live on from before a restart: of their answers cancels and sells
of what is held pass, so that a position can be protected or left; anything else waits.

Timers run on the market clock, which moves with events: `on_timer` is called with the first candle, or tick that the
strategy has a method for, at or after each full multiple of `timer_seconds`, once however many have passed, and never
between events. So its resolution is that of the events: one candle where there are no ticks, as in a backtest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final, Protocol

from pydantic import BaseModel, ConfigDict

from pitwire.common.enums import OrderType, Side, TimeInForce
from pitwire.common.order_state import OrderState
from pitwire.common.positions import Position
from pitwire.common.schemas.market import Instrument

EVENTS: Final = ("on_start", "on_candle", "on_quote", "on_trade", "on_book", "on_fill", "on_order", "on_timer")
Values = Mapping[str, object]
"""Figures behind a decision, by name."""


class Params(BaseModel):
    """Parameters of a strategy: frozen, and an unknown name is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


@dataclass(slots=True)
class Hold:
    """Do nothing, and say why. `values` are shown by `pitwire why`.

    Not frozen: one is made per candle and strategy, and that would double what a backtest pays for it.
    """

    reason: str
    values: Values = field(default_factory=dict)
    instrument_id: str = ""


@dataclass(frozen=True, slots=True)
class Target:
    """Hold `quantity` of base currency; an order for what is missing follows. Repeating it changes nothing.

    Less than `tolerance` (a share of the target) is not missing: sizes that follow the price would trade all the time.
    """

    quantity: Decimal
    reason: str
    values: Values = field(default_factory=dict)
    instrument_id: str = ""
    tolerance: Decimal = Decimal("0.02")


@dataclass(frozen=True, slots=True)
class Order:
    """One order of its own, beside any target. Rounded to tick and lot in the direction that lowers risk."""

    side: Side
    quantity: Decimal
    reason: str
    order_type: OrderType = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    values: Values = field(default_factory=dict)
    instrument_id: str = ""


@dataclass(frozen=True, slots=True)
class Cancel:
    """Cancel one of this strategy's working orders."""

    client_order_id: str
    reason: str
    instrument_id: str = ""


Decision = Hold | Target | Order | Cancel
"""Without `instrument_id` the instrument of the event is meant."""

Answer = Decision | Iterable[Decision] | None


class Portfolio(Protocol):
    """A strategy's own share of its account: nothing of other strategies is in it."""

    @property
    def capital(self) -> Decimal:
        """What it was given, in the account's quote currency."""
        ...

    @property
    def equity(self) -> Decimal:
        """Capital + profit - fees in the account's quote currency, positions at the newest prices this strategy saw.

        Profit in another currency, and a fee in a third asset, count from the first price of that asset on.
        """
        ...

    @property
    def instruments(self) -> Sequence[str]:
        """What it is configured to trade."""
        ...

    def instrument(self, instrument_id: str) -> Instrument | None:
        """Its definition; None while the venue's has not come."""
        ...

    def position(self, instrument_id: str) -> Position: ...

    def working_quantity(self, instrument_id: str, side: Side | None = None) -> Decimal:
        """Open quantity, undecided intents included, on one side; without a side, buys less sells."""
        ...

    def working_orders(self, instrument_id: str = "") -> Sequence[OrderState]: ...

    def holds(self, instrument_id: str) -> bool:
        """Something is held that can be sold: what is too small for the venue counts as nothing."""
        ...

    def is_working(self, instrument_id: str) -> bool:
        """Some order is on its way, working or not decided yet."""
        ...

    def quantity_for(self, instrument_id: str, value: Decimal, price: Decimal) -> Decimal:
        """Base currency that `value` of the account's currency buys at `price`, down to a lot; 0 below the minimum.

        `price` is the instrument's own; where its quote currency is another, `value` is converted, 0 without a price.
        """
        ...
