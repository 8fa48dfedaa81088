"""Binance's words, right and wrong; its refusals; signatures; its clock; keys and latches in files."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from pitwire.common.clock import NS_PER_MS
from pitwire.common.enums import Liquidity, OrderStatus, OrderType, Side, TimeInForce
from pitwire.common.errors import DecodeError
from pitwire.execution.adapters.binance import frames
from pitwire.execution.adapters.binance.errors import CLASS_OF_CODE, ErrorClass, classify, refusal_of
from pitwire.execution.adapters.binance.signing import Signer, order_params, request_hash
from pitwire.execution.adapters.binance.venue_clock import AGE_MAX_NS, ERROR_MAX_MS, VenueClock
from pitwire.execution.adapters.keys import ApiKey, Secret
from pitwire.execution.core.venue import NewOrder

BTC = "BTC-USDT.sim"
DATA = Path(os.environ.get("PITWIRE_DATA", Path(__file__).parents[3] / ".." / "shared" / "data"))
DOCS = DATA / "payloads" / "binance_docs"
needs_docs = pytest.mark.skipif(not DOCS.exists(), reason="recorded payloads are absent (set PITWIRE_DATA)")

REPORT = {
    "e": "executionReport", "E": 1_499_405_658_658, "s": "BTCUSDT", "c": "mine", "S": "BUY", "o": "LIMIT", "f": "GTC",
    "q": "1.00000000", "p": "0.10264410", "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "NEW",
    "X": "NEW", "r": "NONE", "i": 4_293_153, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0",
    "N": None, "T": 1_499_405_658_657, "t": -1, "I": 8_641_984, "w": True, "m": False, "M": False,
    "O": 1_499_405_658_657, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000", "V": "NONE",
}  # fmt: skip
FILL = {"x": "TRADE", "X": "PARTIALLY_FILLED", "l": "0.4", "z": "0.4", "L": "0.1", "n": "0.001", "N": "BTC", "t": 77}
ORDER = {
    "symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": "mine", "transactTime": 1_507_725_176_595,
    "price": "0.00000000", "origQty": "10.00000000", "executedQty": "10.00000000", "status": "FILLED",
    "timeInForce": "GTC", "type": "MARKET", "side": "SELL",
}  # fmt: skip


def find(symbol: str) -> str | None:
    return BTC if symbol == "BTCUSDT" else None


# -- the private stream ----------------------------------------------------------------------------------------------


def test_a_new_order_is_read() -> None:
    order = frames.facts_of_report(REPORT, find).order
    assert (order.client_order_id, order.venue_order_id, order.instrument_id) == ("mine", "4293153", BTC)
    assert (order.side, order.order_type, order.status) == (Side.BUY, OrderType.LIMIT, OrderStatus.NEW)
    assert (order.quantity, order.limit_price, order.stop_price) == (Decimal(1), Decimal("0.1026441"), None)
    assert order.ts_event_ns == 1_499_405_658_657 * NS_PER_MS


def test_a_fill_is_read_with_the_venues_own_fee() -> None:
    facts = frames.facts_of_report(REPORT | FILL, find)
    (trade,) = facts.trades
    assert (trade.trade_id, trade.quantity, trade.price) == ("77", Decimal("0.4"), Decimal("0.1"))
    assert (trade.fee, trade.fee_currency, trade.liquidity) == (Decimal("0.001"), "BTC", Liquidity.TAKER)
    assert facts.order.cum_quantity == Decimal("0.4")
    assert facts.exec_id == "8641984"


def test_while_an_order_is_cancelled_its_own_id_stands_in_the_other_field() -> None:
    canceled = REPORT | {"x": "CANCELED", "X": "CANCELED", "c": "the-cancel", "C": "mine"}
    assert frames.facts_of_report(canceled, find).order.client_order_id == "mine"
    by_venue = REPORT | {"x": "CANCELED", "X": "CANCELED", "C": ""}
    assert frames.facts_of_report(by_venue, find).order.client_order_id == "mine"


@pytest.mark.parametrize(
    ("change", "status", "expected"),
    [
        ("EXPIRED", "EXPIRED", OrderStatus.EXPIRED),
        ("TRADE_PREVENTION", "EXPIRED_IN_MATCH", OrderStatus.EXPIRED),
        ("REJECTED", "REJECTED", OrderStatus.REJECTED),
        ("NEW", "PENDING_NEW", OrderStatus.NEW),
    ],
)
def test_every_end_has_its_status(change: str, status: str, expected: OrderStatus) -> None:
    order = frames.facts_of_report(REPORT | {"x": change, "X": status, "eR": "UNFILLED_IOC"}, find).order
    assert (order.status, order.reason) == (expected, "UNFILLED_IOC")


def test_a_post_only_order_is_a_limit_order() -> None:
    assert frames.facts_of_report(REPORT | {"o": "LIMIT_MAKER"}, find).order.order_type is OrderType.LIMIT


def test_unknown_fields_pass() -> None:
    assert frames.facts_of_report(REPORT | {"uS": True, "later": {"x": [1]}}, find).trades == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"x": "MIRACLE"}, {"X": "BETTER"}, {"S": "HOLD"}, {"o": "WISH"}, {"q": "1e5"}, {"q": 1.0}, {"q": "NaN"},
        {"q": "-1"}, {"z": None}, {"i": "7"}, {"i": True}, {"T": -1}, {"c": "with space"}, {"c": "x" * 37}, {"c": None},
        FILL | {"L": "0"}, FILL | {"l": "0"}, FILL | {"n": "abc"}, FILL | {"N": "btc"}, FILL | {"t": "1"},
        FILL | {"m": "yes"}, {"s": 7},
    ],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_field(changed: dict[str, Any]) -> None:
    """F-26."""
    with pytest.raises(DecodeError) as caught:
        frames.facts_of_report(REPORT | changed, find)
    assert any(caught.value.reason.startswith(f"{name} ") for name in changed)


def test_an_order_of_somebody_else_keeps_its_own_id() -> None:
    assert frames.facts_of_report(REPORT | {"c": "web/1:2.3"}, find).order.client_order_id == "web/1:2.3"


@pytest.mark.parametrize("event", [None, [], "text", 7])
def test_what_is_no_object_is_refused(event: object) -> None:
    with pytest.raises(DecodeError, match="not an object"):
        frames.facts_of_report(event, find)


def test_another_instrument_is_told_apart_from_a_bad_word() -> None:
    with pytest.raises(frames.OtherInstrument):
        frames.facts_of_report(REPORT | {"s": "DOGEUSDT"}, find)


# -- answers -------------------------------------------------------------------------------------------------------


def test_the_full_answer_brings_its_trades_as_taker() -> None:
    fills = [
        {"price": "4000.00000000", "qty": "1.00000000", "commission": "4.0", "commissionAsset": "USDT", "tradeId": 56},
        {"price": "3999.00000000", "qty": "9.00000000", "commission": "-1", "commissionAsset": "BNB", "tradeId": 57},
    ]
    facts = frames.facts_of_placed(ORDER | {"fills": fills}, find)
    assert [(t.trade_id, t.quantity, t.price, t.fee) for t in facts.trades] == [
        ("56", Decimal(1), Decimal(4000), Decimal(4)),
        ("57", Decimal(9), Decimal(3999), Decimal(-1)),
    ]
    assert {t.liquidity for t in facts.trades} == {Liquidity.TAKER}
    assert {t.side for t in facts.trades} == {Side.SELL}


@pytest.mark.parametrize("broken", [{}, {"fills": None}, {"fills": [7]}, {"fills": [{"price": "1"}]}], ids=str)
def test_a_full_answer_without_readable_trades_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(DecodeError):
        frames.facts_of_placed(ORDER | broken, find)


def test_a_row_of_my_trades_is_read() -> None:
    row = {
        "symbol": "BTCUSDT", "id": 28_457, "orderId": 100_234, "orderListId": -1, "price": "4.00000100",
        "qty": "12.00000000", "quoteQty": "48.000012", "commission": "10.10000000", "commissionAsset": "BNB",
        "time": 1_499_865_549_590, "isBuyer": True, "isMaker": True, "isBestMatch": True,
    }  # fmt: skip
    trade = frames.trade_of(row, find)
    assert (trade.trade_id, trade.venue_order_id, trade.side) == ("28457", "100234", Side.BUY)
    assert (trade.liquidity, trade.fee_currency) == (Liquidity.MAKER, "BNB")


def test_an_instrument_is_what_the_venue_says_not_a_sliced_symbol() -> None:
    """S-54."""
    row = {
        "symbol": "BTCFDUSD", "baseAsset": "BTC", "quoteAsset": "FDUSD",
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
            {"filterType": "SOMETHING_NEW"},
        ],
    }  # fmt: skip
    instrument = frames.instrument_of(row, "sim")
    assert (instrument.instrument_id, instrument.venue_symbol) == ("BTC-FDUSD.sim", "BTCFDUSD")
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.01"), Decimal("0.00001"))
    with pytest.raises(DecodeError, match="LOT_SIZE"):
        frames.instrument_of(row | {"filters": row["filters"][:1]}, "sim")


@needs_docs
def test_every_order_in_the_venues_own_documentation_is_read() -> None:
    read = 0
    for line in (DOCS / "spot_doc_examples.jsonl").read_text().splitlines():
        example = json.loads(line).get("json")
        event = example.get("event") if isinstance(example, dict) else None
        if isinstance(event, dict) and event.get("e") == "executionReport":
            frames.facts_of_report(event, lambda _: BTC)
            read += 1
        result = example.get("result") if isinstance(example, dict) else None
        if isinstance(result, dict) and {"orderId", "status", "executedQty"} <= result.keys():
            own = "origClientOrderId" if "origClientOrderId" in result else "clientOrderId"
            frames.order_of(result, "order", lambda _: BTC, own_id=own)
            read += 1
    assert read >= 5


# -- refusals ------------------------------------------------------------------------------------------------------


@needs_docs
def test_every_documented_code_has_a_class() -> None:
    codes = {row["code"] for row in json.loads((DOCS / "error_codes.json").read_text())}
    assert len(codes) == 102
    assert codes - CLASS_OF_CODE.keys() == set()


@pytest.mark.parametrize(
    ("status", "code", "text", "expected", "doubt"),
    [
        (400, -2010, "Account has insufficient balance for requested action.", "INSUFFICIENT_FUNDS", False),
        (400, -2010, "Duplicate order sent.", "DUPLICATE_CLIENT_ID", True),
        (400, -2010, "Order would immediately match and take.", "REJECTED", False),
        (400, -2010, "Market is closed.", "MARKET_CLOSED", False),
        (400, -1013, "Filter failure: LOT_SIZE", "INVALID_ORDER", False),
        (400, -1021, "Timestamp for this request is outside of the recvWindow.", "CLOCK_SKEW", False),
        (400, -2011, "Unknown order sent.", "ORDER_NOT_FOUND", False),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", "UNAUTHORIZED", False),
        (429, -1003, "Too much request weight used", "RATE_LIMITED", False),
        (429, -1015, "Too many new orders", "TOO_MANY_ORDERS", False),
        (418, -1003, "Way too much request weight used; IP banned until 1", "BANNED", False),
        (400, -1007, "Timeout waiting for response from backend server.", "UNKNOWN_STATE", True),
        (504, -1007, "Timeout", "UNKNOWN_STATE", True),
        (500, -2010, "Account has insufficient balance", "UNKNOWN_STATE", True),
        (503, -1008, "Server is currently overloaded", "UNKNOWN_STATE", True),
        (400, -1016, "This service is no longer available.", "VENUE_UNAVAILABLE", True),
        (502, 0, "", "UNKNOWN_STATE", True),
        (403, 0, "", "UNAUTHORIZED", False),
        (429, 0, "", "RATE_LIMITED", False),
        (409, 0, "", "UNKNOWN_STATE", True),
        (400, -9999, "news", "REJECTED", False),
        (0, 0, "", "UNKNOWN_STATE", True),
        (200, 0, "", "UNKNOWN_STATE", True),
    ],
)
def test_a_refusal_has_one_class_and_says_whether_the_order_may_live(
    status: int, code: int, text: str, expected: str, doubt: bool
) -> None:
    """S-30, F-15: a 5xx is never read as failure."""
    kind = classify(status, code, text)
    assert (kind, kind.leaves_order_in_doubt) == (ErrorClass(expected), doubt)


@pytest.mark.parametrize("body", [None, [], "oops", {"code": "x", "msg": 7}, {}])
def test_a_body_that_is_no_refusal_is_judged_by_its_status(body: object) -> None:
    assert refusal_of(504, body).kind is ErrorClass.UNKNOWN_STATE
    assert refusal_of(400, body).kind is ErrorClass.REJECTED


# -- signing -------------------------------------------------------------------------------------------------------


@needs_docs
def test_signatures_are_those_of_the_documentation() -> None:
    vectors = json.loads((DOCS / "hmac_signing_vectors.json").read_text())
    signer = Signer(ApiKey(vectors["example_api_key"], Secret(vectors["example_secret_key"])))
    for vector in vectors["vectors"]:
        assert signer._sign(vector["payload"]) == vector["signature"]


@needs_docs
def test_a_websocket_request_is_signed_as_the_documentation_shows() -> None:
    keys = json.loads((DOCS / "hmac_signing_vectors.json").read_text())
    signer = Signer(ApiKey(keys["example_api_key"], Secret(keys["example_secret_key"])))
    params: dict[str, str | int] = {
        "symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01000000",
        "price": "52000.00", "recvWindow": 100, "timestamp": 1_645_423_376_532,
    }  # fmt: skip
    frame = orjson.loads(signer.frame(7, "order.place", params))
    assert frame["params"]["signature"] == "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    assert (frame["id"], frame["method"]) == (7, "order.place")


def new(**changed: Any) -> NewOrder:
    values: dict[str, Any] = {
        "client_order_id": "ABC", "instrument_id": BTC, "venue_symbol": "BTCUSDT", "side": Side.BUY,
        "order_type": OrderType.MARKET, "time_in_force": TimeInForce.GTC, "quantity": Decimal("0.00001"),
    }  # fmt: skip
    return NewOrder(**(values | changed))


def test_each_order_type_sends_exactly_what_it_needs() -> None:
    market = order_params(new())
    assert market == {
        "symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.00001", "newClientOrderId": "ABC",
        "newOrderRespType": "FULL",
    }  # fmt: skip
    limit = order_params(new(order_type=OrderType.LIMIT, limit_price=Decimal("1E+2"), time_in_force=TimeInForce.IOC))
    assert (limit["price"], limit["timeInForce"]) == ("100", "IOC")
    maker = order_params(new(order_type=OrderType.LIMIT, limit_price=Decimal(100), post_only=True))
    assert (maker["type"], "timeInForce" in maker) == ("LIMIT_MAKER", False)
    stop = order_params(new(order_type=OrderType.STOP_LOSS, stop_price=Decimal(90)))
    assert (stop["stopPrice"], "timeInForce" in stop, "price" in stop) == ("90", False, False)


def test_the_request_hash_is_of_the_content_alone() -> None:
    params = order_params(new())
    assert request_hash("order.place", params) == request_hash("order.place", dict(reversed(params.items())))
    assert request_hash("order.place", params) != request_hash("order.place", params | {"quantity": "0.00002"})


# -- the venue's clock ---------------------------------------------------------------------------------------------


def test_the_venues_time_is_half_way_between_question_and_answer() -> None:
    clock = VenueClock()
    clock.sample(sent_ns=0, received_ns=100 * NS_PER_MS, venue_ms=1_000_000)
    assert clock.now_ms(50 * NS_PER_MS) == 1_000_000
    assert clock.now_ms(1_050 * NS_PER_MS) == 1_001_000


def test_a_better_sample_replaces_a_worse_one_and_not_the_other_way() -> None:
    clock = VenueClock()
    clock.sample(sent_ns=0, received_ns=100 * NS_PER_MS, venue_ms=1_000_000)
    clock.sample(sent_ns=0, received_ns=10 * NS_PER_MS, venue_ms=2_000_000)
    clock.sample(sent_ns=0, received_ns=200 * NS_PER_MS, venue_ms=3_000_000)
    assert clock.now_ms(5 * NS_PER_MS) == 2_000_000


def test_a_slow_answer_says_nothing_and_an_old_one_no_more() -> None:
    """F-24."""
    clock = VenueClock()
    clock.sample(sent_ns=0, received_ns=2 * ERROR_MAX_MS * NS_PER_MS + 2, venue_ms=1)
    assert not clock.is_known(0)
    clock.sample(sent_ns=0, received_ns=2, venue_ms=1)
    assert clock.is_known(AGE_MAX_NS)
    assert not clock.is_known(AGE_MAX_NS + 2)


def test_a_clock_in_doubt_takes_the_next_sample_whatever_came_before() -> None:
    clock = VenueClock()
    clock.sample(sent_ns=0, received_ns=2, venue_ms=1_000)
    clock.is_doubted = True
    assert clock.is_known(3)
    clock.sample(sent_ns=0, received_ns=100 * NS_PER_MS, venue_ms=9_000)
    assert clock.now_ms(50 * NS_PER_MS) == 9_000
    assert not clock.is_doubted
