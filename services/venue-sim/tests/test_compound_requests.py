"""Requests of several parts: replacements, amendments, OCO lists, prevented matches."""

from __future__ import annotations

from typing import Any

import pytest

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.handlers.operations import run

LIMIT = "symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTC quantity=0.001 price=50000"
SELL_OCO = (
    "symbol=BTCUSDT side=SELL quantity=0.01 aboveType=LIMIT_MAKER abovePrice=90000 belowType=STOP_LOSS_LIMIT "
    "belowStopPrice=40000 belowPrice=39900 belowTimeInForce=GTC"
)


def ask(desk: Any, name: str, text: str = "") -> Any:
    values = dict(word.split("=", 1) for word in text.split())
    return run(desk.venue, name, values, account_id="main", address="here")


def refused(desk: Any, name: str, text: str) -> VenueError:
    with pytest.raises(VenueError) as caught:
        ask(desk, name, text)
    return caught.value


def user_events(desk: Any) -> list[str]:
    words = []
    for _, event in desk.publisher.events:
        if event["e"] == "executionReport":
            words.append(f"{event['c']} {event['x']}")
        elif event["e"] == "listStatus":
            words.append(f"{event['C']} {event['l']}")
    return words


# ------------------------------------------------------------------------------------------------------- replacements
def test_an_order_is_replaced_by_another(desk: Any) -> None:
    ask(desk, "order.place", f"{LIMIT} newClientOrderId=old")
    answer = ask(
        desk,
        "order.cancelReplace",
        f"{LIMIT} newClientOrderId=new cancelReplaceMode=STOP_ON_FAILURE cancelOrigClientOrderId=old "
        "cancelNewClientOrderId=bye",
    )
    assert (answer["cancelResult"], answer["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert answer["cancelResponse"]["clientOrderId"] == "bye"
    assert answer["newOrderResponse"]["clientOrderId"] == "new"
    assert [order["clientOrderId"] for order in ask(desk, "openOrders.status")] == ["new"]


REPLACEMENTS = """
mode            | cancel | price  | code  | status | cancel result | new order result
STOP_ON_FAILURE | nope   | 50000  | -2022 | 400    | FAILURE       | NOT_ATTEMPTED
STOP_ON_FAILURE | old    | 900000 | -2021 | 409    | SUCCESS       | FAILURE
ALLOW_FAILURE   | nope   | 50000  | -2021 | 409    | FAILURE       | SUCCESS
ALLOW_FAILURE   | nope   | 900000 | -2022 | 400    | FAILURE       | FAILURE
"""


@pytest.mark.parametrize(
    "row", [[cell.strip() for cell in line.split("|")] for line in REPLACEMENTS.strip().splitlines()[1:]], ids=str
)
def test_a_half_done_replacement_says_which_half(desk: Any, row: list[str]) -> None:
    mode, cancel, price, code, status, canceled, placed = row
    ask(desk, "order.place", f"{LIMIT} newClientOrderId=old")
    text = LIMIT.replace("50000", price)
    error = refused(desk, "order.cancelReplace", f"{text} cancelReplaceMode={mode} cancelOrigClientOrderId={cancel}")
    assert (error.code, error.status) == (int(code), int(status))
    assert error.data is not None
    assert (error.data["cancelResult"], error.data["newOrderResult"]) == (canceled, placed)
    assert desk.log.batches[-1][0]["r"] == "reject"


def test_a_replacement_needs_its_parameters(desk: Any) -> None:
    assert refused(desk, "order.cancelReplace", LIMIT).code == -1102
    assert refused(desk, "order.cancelReplace", f"{LIMIT} cancelReplaceMode=STOP_ON_FAILURE").code == -1102
    assert refused(desk, "order.cancelReplace", f"{LIMIT} cancelReplaceMode=MAYBE").code == -1130


# --------------------------------------------------------------------------------------------------------- amendments
def test_an_order_is_amended_in_place(desk: Any) -> None:
    number = ask(desk, "order.place", f"{LIMIT} newClientOrderId=old")["orderId"]
    answer = ask(desk, "order.amend.keepPriority", f"symbol=BTCUSDT orderId={number} newQty=0.0005")
    shown = answer["amendedOrder"]
    assert (shown["orderId"], shown["qty"], shown["origClientOrderId"]) == (number, "0.00050000", "old")
    report = desk.publisher.events[-2][1]
    assert (report["x"], report["c"], report["C"], report["q"]) == (
        "REPLACED",
        shown["clientOrderId"],
        "old",
        "0.00050000",
    )
    assert refused(desk, "order.amend.keepPriority", f"symbol=BTCUSDT orderId={number} newQty=1").code == -2038
    assert refused(desk, "order.amend.keepPriority", f"symbol=BTCUSDT orderId={number}").code == -1102
    assert refused(desk, "order.amend.keepPriority", "symbol=BTCUSDT orderId=77 newQty=1").code == -2013
    ask(desk, "order.cancel", f"symbol=BTCUSDT orderId={number}")
    assert refused(desk, "order.amend.keepPriority", f"symbol=BTCUSDT orderId={number} newQty=0.0001").code == -2038


# ---------------------------------------------------------------------------------------------------------------- OCO
def test_an_oco_is_placed_told_queried_and_canceled(desk: Any) -> None:
    placed = ask(
        desk, "orderList.place.oco", f"{SELL_OCO} listClientOrderId=mine aboveClientOrderId=a belowClientOrderId=b"
    )
    assert (placed["listOrderStatus"], placed["listClientOrderId"]) == ("EXECUTING", "mine")
    assert [report["type"] for report in placed["orderReports"]] == ["LIMIT_MAKER", "STOP_LOSS_LIMIT"]
    assert user_events(desk) == ["b NEW", "a NEW", "mine EXEC_STARTED"]
    number = placed["orderListId"]
    assert ask(desk, "orderList.status", f"orderListId={number}")["orders"] == placed["orders"]
    assert ask(desk, "orderList.status", "origClientOrderId=mine")["orderListId"] == number
    assert len(ask(desk, "openOrderLists.status")) == 1
    canceled = ask(desk, "orderList.cancel", f"symbol=BTCUSDT orderListId={number} newClientOrderId=bye")
    assert canceled["listStatusType"] == "ALL_DONE"
    assert [report["status"] for report in canceled["orderReports"]] == ["CANCELED", "CANCELED"]
    assert user_events(desk)[3:] == ["bye CANCELED", "bye CANCELED", "mine ALL_DONE"]
    assert ask(desk, "openOrderLists.status") == []
    assert len(ask(desk, "allOrderLists")) == 1
    assert ask(desk, "allOrderLists", f"fromId={number + 1}") == []
    assert refused(desk, "orderList.cancel", f"symbol=BTCUSDT orderListId={number}").code == -2011
    assert refused(desk, "orderList.status", "orderListId=55").code == -2018
    assert refused(desk, "orderList.status", "").code == -1102


def test_the_older_oco_form_means_the_same(desk: Any) -> None:
    text = "symbol=BTCUSDT side=SELL quantity=0.01 price=90000 stopPrice=40000 stopLimitPrice=39900 "
    placed = ask(desk, "orderList.place", f"{text} stopLimitTimeInForce=GTC limitClientOrderId=l stopClientOrderId=s")
    assert [order["clientOrderId"] for order in placed["orders"]] == ["l", "s"]
    text = "symbol=BTCUSDT side=BUY quantity=0.01 price=50000 stopPrice=70000"
    placed = ask(desk, "orderList.place", text)
    assert [report["type"] for report in placed["orderReports"]] == ["STOP_LOSS", "LIMIT_MAKER"]


def test_an_oco_that_is_refused_leaves_nothing(desk: Any) -> None:
    error = refused(desk, "orderList.place.oco", SELL_OCO.replace("belowStopPrice=40000", "belowStopPrice=95000"))
    assert error.code == -2010
    assert refused(desk, "orderList.place.oco", SELL_OCO.replace("aboveType=LIMIT_MAKER", "")).code == -1102
    assert refused(desk, "orderList.place.oco", f"{SELL_OCO} unknown=1").code == -1104
    assert desk.venue.exchange.orders == {}


# ------------------------------------------------------------------------------------------------------ OTO and OTOCO
OTO = (
    "symbol=BTCUSDT workingType=LIMIT workingSide=BUY workingPrice=50000 workingQuantity=0.01 workingTimeInForce=GTC "
    "workingClientOrderId=w pendingType=MARKET pendingSide=SELL pendingQuantity=0.009 pendingClientOrderId=p"
)
OTOCO = (
    "symbol=BTCUSDT workingType=LIMIT_MAKER workingSide=BUY workingPrice=50000 workingQuantity=0.01 "
    "pendingSide=SELL pendingQuantity=0.009 pendingAboveType=LIMIT_MAKER pendingAbovePrice=90000 "
    "pendingBelowType=STOP_LOSS pendingBelowStopPrice=40000"
)


def test_an_oto_is_answered_as_documented(desk: Any) -> None:
    placed = ask(desk, "orderList.place.oto", f"{OTO} listClientOrderId=mine")
    assert (placed["contingencyType"], placed["listOrderStatus"]) == ("OTO", "EXECUTING")
    working, pending = placed["orderReports"]
    assert (working["status"], working["type"], working["clientOrderId"]) == ("NEW", "LIMIT", "w")
    assert (pending["status"], pending["workingTime"], pending["price"]) == ("PENDING_NEW", -1, "0.00000000")
    assert user_events(desk) == ["p NEW", "w NEW", "mine EXEC_STARTED"]
    assert [order["status"] for order in ask(desk, "openOrders.status")] == ["PENDING_NEW", "NEW"]
    canceled = ask(desk, "order.cancel", "symbol=BTCUSDT origClientOrderId=p")
    assert canceled["listOrderStatus"] == "ALL_DONE"
    assert ask(desk, "openOrders.status") == []


def test_an_otoco_holds_an_oco_behind_its_working_order(desk: Any) -> None:
    placed = ask(desk, "orderList.place.otoco", OTOCO)
    assert [report["type"] for report in placed["orderReports"]] == ["LIMIT_MAKER", "LIMIT_MAKER", "STOP_LOSS"]
    assert [report["status"] for report in placed["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    assert len(placed["orders"]) == 3


OTO_REFUSALS = """
workingType=MARKET                    | orderList.place.oto   | -1014
pendingQuantity=                      | orderList.place.oto   | -1105
workingIcebergQty=0.001 workingTimeInForce=IOC | orderList.place.oto | -1160
pendingBelowType=TAKE_PROFIT          | orderList.place.otoco | -1199
pendingAboveType=MARKET               | orderList.place.otoco | -1158
pendingSide=                          | orderList.place.otoco | -1105
"""


@pytest.mark.parametrize(
    "row", [[cell.strip() for cell in line.split("|")] for line in OTO_REFUSALS.strip().splitlines()], ids=str
)
def test_an_oto_that_is_refused_leaves_nothing(desk: Any, row: list[str]) -> None:
    changed, name, code = row
    base = OTO if name.endswith("oto") else OTOCO
    values = dict(word.split("=", 1) for word in f"{base} {changed}".split())
    if "MARKET" in changed:
        unwanted = ("workingPrice", "workingTimeInForce") if name.endswith("oto") else ("pendingAbovePrice",)
        values = {key: value for key, value in values.items() if key not in unwanted}
    text = " ".join(f"{key}={value}" for key, value in values.items())
    assert refused(desk, name, text).code == int(code)
    assert desk.venue.exchange.orders == {}


# ------------------------------------------------------------------------------------------------- prevented matches
def test_prevented_matches_are_told_and_listed(desk: Any) -> None:
    ticker = ask(desk, "ticker.book", "symbol=BTCUSDT")
    ask_price, inside = float(ticker["askPrice"]), f"{float(ticker['askPrice']) - 0.01:.2f}"
    assert ask_price > float(inside)
    text = f"symbol=BTCUSDT type=LIMIT timeInForce=GTC quantity=0.001 price={inside}"
    maker = ask(desk, "order.place", f"{text} side=SELL")
    taker = ask(desk, "order.place", f"{text} side=BUY")
    assert (maker["selfTradePreventionMode"], taker["status"]) == ("EXPIRE_MAKER", "NEW")
    report = next(event for _, event in desk.publisher.events if event.get("x") == "TRADE_PREVENTION")
    assert (report["X"], report["i"], report["U"]) == ("EXPIRED_IN_MATCH", maker["orderId"], taker["orderId"])
    assert report["pL"] == f"{inside}000000"
    (match,) = ask(desk, "myPreventedMatches", f"symbol=BTCUSDT orderId={maker['orderId']}")
    assert (match["takerOrderId"], match["makerOrderId"]) == (taker["orderId"], maker["orderId"])
    assert ask(desk, "myPreventedMatches", "symbol=BTCUSDT fromPreventedMatchId=1") == []
