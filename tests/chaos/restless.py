"""A strategy that is never done: on every few quotes an order that rests, one that takes, or a cancel."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

from pitwire.common.enums import OrderType, Side, TimeInForce
from pitwire.common.schemas.market import Quote
from pitwire.strategy import Cancel, Decision, Order, Params, Portfolio

WORKING_MAX = 3
KINDS = ("rest low", "take", "rest near", "give back")


class RestlessParams(Params):
    """`value`: of each order, in quote currency; `every`: quotes of an instrument between two actions."""

    value: Decimal = Decimal(100)
    every: int = 3
    away_percent: Decimal = Decimal("0.4")


class Restless:
    """Keeps orders alive between approval and end, and fills of every kind coming. It has no opinion on the price."""

    def __init__(self, params: RestlessParams) -> None:
        self.params = params
        self.quotes = Counter[str]()
        self.acts = Counter[str]()

    def on_quote(self, quote: Quote, portfolio: Portfolio) -> Decision | None:
        """One action on every `every`-th quote of an instrument."""
        name = quote.instrument_id
        self.quotes[name] += 1
        if self.quotes[name] % self.params.every:
            return None
        working = portfolio.working_orders(name)
        if len(working) >= WORKING_MAX:
            return Cancel(working[0].client_order_id, "the oldest has waited long enough")
        kind = KINDS[self.acts[name] % len(KINDS)]
        self.acts[name] += 1
        return self._order(kind, quote, portfolio)

    def _order(self, kind: str, quote: Quote, portfolio: Portfolio) -> Decision | None:
        quantity = portfolio.quantity_for(quote.instrument_id, self.params.value, quote.ask_price)
        away = 1 - self.params.away_percent / 100
        if kind == "rest low":
            return self._limit(Side.BUY, quantity, quote.bid_price * away, kind, TimeInForce.GTC)
        if kind == "rest near":
            return self._limit(Side.BUY, quantity, quote.bid_price, kind, TimeInForce.GTC)
        if kind == "take":
            return self._limit(Side.BUY, quantity, quote.ask_price / away, kind, TimeInForce.IOC)
        held = portfolio.position(quote.instrument_id).quantity - portfolio.working_quantity(
            quote.instrument_id, Side.SELL
        )
        if not portfolio.holds(quote.instrument_id) or held <= 0:
            return None
        return Order(side=Side.SELL, quantity=held, reason=kind)

    @staticmethod
    def _limit(side: Side, quantity: Decimal, price: Decimal, reason: str, time: TimeInForce) -> Order:
        return Order(
            side=side,
            quantity=quantity,
            reason=reason,
            order_type=OrderType.LIMIT,
            limit_price=price,
            time_in_force=time,
        )
