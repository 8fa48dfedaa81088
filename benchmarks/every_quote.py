"""A strategy without an opinion: one IOC order on every quote, priced so that it never fills. For `order_path.py`."""

from __future__ import annotations

from decimal import Decimal

from pitwire.common.enums import OrderType, Side, TimeInForce
from pitwire.common.schemas.market import Quote
from pitwire.strategy.core.api import Order, Params, Portfolio


class EveryQuoteParams(Params):
    """The quantity of every order, in base currency."""

    quantity: Decimal = Decimal("0.001")


class EveryQuote:
    """Answers each quote at its bid, which the benchmark keeps far below the market."""

    def __init__(self, params: EveryQuoteParams) -> None:
        self.params = params

    def on_quote(self, quote: Quote, _portfolio: Portfolio) -> Order:
        """One order, whatever is held or working."""
        return Order(
            side=Side.BUY,
            quantity=self.params.quantity,
            reason="every quote",
            order_type=OrderType.LIMIT,
            limit_price=quote.bid_price,
            time_in_force=TimeInForce.IOC,
        )
