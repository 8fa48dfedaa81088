"""What the venue's values look like as Binance's JSON."""

from decimal import Decimal

from pitwire.venue_sim.core.effects import BalanceChange
from pitwire.venue_sim.core.state import Fees
from pitwire.venue_sim.core.types import (
    OPEN_STATES,
    STOP_KINDS,
    Amendment,
    ExecType,
    Order,
    OrderList,
    OrderStatus,
    Prevented,
    Report,
    Side,
    Trade,
)
from pitwire.venue_sim.core.units import text

Json = dict[str, object]
NO_AMOUNT = "0.00000000"


def execution_report(report: Report) -> Json:
    """The user data event of one change of an order."""
    order, trade = report.order, report.trade
    is_rejected = report.exec_type is ExecType.REJECTED
    event: Json = {
        "e": "executionReport",
        "E": report.ts_ms,
        "s": order.symbol,
        "c": report.client_order_id,
        "S": order.side,
        "o": order.order_type,
        "f": order.time_in_force,
        "q": text(report.quantity),
        "p": text(order.limit_price),
        "P": text(order.stop_price),
        "F": text(order.iceberg_quantity),
        "g": order.list_id,
        "C": report.orig_client_order_id,
        "x": report.exec_type,
        "X": report.status,
        "r": report.reason if is_rejected else "NONE",
        "i": order.venue_order_id,
        "l": text(trade.last_quantity) if trade else NO_AMOUNT,
        "z": text(report.cum_quantity),
        "L": text(trade.last_price) if trade else NO_AMOUNT,
        "n": text(trade.fee) if trade else "0",
        "N": trade.fee_currency if trade else None,
        "T": report.ts_ms,
        "t": trade.trade_id if trade else -1,
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
    if report.reason and not is_rejected:
        event["eR"] = report.reason
    if report.prevented is not None:
        event |= _prevented_fields(order, report.prevented)
    return event


def _prevented_fields(order: Order, prevented: Prevented) -> Json:
    is_taker = order.venue_order_id == prevented.taker_order_id
    decremented = order.prevented_quantity > 0
    return {
        "v": prevented.match_id,
        "A": text(order.prevented_quantity),
        "B": text(prevented.quantity) if decremented else NO_AMOUNT,
        "u": prevented.match_id,
        "U": prevented.maker_order_id if is_taker else prevented.taker_order_id,
        "Cs": prevented.symbol,
        "pl": text(prevented.quantity),
        "pL": text(prevented.price),
        "pY": text(prevented.price * prevented.quantity),
    }


def list_status(order_list: OrderList, orders: list[Order], *, is_done: bool, ts_ms: int) -> Json:
    """The user data event of an order list that began or ended."""
    return {
        "e": "listStatus",
        "E": ts_ms,
        "s": order_list.symbol,
        "g": order_list.list_id,
        "c": order_list.contingency,
        "l": "ALL_DONE" if is_done else "EXEC_STARTED",
        "L": "ALL_DONE" if is_done else "EXECUTING",
        "r": "NONE",
        "C": order_list.client_list_id,
        "T": ts_ms,
        "O": [{"s": order.symbol, "i": order.venue_order_id, "c": order.client_order_id} for order in orders],
    }


def order_list(one: OrderList, orders: list[Order]) -> Json:
    """An order list as queries show it."""
    return {
        "orderListId": one.list_id,
        "contingencyType": one.contingency,
        "listStatusType": "ALL_DONE" if one.is_done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if one.is_done else "EXECUTING",
        "listClientOrderId": one.client_list_id,
        "transactionTime": one.ts_ms,
        "symbol": one.symbol,
        "orders": [
            {"symbol": order.symbol, "orderId": order.venue_order_id, "clientOrderId": order.client_order_id}
            for order in orders
        ],
    }


def amended(order: Order, *, old_id: str, exec_id: int) -> Json:
    """The answer to an amendment."""
    return {
        "transactTime": order.updated_ms,
        "executionId": exec_id,
        "amendedOrder": {
            "symbol": order.symbol,
            "orderId": order.venue_order_id,
            "orderListId": order.list_id,
            "origClientOrderId": old_id,
            "clientOrderId": order.client_order_id,
            "price": text(order.limit_price),
            "qty": text(order.quantity),
            "executedQty": text(order.cum_quantity),
            "preventedQty": text(order.prevented_quantity),
            "quoteOrderQty": text(order.quote_quantity),
            "cumulativeQuoteQty": text(order.cum_quote),
            "status": order.status,
            "timeInForce": order.time_in_force,
            "type": order.order_type,
            "side": order.side,
            "workingTime": order.working_ms,
            "selfTradePreventionMode": order.stp_mode,
        },
    }


def amendment(order: Order, one: Amendment) -> Json:
    """One amendment as queries show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.venue_order_id,
        "executionId": one.exec_id,
        "origClientOrderId": one.old_id,
        "newClientOrderId": one.new_id,
        "origQty": text(one.old_quantity),
        "newQty": text(one.new_quantity),
        "time": one.ts_ms,
    }


def prevented_match(prevented: Prevented) -> Json:
    """A prevented match as its owner sees it."""
    return {
        "symbol": prevented.symbol,
        "preventedMatchId": prevented.match_id,
        "takerOrderId": prevented.taker_order_id,
        "makerSymbol": prevented.symbol,
        "makerOrderId": prevented.maker_order_id,
        "tradeGroupId": prevented.match_id,
        "selfTradePreventionMode": prevented.stp_mode,
        "price": text(prevented.price),
        "makerPreventedQuantity": text(prevented.quantity),
        "transactTime": prevented.ts_ms,
    }


def account_position(changes: list[BalanceChange], ts_ms: int) -> Json:
    """The user data event of balances that changed."""
    return {
        "e": "outboundAccountPosition",
        "E": ts_ms,
        "u": ts_ms,
        "B": [{"a": asset, "f": text(free), "l": text(locked)} for _, asset, free, locked in changes],
    }


def balance_update(asset: str, delta: Decimal, ts_ms: int) -> Json:
    """The user data event of an amount that came or went without a trade."""
    return {"e": "balanceUpdate", "E": ts_ms, "a": asset, "d": text(delta), "T": ts_ms}


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
        "status": order.status,
        "timeInForce": order.time_in_force,
        "type": order.order_type,
        "side": order.side,
        "selfTradePreventionMode": order.stp_mode,
    }
    if order.is_working or order.status is OrderStatus.PENDING_NEW:
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


def commission_rates(fees: Fees) -> Json:
    """The rates of an account."""
    return {"maker": text(fees.maker), "taker": text(fees.taker), "buyer": NO_AMOUNT, "seller": NO_AMOUNT}


def discount() -> Json:
    """The discount for paying commission in BNB, which this venue does not give."""
    return {"enabledForAccount": False, "enabledForSymbol": False, "discountAsset": "BNB", "discount": NO_AMOUNT}


def order_commission(fees: Fees) -> Json:
    """What a test order would pay."""
    nothing = {"maker": NO_AMOUNT, "taker": NO_AMOUNT}
    return {
        "standardCommissionForOrder": {"maker": text(fees.maker), "taker": text(fees.taker)},
        "specialCommissionForOrder": nothing,
        "taxCommissionForOrder": nothing,
        "discount": discount(),
    }


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
