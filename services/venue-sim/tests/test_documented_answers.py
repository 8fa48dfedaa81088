"""Every endpoint answers with the fields that Binance's documentation shows for it, each of the documented kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitwire.venue_sim.handlers.operations import run
from pitwire.venue_sim.handlers.rest import ROUTES

ORDER = "symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTC quantity=0.01 price=50000"
OCO = (
    "symbol=BTCUSDT side=SELL quantity=0.01 aboveType=LIMIT_MAKER abovePrice=90000 belowType=STOP_LOSS_LIMIT "
    "belowStopPrice=40000 belowPrice=39900 belowTimeInForce=GTC"
)
OTO = (
    "symbol=BTCUSDT workingType=LIMIT workingSide=BUY workingPrice=50000 workingQuantity=0.01 workingTimeInForce=GTC "
    "pendingType=MARKET pendingSide=SELL pendingQuantity=0.009"
)
OTOCO = (
    "symbol=BTCUSDT workingType=LIMIT workingSide=BUY workingPrice=50000 workingQuantity=0.01 workingTimeInForce=GTC "
    "pendingSide=SELL pendingQuantity=0.009 pendingAboveType=LIMIT_MAKER pendingAbovePrice=90000 "
    "pendingBelowType=STOP_LOSS pendingBelowStopPrice=40000"
)
AMEND = "symbol=BTCUSDT origClientOrderId=open newQty=0.005"
# section of rest-api.md | which of its examples | operation | parameters
ENDPOINTS = f"""
Test connectivity                         | 0 | ping                 |
Check server time                         | 0 | time                 |
Exchange information                      | 0 | exchangeInfo         |
Order book                                | 0 | depth                | symbol=BTCUSDT
Recent trades list                        | 0 | trades.recent        | symbol=BTCUSDT
Old trade lookup                          | 0 | trades.historical    | symbol=BTCUSDT fromId=1
Compressed/Aggregate trades list          | 0 | trades.aggregate     | symbol=BTCUSDT
Kline/Candlestick data                    | 0 | klines               | symbol=BTCUSDT interval=1M
UIKlines                                  | 0 | uiKlines             | symbol=BTCUSDT interval=1w
Current average price                     | 0 | avgPrice             | symbol=BTCUSDT
24hr ticker price change statistics       | 0 | ticker.24hr          | symbol=BTCUSDT
24hr ticker price change statistics       | 1 | ticker.24hr          |
24hr ticker price change statistics       | 2 | ticker.24hr          | symbol=BTCUSDT type=MINI
24hr ticker price change statistics       | 3 | ticker.24hr          | type=MINI
Trading Day Ticker                        | 0 | ticker.tradingDay    | symbol=BTCUSDT
Trading Day Ticker                        | 1 | ticker.tradingDay    | symbols=["BTCUSDT","ETHUSDT"]
Trading Day Ticker                        | 2 | ticker.tradingDay    | symbol=BTCUSDT type=MINI
Symbol price ticker                       | 0 | ticker.price         | symbol=BTCUSDT
Symbol order book ticker                  | 1 | ticker.book          |
Rolling window price change statistics    | 0 | ticker               | symbol=BTCUSDT windowSize=3m
Rolling window price change statistics    | 2 | ticker               | symbol=BTCUSDT windowSize=7d type=MINI
New order (TRADE)                         | 0 | order.place          | {ORDER} newOrderRespType=ACK
New order (TRADE)                         | 1 | order.place          | {ORDER} newOrderRespType=RESULT
New order (TRADE)                         | 2 | order.place          | symbol=BTCUSDT side=BUY type=MARKET quantity=0.01
Test new order (TRADE)                    | 0 | order.test           | {ORDER}
Test new order (TRADE)                    | 1 | order.test           | {ORDER} computeCommissionRates=true
Cancel order (TRADE)                      | 0 | order.cancel         | symbol=BTCUSDT origClientOrderId=open
Cancel All Open Orders on a Symbol (TRADE)| 0 | openOrders.cancelAll | symbol=BTCUSDT
Order Amend Keep Priority (TRADE)         | 0 | order.amend.keepPriority | {AMEND}
New Order list - OCO (TRADE)              | 0 | orderList.place.oco  | {OCO}
New Order list - OTO (TRADE)              | 0 | orderList.place.oto  | {OTO}
New Order list - OTOCO (TRADE)            | 0 | orderList.place.otoco| {OTOCO}
Cancel Order list (TRADE)                 | 0 | orderList.cancel     | symbol=BTCUSDT listClientOrderId=list
Account information (USER_DATA)           | 0 | account.status       |
Query order (USER_DATA)                   | 0 | order.status         | symbol=BTCUSDT origClientOrderId=open
Current open orders (USER_DATA)           | 0 | openOrders.status    |
All orders (USER_DATA)                    | 0 | allOrders            | symbol=BTCUSDT
Query Order list (USER_DATA)              | 0 | orderList.status     | origClientOrderId=list
Query all Order lists (USER_DATA)         | 0 | allOrderLists        |
Query Open Order lists (USER_DATA)        | 0 | openOrderLists.status|
Account trade list (USER_DATA)            | 0 | myTrades             | symbol=BTCUSDT
Query Unfilled Order Count (USER_DATA)    | 0 | account.rateLimits.orders |
Query Prevented Matches (USER_DATA)       | 0 | myPreventedMatches   | symbol=BTCUSDT preventedMatchId=0
Query Commission Rates (USER_DATA)        | 0 | account.commission   | symbol=BTCUSDT
Query Order Amendments (USER_DATA)        | 0 | order.amendments     | symbol=BTCUSDT origClientOrderId=amended
Query relevant filters (USER_DATA)        | 0 | myFilters            | symbol=BTCUSDT
"""
ELSEWHERE = {
    "maker", "allocId", "icebergQty", "exchangeFilters", "sors", "symbolFilters", "assetFilters", "specialCommission",
    "standardCommissionForOrder", "referralCode", "usedSor", "workingFloor", "stopPrice", "listStatus",
}  # fmt: skip
"""Fields shown in an example whose occasion ours is not."""


def ask(desk: Any, name: str, text: str = "") -> Any:
    values = dict(word.split("=", 1) for word in text.split())
    return run(desk.venue, name, values, account_id="main", address="here")


@pytest.fixture
def busy(desk: Any) -> Any:
    """A venue with an order of every kind that queries ask for."""
    ask(desk, "order.place", "symbol=BTCUSDT side=SELL type=MARKET quantity=0.1")
    inside = f"{float(ask(desk, 'ticker.book', 'symbol=BTCUSDT')['askPrice']) - 0.01:.2f}"
    for side in ("SELL", "BUY"):
        ask(desk, "order.place", f"symbol=BTCUSDT side={side} type=LIMIT timeInForce=GTC quantity=0.01 price={inside}")
    ask(desk, "order.place", f"{ORDER} newClientOrderId=open")
    ask(desk, "order.place", f"{ORDER} newClientOrderId=amend")
    ask(
        desk, "order.amend.keepPriority", "symbol=BTCUSDT origClientOrderId=amend newQty=0.009 newClientOrderId=amended"
    )
    ask(desk, "orderList.place.oco", f"{OCO} listClientOrderId=list")
    desk.advance(3)
    return desk


@pytest.fixture(scope="session")
def documented(payload_folder: Path) -> dict[str, list[Any]]:
    sections: dict[str, list[Any]] = {}
    for line in (payload_folder / "spot_doc_examples.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["doc"] == "rest-api.md" and "endpoint" not in row:
            sections.setdefault(row["section"].rpartition(" > ")[2], []).append(row.get("json"))
    return sections


def differences(shown: Any, ours: Any, where: str) -> list[str]:
    """Where ours lacks a documented field, or has it as another JSON kind."""
    if isinstance(shown, dict) and isinstance(ours, dict):
        found = [f"{where}.{name} is missing" for name in shown if name not in ours and name not in ELSEWHERE]
        for name in shown.keys() & ours.keys() - ELSEWHERE:
            found += differences(shown[name], ours[name], f"{where}.{name}")
        return found
    if isinstance(shown, list) and isinstance(ours, list):
        return differences(shown[0], ours[0], f"{where}[0]") if shown and ours else []
    if shown is None or ours is None:
        return []
    return [] if isinstance(ours, type(shown)) else [f"{where} is {ours!r}, documented {shown!r}"]


@pytest.mark.parametrize(
    "row", [[cell.strip() for cell in line.split("|")] for line in ENDPOINTS.strip().splitlines()], ids=str
)
def test_an_endpoint_answers_with_the_documented_fields(
    busy: Any, documented: dict[str, list[Any]], row: list[str]
) -> None:
    section, number, operation, text = row
    shown, ours = documented[section][int(number)], ask(busy, operation, text)
    assert bool(ours) == bool(shown) or operation == "myPreventedMatches"
    assert differences(shown, ours, operation) == []


def test_every_documented_endpoint_is_served_or_named_here(payload_folder: Path) -> None:
    missing = set()
    for line in (payload_folder / "spot_doc_examples.jsonl").read_text().splitlines():
        endpoint = json.loads(line).get("endpoint")
        if endpoint is not None and tuple(endpoint.split()) not in ROUTES:
            missing.add(endpoint)
    assert missing == {
        "GET /api/v3/historicalBlockTrades",
        "POST /api/v3/orderList/opo",
        "POST /api/v3/orderList/opoco",
        "POST /api/v3/sor/order",
        "POST /api/v3/sor/order/test",
    }
