"""Requests by parameters: what is read, what is refused, what is answered."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.limits import DAY_MS, MINUTE_MS, STRIKES_MAX, Limits, RateLimiter
from pitwire.venue_sim.core.path import POINTS
from pitwire.venue_sim.core.types import OrderType
from pitwire.venue_sim.handlers import market_data, metrics, params, trading
from pitwire.venue_sim.handlers.operations import OPERATIONS, run

LIMIT = "symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTC quantity=0.001 price=50000"


def ask(desk: Any, name: str, text: str = "") -> Any:
    values = dict(word.split("=", 1) for word in text.split())
    return run(desk.venue, name, values, account_id="main", address="here")


def refusal(desk: Any, name: str, text: str) -> tuple[int, str]:
    with pytest.raises(VenueError) as caught:
        ask(desk, name, text)
    return caught.value.code, caught.value.msg


MISTAKES = """
order.place | side=BUY type=LIMIT                                | -1102 | 'symbol'
order.place | symbol=BTCUSDT type=LIMIT                          | -1102 | 'side'
order.place | symbol=BTCUSDT side=BUY                            | -1102 | 'type'
order.place | symbol= side=BUY type=LIMIT                        | -1105 | 'symbol' was empty
order.place | symbol=NOPE side=BUY type=MARKET quantity=1        | -1121 | Invalid symbol
order.place | symbol=BTCUSDT side=HOLD type=LIMIT                | -1117 | Invalid side
order.place | symbol=BTCUSDT side=BUY type=MAYBE                 | -1116 | Invalid orderType
order.place | symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTX quantity=1 price=1 | -1115 | Invalid timeInForce
order.place | symbol=BTCUSDT side=BUY type=LIMIT quantity=1 price=1 | -1102 | 'timeInForce'
order.place | symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTC price=1 | -1102 | 'quantity'
order.place | symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTC quantity=1 | -1102 | 'price'
order.place | symbol=BTCUSDT side=BUY type=MARKET                | -1102 | 'quantity'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 price=5 | -1106 | 'price' sent when not required
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 quoteOrderQty=5 | -1106 | 'quoteOrderQty'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 timeInForce=GTC | -1114 | TimeInForce parameter
order.place | symbol=BTCUSDT side=BUY type=STOP_LOSS quantity=1  | -1102 | 'stopPrice'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1e3   | -1100 | 'quantity'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=-1    | -1100 | 'quantity'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=NaN   | -1100 | 'quantity'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1.000000001 | -1111 | too much precision
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=0     | -1013 | Invalid quantity
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 newClientOrderId=a.b | -1100 | 'newClientOrderId'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 newOrderRespType=ALL | -1130 | 'newOrderRespType'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 strategyType=9 | -1134 | strategyType
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 wrong=1 | -1104 | read '4' parameter(s) but was sent '5'
order.place | symbol=BTCUSDT side=BUY type=MARKET quantity=1 selfTradePreventionMode=NO | -1013 | self-trade prevention
order.cancel | symbol=BTCUSDT                                    | -1102 | 'origClientOrderId' or 'orderId'
order.cancel | symbol=BTCUSDT orderId=99                         | -2011 | Unknown order sent.
order.cancel | symbol=BTCUSDT orderId=x                          | -1100 | 'orderId'
order.cancel | symbol=BTCUSDT orderId=1 cancelRestrictions=NO    | -1145 | cancelRestrictions
order.status | symbol=BTCUSDT origClientOrderId=nope             | -2013 | Order does not exist.
openOrders.cancelAll | symbol=BTCUSDT                            | -2011 | Unknown order sent.
klines      | symbol=BTCUSDT interval=7m                         | -1120 | Invalid interval
klines      | symbol=BTCUSDT                                     | -1102 | 'interval'
klines      | symbol=BTCUSDT interval=1m limit=0                 | -1130 | 'limit'
depth       | symbol=btcusdt                                     | -1121 | Invalid symbol
exchangeInfo | symbols=["NOPE"]                                  | -1121 | Invalid symbol
exchangeInfo | symbols=[oops                                     | -1130 | 'symbols'
exchangeInfo | symbol=BTCUSDT symbols=["BTCUSDT"]                | -1128 | Combination
exchangeInfo | symbols=["BTCUSDT","BTCUSDT"]                     | -1151 | multiple times
ticker.24hr | type=HUGE                                          | -1139 | ticker type
account.status | omitZeroBalances=perhaps                        | -1130 | 'omitZeroBalances'
"""


@pytest.mark.parametrize(
    "row",
    [[cell.strip() for cell in line.split("|")] for line in MISTAKES.strip().splitlines()],
    ids=lambda row: f"{row[0]} {row[1]}",
)
def test_each_mistake_has_its_code(desk: Any, row: list[str]) -> None:
    name, text, code, message = row
    got_code, got_message = refusal(desk, name, text)
    assert got_code == int(code)
    assert message in got_message
    assert desk.venue.exchange.orders == {}


def test_every_order_type_has_its_mandatory_parameters() -> None:
    assert trading.MANDATORY.keys() == set(OrderType)


def test_a_refused_order_is_in_the_log_without_secrets(desk: Any) -> None:
    refusal(desk, "order.place", f"{LIMIT} wrong=1 apiKey=key signature=abc timestamp=1")
    (record,) = desk.log.batches[-1]
    assert (record["r"], record["code"], record["request"]) == ("reject", -1104, "order.place")
    assert "apiKey" not in record["params"]
    assert "signature" not in record["params"]
    assert desk.venue.counters.rejected == 1


def test_an_order_is_answered_logged_and_told(desk: Any) -> None:
    answer = ask(desk, "order.place", f"{LIMIT} newClientOrderId=mine")
    assert (answer["status"], answer["clientOrderId"], answer["fills"]) == ("NEW", "mine", [])
    assert [record["r"] for record in desk.log.batches[-1]] == ["order", "balance"]
    assert [event["e"] for _, event in desk.publisher.events] == ["executionReport", "outboundAccountPosition"]
    report = desk.publisher.events[0][1]
    assert (report["c"], report["x"], report["X"], report["w"]) == ("mine", "NEW", "NEW", True)
    assert report["T"] == desk.time.now_ms
    assert desk.publisher.books == ["BTCUSDT"]


def test_the_answer_is_as_long_as_asked_for(desk: Any) -> None:
    short = ask(desk, "order.place", f"{LIMIT} newOrderRespType=ACK")
    assert set(short) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    assert "fills" not in ask(desk, "order.place", f"{LIMIT} newOrderRespType=RESULT")
    maker = ask(desk, "order.place", "symbol=BTCUSDT side=BUY type=LIMIT_MAKER quantity=0.001 price=50000")
    assert "status" not in maker


def test_a_market_order_shows_its_fills(desk: Any) -> None:
    answer = ask(desk, "order.place", "symbol=BTCUSDT side=BUY type=MARKET quoteOrderQty=1000")
    assert answer["status"] == "FILLED"
    assert answer["fills"][0]["commissionAsset"] == "BTC"
    trades = ask(desk, "myTrades", "symbol=BTCUSDT")
    assert [trade["id"] for trade in trades] == [fill["tradeId"] for fill in answer["fills"]]
    assert ask(desk, "myTrades", f"symbol=BTCUSDT fromId={trades[0]['id'] + 1}") == []
    assert ask(desk, "myTrades", f"symbol=BTCUSDT orderId={answer['orderId']}") == trades
    assert ask(desk, "myTrades", "symbol=BTCUSDT startTime=9999999999999") == []


def test_a_test_order_is_checked_and_not_placed(desk: Any) -> None:
    assert ask(desk, "order.test", LIMIT) == {}
    assert desk.venue.exchange.orders == {}
    assert refusal(desk, "order.test", LIMIT.replace("0.001", "50"))[0] == -2010


def test_orders_are_found_canceled_and_listed(desk: Any) -> None:
    first = ask(desk, "order.place", f"{LIMIT} newClientOrderId=one")["orderId"]
    second = ask(desk, "order.place", f"{LIMIT} newClientOrderId=two")["orderId"]
    assert ask(desk, "order.status", "symbol=BTCUSDT origClientOrderId=one")["orderId"] == first
    assert [order["orderId"] for order in ask(desk, "openOrders.status")] == [first, second]
    canceled = ask(desk, "order.cancel", f"symbol=BTCUSDT orderId={first} newClientOrderId=bye")
    assert (canceled["status"], canceled["origClientOrderId"], canceled["clientOrderId"]) == ("CANCELED", "one", "bye")
    report = desk.publisher.events[-2][1]
    assert (report["x"], report["c"], report["C"]) == ("CANCELED", "bye", "one")
    assert [order["orderId"] for order in ask(desk, "openOrders.status", "symbol=BTCUSDT")] == [second]
    assert [order["status"] for order in ask(desk, "allOrders", "symbol=BTCUSDT")] == ["CANCELED", "NEW"]
    assert [order["orderId"] for order in ask(desk, "allOrders", f"symbol=BTCUSDT orderId={second}")] == [second]
    assert len(ask(desk, "openOrders.cancelAll", "symbol=BTCUSDT")) == 1
    assert ask(desk, "openOrders.status") == []


def test_a_cancel_may_be_restricted_to_a_state(desk: Any) -> None:
    number = ask(desk, "order.place", LIMIT)["orderId"]
    text = f"symbol=BTCUSDT orderId={number} cancelRestrictions="
    assert refusal(desk, "order.cancel", f"{text}ONLY_PARTIALLY_FILLED") == (
        -2011,
        "Order was not canceled due to cancel restrictions.",
    )
    assert ask(desk, "order.cancel", f"{text}ONLY_NEW")["status"] == "CANCELED"


def test_the_account_shows_free_and_locked(desk: Any) -> None:
    ask(desk, "order.place", LIMIT)
    account = ask(desk, "account.status", "omitZeroBalances=true")
    assert account["balances"] == [
        {"asset": "USDT", "free": "99950.00000000", "locked": "50.00000000"},
        {"asset": "BTC", "free": "1.00000000", "locked": "0.00000000"},
    ]
    assert (account["makerCommission"], account["canTrade"]) == (10, True)
    assert ask(desk, "account.commission", "symbol=BTCUSDT")["standardCommission"]["taker"] == "0.00100000"
    assert ask(desk, "asset.tradeFee", "symbol=ETHUSDT")[0]["takerCommission"] == "0.001"


def test_exchange_info_describes_what_is_listed(desk: Any) -> None:
    info = ask(desk, "exchangeInfo")
    assert [symbol["symbol"] for symbol in info["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    filters = {entry["filterType"]: entry for entry in info["symbols"][0]["filters"]}
    assert filters["PRICE_FILTER"]["tickSize"] == "0.01000000"
    assert filters["LOT_SIZE"]["stepSize"] == "0.00001000"
    assert filters["NOTIONAL"]["minNotional"] == "5.00000000"
    assert info["exchangeFilters"] == []
    assert info["serverTime"] == desk.wall
    assert ask(desk, "exchangeInfo", 'symbols=["ETHUSDT"]')["symbols"][0]["baseAsset"] == "ETH"


def test_market_data_follows_the_market(desk: Any) -> None:
    before = ask(desk, "depth", "symbol=BTCUSDT limit=5")
    desk.advance(POINTS)
    after = ask(desk, "depth", "symbol=BTCUSDT limit=5")
    assert after["lastUpdateId"] > before["lastUpdateId"]
    assert len(after["bids"]) == len(after["asks"]) == 5
    assert float(after["bids"][0][0]) < float(after["asks"][0][0])
    trades = ask(desk, "trades.recent", "symbol=BTCUSDT limit=12")
    rows = ask(desk, "klines", "symbol=BTCUSDT interval=1m limit=21")
    assert len(rows) == 21
    last = rows[-1]
    assert [last[1], last[4]] == [trades[0]["price"], trades[-1]["price"]]
    assert sum(float(trade["qty"]) for trade in trades) == pytest.approx(float(last[5]))
    assert ask(desk, "ticker.price", "symbol=BTCUSDT")["price"] == trades[-1]["price"]
    assert ask(desk, "ticker.book", "symbol=BTCUSDT")["bidPrice"] == after["bids"][0][0]
    assert len(ask(desk, "ticker.book")) == 2
    aggregate = ask(desk, "trades.aggregate", f"symbol=BTCUSDT fromId={trades[0]['id']}")
    assert [trade["a"] for trade in aggregate] == [trade["id"] for trade in trades]
    assert ask(desk, "avgPrice", "symbol=BTCUSDT")["mins"] == 5
    day = ask(desk, "ticker.24hr", "symbol=BTCUSDT")
    assert (day["count"], day["lastPrice"]) == (21 * POINTS, trades[-1]["price"])
    assert "bidPrice" not in ask(desk, "ticker.24hr", "symbol=BTCUSDT type=MINI")
    assert (ask(desk, "ping"), ask(desk, "time")) == ({}, {"serverTime": desk.wall})


def test_klines_are_cut_by_time_and_number(desk: Any) -> None:
    rows = ask(desk, "klines", "symbol=BTCUSDT interval=1m")
    start = rows[5][0]
    assert ask(desk, "klines", f"symbol=BTCUSDT interval=1m startTime={start} limit=3") == rows[5:8]
    assert ask(desk, "klines", f"symbol=BTCUSDT interval=1m startTime={start} endTime={start + 60_000}") == rows[5:7]
    assert ask(desk, "klines", f"symbol=BTCUSDT interval=1m endTime={start} limit=2") == rows[4:6]
    assert ask(desk, "klines", "symbol=BTCUSDT interval=1m limit=2") == rows[-2:]
    assert ask(desk, "klines", "symbol=BTCUSDT interval=1m startTime=0 limit=2") == rows[:2]
    assert ask(desk, "klines", "symbol=BTCUSDT interval=1m startTime=99999999999999") == []
    five = ask(desk, "klines", "symbol=BTCUSDT interval=5m limit=1")[0]
    assert float(five[5]) == pytest.approx(sum(float(row[5]) for row in rows if row[0] >= five[0]))


def test_a_market_move_fills_resting_orders_and_logs_them_with_its_time(desk: Any) -> None:
    price = ask(desk, "ticker.book", "symbol=BTCUSDT")["bidPrice"]
    ask(desk, "order.place", f"symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTC quantity=0.001 price={price}")
    for _ in range(500):
        desk.advance()
        if desk.venue.counters.trades:
            break
    trade = next(record for batch in desk.log.batches for record in batch if record["r"] == "trade")
    assert trade["liquidity"] == "MAKER"
    assert trade["ts"] == desk.log.position_ms == desk.venue.driver.market_ms
    assert [event["X"] for _, event in desk.publisher.events if event["e"] == "executionReport"] == ["NEW", "FILLED"]


# ------------------------------------------------------------------------------------------------------------- limits
def test_weight_is_counted_by_address_and_minute() -> None:
    limiter = RateLimiter(Limits(weight_per_minute=50))
    assert limiter.use("a", 40, now_ms=0) == 40
    assert limiter.use("b", 40, now_ms=0) == 40
    with pytest.raises(VenueError) as refusal:
        limiter.use("a", 20, now_ms=1)
    assert (refusal.value.code, refusal.value.status) == (-1003, 429)
    assert refusal.value.data == {"retryAfter": MINUTE_MS}
    assert limiter.use("a", 20, now_ms=MINUTE_MS) == 20
    assert limiter.used_weight("a", now_ms=2 * MINUTE_MS) == 0


def test_who_ignores_429_is_banned() -> None:
    limiter = RateLimiter(Limits(weight_per_minute=1))
    limiter.use("a", 1, now_ms=0)
    states = []
    for _ in range(STRIKES_MAX + 2):
        with pytest.raises(VenueError) as refusal:
            limiter.use("a", 1, now_ms=0)
        states.append(refusal.value.status)
    assert states == [429] * STRIKES_MAX + [418] * 2
    with pytest.raises(VenueError, match="IP banned until 120000"):
        limiter.use("a", 0, now_ms=MINUTE_MS)
    assert limiter.use("a", 1, now_ms=120_000) == 1


def test_only_unfilled_orders_count_against_the_order_limits() -> None:
    limiter = RateLimiter(Limits(orders_per_10s=2, orders_per_day=3))
    for _ in range(2):
        limiter.check_order("main", now_ms=0)
        limiter.count_orders("main", 1, now_ms=0)
    with pytest.raises(VenueError, match="current limit is 2 orders per 10 SECOND"):
        limiter.check_order("main", now_ms=1)
    limiter.count_orders("main", -1, now_ms=2)
    limiter.check_order("main", now_ms=3)
    limiter.count_orders("main", 2, now_ms=10_000)
    with pytest.raises(VenueError, match="orders per 1 DAY"):
        limiter.check_order("main", now_ms=20_000)
    assert limiter.order_counts("main", now_ms=20_000) == (0, 3)
    assert limiter.order_counts("main", now_ms=DAY_MS) == (0, 0)
    limiter.check_order("other", now_ms=20_000)


def test_orders_are_free_unless_they_fail(desk: Any) -> None:
    ask(desk, "order.place", LIMIT)
    assert desk.venue.limiter.used_weight("here", now_ms=desk.wall) == 0
    refusal(desk, "order.place", LIMIT.replace("BTCUSDT", "NOPE"))
    assert desk.venue.limiter.used_weight("here", now_ms=desk.wall) == 1
    ask(desk, "openOrders.status")
    assert desk.venue.limiter.used_weight("here", now_ms=desk.wall) == 81
    assert [rule["count"] for rule in ask(desk, "account.rateLimits.orders")] == [1, 1]


def test_every_operation_has_a_weight_above_zero() -> None:
    for operation in OPERATIONS.values():
        weight = operation.weight if isinstance(operation.weight, int) else operation.weight(params.Params({}))
        assert weight > 0
    assert [market_data.depth_weight(params.Params({"limit": n})) for n in ("5", "500", "1000", "5000", "x")] == [
        5,
        25,
        50,
        250,
        5,
    ]


def test_the_metrics_page_counts(desk: Any) -> None:
    ask(desk, "order.place", LIMIT)
    status: dict[str, object] = {"market_ms": 5, "bars": 1, "speed": 1.0, "speed_reached": 0.5}
    page = metrics.exposition(desk.venue, frames=3, connections=2, status=status).decode()
    assert "venue_orders_accepted 1.0" in page
    assert "venue_connections 2.0" in page


# -------------------------------------------------------------------------------------------------- windows and rules
def test_a_lookup_of_more_than_a_day_is_refused(desk: Any) -> None:
    for name in ("allOrders", "myTrades"):
        text = "symbol=BTCUSDT startTime=0 endTime=86400001"
        assert refusal(desk, name, text)[0] == -1127
        assert ask(desk, name, "symbol=BTCUSDT startTime=0 endTime=86400000") == []
    assert refusal(desk, "allOrderLists", "startTime=0 endTime=86400001")[0] == -1127


def test_tickers_of_a_window_are_those_of_its_candles(desk: Any) -> None:
    desk.advance(30)
    minutes = ask(desk, "klines", "symbol=BTCUSDT interval=1m limit=5")
    ticker = ask(desk, "ticker", "symbol=BTCUSDT windowSize=5m")
    assert (ticker["openPrice"], ticker["lastPrice"]) == (minutes[0][1], minutes[-1][4])
    assert ticker["highPrice"] == max((row[2] for row in minutes), key=float)
    assert ticker["count"] == sum(row[8] for row in minutes)
    for size in ("0m", "60m", "24h", "8d", "x"):
        assert refusal(desk, "ticker", f"symbol=BTCUSDT windowSize={size}")[0] == -1130
    assert refusal(desk, "ticker", "")[0] == -1128


def test_there_are_no_reference_prices_and_execution_rules(desk: Any) -> None:
    assert refusal(desk, "referencePrice", "symbol=BTCUSDT")[0] == -2043
    assert ask(desk, "executionRules", "symbol=BTCUSDT") == {"symbolRules": []}


def test_a_halted_symbol_and_a_full_position_refuse_orders(desk: Any) -> None:
    listing = desk.venue.exchange.listings["BTCUSDT"]
    listing.rules = replace(listing.rules, position_max=Decimal("1.005"))
    order = "symbol=BTCUSDT side=BUY type=LIMIT timeInForce=GTC price=50000"
    ask(desk, "order.place", f"{order} quantity=0.004")
    assert refusal(desk, "order.place", f"{order} quantity=0.002") == (-1013, "Filter failure: MAX_POSITION")
    listing.is_halted = True
    assert refusal(desk, "order.place", f"{order} quantity=0.001") == (-1013, "Market is closed.")
