"""Strategies of Pitwire. What an author of one needs is importable from here."""

from pitwire.common.enums import OrderType, Side, TimeInForce
from pitwire.common.fills import Fill
from pitwire.common.order_book import OrderBook
from pitwire.common.order_state import OrderState
from pitwire.common.schemas.market import BookLevel, Candle, Quote, Trade
from pitwire.strategy.core.api import Answer, Cancel, Decision, Hold, Order, Params, Portfolio, Target

__all__ = [
    "Answer",
    "BookLevel",
    "Cancel",
    "Candle",
    "Decision",
    "Fill",
    "Hold",
    "Order",
    "OrderBook",
    "OrderState",
    "OrderType",
    "Params",
    "Portfolio",
    "Quote",
    "Side",
    "Target",
    "TimeInForce",
    "Trade",
]
