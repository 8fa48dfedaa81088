"""What the venue's values look like as Binance's JSON."""

from decimal import Decimal

from pitwire.venue_sim.core.effects import BalanceChange
from pitwire.venue_sim.core.tape import Candle
from pitwire.venue_sim.core.types import OPEN_STATES, STOP_KINDS, MarketTrade, Order, Report, Side, Trade
from pitwire.venue_sim.core.units import scaled_text, text

Json = dict[str, object]
NO_AMOUNT = "0.00000000"


def execution_report(report: Report) -> Json:
    """The user data event of one change of an order."""
    order, trade = report.order, report.trade
    event: Json = {
        "e": "executionReport",
        "E": report.ts_ms,
        "s": order.symbol,
        "c": report.client_order_id,
        "S": order.side.value,
        "o": order.order_type.value,
        "f": order.time_in_force.value,
        "q": text(report.quantity),
        "p": text(order.limit_price),
        "P": text(order.stop_price),
        "F": text(order.iceberg_quantity),
        "g": order.list_id,
        "C": report.orig_client_order_id,
        "x": report.exec_type.value,
        "X": report.status.value,
        "r": "NONE",
        "i": order.venue_order_id,
        "l": text(trade.last_quantity) if trade else NO_AMOUNT,
        "z": text(report.cum_quantity),
        "L": text(trade.last_price) if trade else NO_AMOUNT,
        "n": text(trade.fee) if trade else "0",
        "N": trade.fee_currency if trade else None,
        "T": report.ts_ms,
        "t": trade.trade_id if trade else -1,
        "v": 0,
        "I": report.exec_id,
        "w": report.working_ms >= 0 and report.status in OPEN_STATES,
        "m": trade.is_maker if trade else False,
        "M": trade is not None,
        "O": order.created_ms,
        "Z": text(report.cum_quote),
        "Y": text(trade.quote) if trade else NO_AMOUNT,
        "Q": text(order.quote_quantity),
        "V": order.stp_mode,
    }
    if report.working_ms >= 0:
        event["W"] = report.working_ms
    if order.trailing_delta is not None:
        event["d"] = order.trailing_delta
        if order.trailing_ms >= 0:
            event["D"] = order.trailing_ms
    if order.strategy_id is not None:
        event["j"] = order.strategy_id
    if order.strategy_type is not None:
        event["J"] = order.strategy_type
    if report.reason:
        event["eR"] = report.reason
    return event


def account_position(changes: list[BalanceChange], ts_ms: int) -> Json:
    """The user data event of balances that changed."""
    return {
        "e": "outboundAccountPosition",
        "E": ts_ms,
        "u": ts_ms,
        "B": [{"a": asset, "f": text(free), "l": text(locked)} for _, asset, free, locked in changes],
    }


def order_ack(order: Order, transact_ms: int) -> Json:
    """The short answer to a new order."""
    return {
        "symbol": order.symbol,
        "orderId": order.venue_order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_order_id,
        "transactTime": transact_ms,
    }


def order_result(order: Order, transact_ms: int) -> Json:
    """The answer to a new order with its state."""
    return order_ack(order, transact_ms) | _state(order)


def order_full(order: Order, transact_ms: int, reports: list[Report]) -> Json:
    """The answer to a new order with its state and its fills."""
    fills = [
        {
            "price": text(trade.last_price),
            "qty": text(trade.last_quantity),
            "commission": text(trade.fee),
            "commissionAsset": trade.fee_currency,
            "tradeId": trade.trade_id,
        }
        for report in reports
        if report.order is order and (trade := report.trade) is not None
    ]
    return order_result(order, transact_ms) | {"fills": fills}


def cancel_result(order: Order, transact_ms: int, cancel_id: str) -> Json:
    """The answer to a cancel."""
    return {
        "symbol": order.symbol,
        "origClientOrderId": order.client_order_id,
        "orderId": order.venue_order_id,
        "orderListId": order.list_id,
        "clientOrderId": cancel_id,
        "transactTime": transact_ms,
    } | _state(order)


def order_status(order: Order) -> Json:
    """An order as queries show it."""
    state = _state(order)
    shown: Json = {
        "symbol": order.symbol,
        "orderId": order.venue_order_id,
        "orderListId": order.list_id,
        "clientOrderId": order.client_order_id,
        **state,
        "stopPrice": text(order.stop_price),
        "icebergQty": text(order.iceberg_quantity),
        "time": order.created_ms,
        "updateTime": order.updated_ms,
        "isWorking": order.is_working,
        "origQuoteOrderQty": text(order.quote_quantity),
    }
    if order.is_working:
        shown["workingTime"] = order.working_ms
    return shown


def _state(order: Order) -> Json:
    state: Json = {
        "price": text(order.limit_price),
        "origQty": text(order.quantity),
        "executedQty": text(order.cum_quantity),
        "origQuoteOrderQty": text(order.quote_quantity),
        "cummulativeQuoteQty": text(order.cum_quote),
        "status": order.status.value,
        "timeInForce": order.time_in_force.value,
        "type": order.order_type.value,
        "side": order.side.value,
        "selfTradePreventionMode": order.stp_mode,
    }
    if order.is_working:
        state["workingTime"] = order.working_ms
    if order.order_type in STOP_KINDS:
        state["stopPrice"] = text(order.stop_price)
    if order.iceberg_quantity:
        state["icebergQty"] = text(order.iceberg_quantity)
    if order.trailing_delta is not None:
        state["trailingDelta"] = order.trailing_delta
        state["trailingTime"] = order.trailing_ms
    if order.strategy_id is not None:
        state["strategyId"] = order.strategy_id
    if order.strategy_type is not None:
        state["strategyType"] = order.strategy_type
    return state


def my_trade(trade: Trade) -> Json:
    """A trade as its owner sees it."""
    return {
        "symbol": trade.symbol,
        "id": trade.trade_id,
        "orderId": trade.venue_order_id,
        "orderListId": trade.list_id,
        "price": text(trade.last_price),
        "qty": text(trade.last_quantity),
        "quoteQty": text(trade.quote),
        "commission": text(trade.fee),
        "commissionAsset": trade.fee_currency,
        "time": trade.ts_ms,
        "isBuyer": trade.side is Side.BUY,
        "isMaker": trade.is_maker,
        "isBestMatch": True,
    }


def market_trade(trade: MarketTrade, quote: int) -> Json:
    """A trade of the market as `trades` shows it."""
    return {
        "id": trade.trade_id,
        "price": scaled_text(trade.price),
        "qty": scaled_text(trade.quantity),
        "quoteQty": scaled_text(quote),
        "time": trade.ts_ms,
        "isBuyerMaker": trade.buyer_is_maker,
        "isBestMatch": True,
    }


def aggregate_trade(trade: MarketTrade) -> Json:
    """A trade of the market as `aggTrades` shows it; every trade of the path is an aggregate of its own."""
    return {
        "a": trade.trade_id,
        "p": scaled_text(trade.price),
        "q": scaled_text(trade.quantity),
        "f": trade.trade_id,
        "l": trade.trade_id,
        "T": trade.ts_ms,
        "m": trade.buyer_is_maker,
        "M": True,
    }


def kline_row(candle: Candle, interval_ms: int) -> list[object]:
    """A candle as `klines` shows it."""
    return [
        candle.open_ms,
        scaled_text(candle.open),
        scaled_text(candle.high),
        scaled_text(candle.low),
        scaled_text(candle.close),
        scaled_text(candle.volume),
        candle.open_ms + interval_ms - 1,
        scaled_text(candle.quote_volume),
        candle.trades,
        scaled_text(candle.taker_volume),
        scaled_text(candle.taker_quote_volume),
        "0",
    ]


def kline_event(symbol: str, candle: Candle, *, interval: str, interval_ms: int, closed: bool, ts_ms: int) -> Json:
    """A candle as the kline stream shows it."""
    return {
        "e": "kline",
        "E": ts_ms,
        "s": symbol,
        "k": {
            "t": candle.open_ms,
            "T": candle.open_ms + interval_ms - 1,
            "s": symbol,
            "i": interval,
            "f": candle.first_id,
            "L": candle.last_id,
            "o": scaled_text(candle.open),
            "c": scaled_text(candle.close),
            "h": scaled_text(candle.high),
            "l": scaled_text(candle.low),
            "v": scaled_text(candle.volume),
            "n": candle.trades,
            "x": closed,
            "q": scaled_text(candle.quote_volume),
            "V": scaled_text(candle.taker_volume),
            "Q": scaled_text(candle.taker_quote_volume),
            "B": "0",
        },
    }


def levels(side: list[tuple[Decimal, Decimal]]) -> list[list[str]]:
    """One side of a book."""
    return [[text(price), text(quantity)] for price, quantity in side]
