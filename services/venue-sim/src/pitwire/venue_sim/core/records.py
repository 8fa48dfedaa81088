"""The log's records: how operations become lines.

Every operation is one batch of lines with the same `op` number; the last line of a batch has `end`. A batch without
its end was cut off by a crash before anyone had heard of it.
"""

from typing import Any

from pitwire.venue_sim.core.effects import BalanceChange, Effects
from pitwire.venue_sim.core.exchange import Exchange
from pitwire.venue_sim.core.ledger import Account
from pitwire.venue_sim.core.types import (
    OPEN_STATES,
    ExecType,
    Order,
    OrderList,
    OrderStatus,
    Prevented,
    Report,
)

Record = dict[str, Any]
FORMAT = 1


def start_record(exchange: Exchange, *, identity: str) -> Record:
    """The first line of a log: which market, which symbols, which fees."""
    return {
        "r": "start",
        "format": FORMAT,
        "market": identity,
        "symbols": list(exchange.listings),
        "maker_fee": str(exchange.fees.maker),
        "taker_fee": str(exchange.fees.taker),
    }


def account_record(account: Account) -> Record:
    """An account and what it was given."""
    return {
        "r": "account",
        "account": account.account_id,
        "balances": {asset: str(balance.free) for asset, balance in account.balances.items()},
    }


def reject_record(account_id: str, *, request: str, params: dict[str, str], code: int, msg: str, now_ms: int) -> Record:
    """A refused order, cancel or amendment, with the parameters as they came (without key and signature)."""
    return {
        "r": "reject",
        "ts": now_ms,
        "account": account_id,
        "request": request,
        "params": params,
        "code": code,
        "msg": msg,
    }


def effect_records(effects: Effects, balances: list[BalanceChange]) -> list[Record]:
    """The lines of one operation: each report, then each balance that changed."""
    records = [_list_record(order_list) for order_list, is_done in effects.lists if not is_done]
    records += [_report_record(report) for report in effects.reports]
    records += [_prevented_record(prevented) for prevented in effects.prevented]
    records += [_tracked_record(order, effects.now_ms) for order in effects.tracked]
    for order_list, is_done in effects.lists:
        if is_done:
            records.append({"r": "list_end", "ts": effects.now_ms, "list_id": order_list.list_id})
    return records + balance_records(balances, effects.now_ms)


def balance_records(balances: list[BalanceChange], now_ms: int) -> list[Record]:
    """The lines of balances that changed."""
    return [
        {"r": "balance", "ts": now_ms, "account": account, "asset": asset, "free": str(free), "locked": str(locked)}
        for account, asset, free, locked in balances
    ]


def _list_record(order_list: OrderList) -> Record:
    return {
        "r": "list",
        "ts": order_list.ts_ms,
        "account": order_list.account_id,
        "symbol": order_list.symbol,
        "list_id": order_list.list_id,
        "client_list_id": order_list.client_list_id,
        "order_ids": order_list.order_ids,
        "contingency": order_list.contingency,
    }


def _prevented_record(prevented: Prevented) -> Record:
    return {
        "r": "prevented",
        "ts": prevented.ts_ms,
        "account": prevented.account_id,
        "symbol": prevented.symbol,
        "match_id": prevented.match_id,
        "taker_order_id": prevented.taker_order_id,
        "maker_order_id": prevented.maker_order_id,
        "price": str(prevented.price),
        "quantity": str(prevented.quantity),
        "stp_mode": prevented.stp_mode,
    }


def _tracked_record(order: Order, now_ms: int) -> Record:
    return {
        "r": "track",
        "ts": now_ms,
        "order_id": order.venue_order_id,
        "since": order.trailing_ms,
        "extreme_price": str(order.extreme_price),
    }


def _report_record(report: Report) -> Record:
    order, trade = report.order, report.trade
    if trade is not None:
        return {
            "r": "trade",
            "ts": report.ts_ms,
            "account": trade.account_id,
            "symbol": trade.symbol,
            "trade_id": trade.trade_id,
            "order_id": trade.venue_order_id,
            "client_order_id": order.client_order_id,
            "side": trade.side,
            "price": str(trade.last_price),
            "quantity": str(trade.last_quantity),
            "fee": str(trade.fee),
            "fee_currency": trade.fee_currency,
            "liquidity": "MAKER" if trade.is_maker else "TAKER",
            "status": report.status,
            "cum_quantity": str(report.cum_quantity),
            "cum_quote": str(report.cum_quote),
            "exec_id": report.exec_id,
        }
    if report.exec_type is ExecType.NEW:
        return _order_record(report)
    return {
        "r": "order_change" if report.status in OPEN_STATES else "order_end",
        "ts": report.ts_ms,
        "account": order.account_id,
        "symbol": order.symbol,
        "order_id": order.venue_order_id,
        "client_order_id": order.client_order_id,
        "cancel_id": report.client_order_id if report.orig_client_order_id else "",
        "status": report.status,
        "exec_type": report.exec_type,
        "reason": report.reason,
        "quantity": str(report.quantity),
        "prevented": str(order.prevented_quantity),
        "exec_id": report.exec_id,
    }


def _order_record(report: Report) -> Record:
    order = report.order
    record: Record = {
        "r": "order",
        "ts": report.ts_ms,
        "account": order.account_id,
        "symbol": order.symbol,
        "order_id": order.venue_order_id,
        "client_order_id": order.client_order_id,
        "side": order.side,
        "order_type": order.order_type,
        "time_in_force": order.time_in_force,
        "quantity": str(report.quantity),
        "limit_price": str(order.limit_price),
        "created": order.created_ms,
        "working": report.working_ms,
        "exec_id": report.exec_id,
    }
    optional = {
        "quote_quantity": str(order.quote_quantity) if order.quote_quantity else None,
        "stop_price": str(order.stop_price) if order.stop_price else None,
        "iceberg_quantity": str(order.iceberg_quantity) if order.iceberg_quantity else None,
        "trailing_delta": order.trailing_delta,
        "strategy_id": order.strategy_id,
        "strategy_type": order.strategy_type,
        "list_id": order.list_id if order.list_id >= 0 else None,
        "hold_price": str(order.hold_price) if order.hold_price != order.limit_price else None,
        "funded": None if order.funded else False,
        "pending": True if report.status is OrderStatus.PENDING_NEW else None,
        "stp_mode": order.stp_mode if order.stp_mode != "NONE" else None,
    }
    record.update((key, value) for key, value in optional.items() if value is not None)
    return record
