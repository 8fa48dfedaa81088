"""From a strategy's decision to an intent for the gate, or to the reason why none follows."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pitwire.common import money
from pitwire.common.enums import OrderType, Side, TimeInForce, TradingState
from pitwire.common.ids import venue_of
from pitwire.common.portfolio import AccountView
from pitwire.common.schemas.market import Instrument
from pitwire.common.schemas.orders import Basis, CancelIntent, OrderIntent
from pitwire.strategy.core.api import Cancel, Order, Target
from pitwire.strategy.core.intents import UNDECIDED_MAX, Intent, IntentBook
from pitwire.strategy.core.ledger import SubLedger
from pitwire.strategy.core.outputs import TEXT_MAX, Cause
from pitwire.strategy.core.sizing import Sized, TooSmall, fitting, towards


@dataclass(frozen=True, slots=True)
class Spec:
    """One configured instance: `ttl_ns` is how long an intent is worth deciding, by the wall clock."""

    name: str
    account: str
    capital: Decimal
    instruments: tuple[str, ...]
    interval: str
    ttl_ns: int


@dataclass(frozen=True, slots=True)
class NotMade:
    """No intent follows, and why."""

    reason: str


class IntentMaker:
    """Numbers, rounds and stamps intents of one strategy; refuses what the gate could only deny."""

    def __init__(self, spec: Spec, ledger: SubLedger, account: AccountView, intents: IntentBook) -> None:
        self._spec = spec
        self._ledger = ledger
        self._account = account
        self._intents = intents

    def make(
        self, wish: Target | Order | Cancel, instrument_id: str, cause: Cause, *, warmth: str = ""
    ) -> Intent | NotMade:
        """The next intent, already in the book of undecided ones. Raises what a nonsensical wish raises.

        `warmth` says how much of the history is there while it is too little: only cancels and exits pass.
        """
        if self._intents.is_full:
            return NotMade(f"{UNDECIDED_MAX} intents wait for the gate's answer")
        if isinstance(wish, Cancel):
            made: Intent | NotMade = CancelIntent(
                **self._stamp(wish.reason, cause), orig_client_order_id=wish.client_order_id
            )
        else:
            made = self._order(wish, instrument_id, cause, warmth)
        if not isinstance(made, NotMade):
            self._intents.add(made)
        return made

    def _order(self, wish: Target | Order, instrument_id: str, cause: Cause, warmth: str) -> OrderIntent | NotMade:
        if instrument_id not in self._spec.instruments:
            return NotMade(f"{instrument_id} is not among the instruments of this strategy")
        instrument = self._ledger.instrument(instrument_id)
        price = self._ledger.prices.get(instrument_id)
        if instrument is None or price is None:
            return NotMade("the venue's definition has not come yet" if instrument is None else "no price seen yet")
        if isinstance(wish, Target):
            holding = self._ledger.holding(instrument_id)
            sized = towards(wish.quantity, holding, instrument, price, tolerance=wish.tolerance)
            shape = Order(Side.BUY, wish.quantity, wish.reason)
        else:
            shape = _rounded(wish, instrument)
            sized = fitting(wish.side, wish.quantity, instrument, shape.limit_price or shape.stop_price or price)
        if isinstance(sized, TooSmall):
            return NotMade(sized.reason)
        barred = self._barred(sized, instrument_id, warmth)
        if barred:
            return NotMade(barred)
        return OrderIntent(
            **self._stamp(wish.reason, cause),
            instrument_id=instrument_id,
            side=sized.side,
            quantity=sized.quantity,
            order_type=shape.order_type,
            time_in_force=TimeInForce.GTC if shape.order_type is OrderType.MARKET else shape.time_in_force,
            limit_price=shape.limit_price,
            stop_price=shape.stop_price,
            post_only=shape.post_only,
            reduce_only=shape.reduce_only,
        )

    def _barred(self, sized: Sized, instrument_id: str, warmth: str) -> str:
        """What forbids this order now; sells of what is held are reductions and pass all but HALTED."""
        spec = self._spec
        state, halts = self._account.halts.state_for(spec.account, spec.name, venue_of(instrument_id), instrument_id)
        if state is TradingState.HALTED:
            return f"trading is halted by {', '.join(halts[:5])}"
        if sized.side is Side.SELL and sized.quantity <= self._ledger.holding(instrument_id).sellable:
            return ""
        if warmth:
            return f"warming up with {warmth}, only exits and cancels pass"
        if state is TradingState.REDUCING:
            return f"only reductions may pass, by {', '.join(halts[:5])}"
        own = self._account.strategy(spec.name)
        return f"paused: {own.pause_reason}" if own.paused else ""

    def _stamp(self, reason: str, cause: Cause) -> dict[str, Any]:
        return {
            "account": self._spec.account,
            "strategy": self._spec.name,
            "intent_no": self._intents.next_no(),
            "valid_until_ns": cause.now_ns + self._spec.ttl_ns,
            "basis": Basis(
                subject=cause.subject, epoch=cause.epoch, sequence=cause.sequence, ts_event_ns=cause.ts_event_ns
            ),
            "reason": reason[:TEXT_MAX],
            "trace": cause.trace,
            "ts_ns": cause.now_ns,
        }


def _rounded(wish: Order, instrument: Instrument) -> Order:
    """Prices to the tick that never pays more, never sells for less, never triggers later."""
    tick = instrument.tick_size
    limit, stop = wish.limit_price, wish.stop_price
    if limit is not None:
        limit = money.round_limit_price(limit, tick_size=tick, side=wish.side)
    if stop is not None:
        stop = money.round_stop_price(stop, tick_size=tick, side=wish.side, order_type=wish.order_type)
    return Order(
        wish.side,
        wish.quantity,
        wish.reason,
        order_type=wish.order_type,
        limit_price=limit,
        stop_price=stop,
        time_in_force=wish.time_in_force,
        post_only=wish.post_only,
        reduce_only=wish.reduce_only,
    )
