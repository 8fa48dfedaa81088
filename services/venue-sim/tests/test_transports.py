"""The three transports without sockets: forms, signatures, ids, subscriptions, streams."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.path import POINTS
from pitwire.venue_sim.handlers.feeds import Feeds
from pitwire.venue_sim.handlers.rest import Rest, read_form
from pitwire.venue_sim.handlers.security import Key, Keyring, check_signature, check_time
from pitwire.venue_sim.handlers.stream_session import STREAMS_MAX, StreamSession
from pitwire.venue_sim.handlers.ws_api import WsApiSession
from pitwire.venue_sim.ports import RestAnswer, RestRequest

ORDER = "symbol=BTCUSDT&side=BUY&type=LIMIT&timeInForce=GTC&quantity=0.001&price=50000"


def sign(payload: str, secret: str = "secret") -> str:
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def rest(desk: Any, method: str, path: str, query: str = "", body: str = "", key: str | None = "key") -> RestAnswer:
    return Rest(desk.venue).answer(RestRequest(method, path, query, body, key, "here"))


def signed(desk: Any, query: str) -> str:
    query = f"{query}&timestamp={desk.wall}" if query else f"timestamp={desk.wall}"
    return f"{query}&signature={sign(query)}"


def code(answer: RestAnswer) -> int:
    return int(json.loads(answer.body)["code"])


# ----------------------------------------------------------------------------------------------------------- security
def test_the_documented_signatures_are_accepted(payload_folder: Path) -> None:
    vectors = json.loads((payload_folder / "hmac_signing_vectors.json").read_text())
    key = Key(vectors["example_api_key"], vectors["example_secret_key"], "main")
    for vector in vectors["vectors"]:
        check_signature(key, vector["payload"], vector["signature"])
        check_signature(key, vector["payload"], vector["signature"].upper())
        with pytest.raises(VenueError, match="-1022"):
            check_signature(key, vector["payload"] + "0", vector["signature"])


def test_keys_do_not_show_their_secret() -> None:
    assert "hidden" not in repr(Key("public", "hidden", "main"))


@pytest.mark.parametrize(
    ("sent_ms", "window", "refused"),
    [
        ("1000000", None, 0),
        ("995000", None, 0),
        ("994999", None, -1021),
        ("1000999", None, 0),
        ("1001000", None, -1021),
        ("940000", "60000", 0),
        ("999999.5", None, -1102),
        ("999998", "1.5", -1021),
        ("999999", "1.5", 0),
        ("1000000", "60001", -1131),
        ("1000000", "NaN", -1131),
        ("1000000", "x", -1130),
        ("x", None, -1102),
        ("²", None, -1102),
        (None, None, -1102),
    ],
)
def test_a_request_counts_only_within_its_window(sent_ms: str | None, window: str | None, refused: int) -> None:
    if refused:
        with pytest.raises(VenueError) as refusal:
            check_time(sent_ms, window, now_ms=1_000_000)
        assert refusal.value.code == refused
    else:
        check_time(sent_ms, window, now_ms=1_000_000)


def test_microseconds_are_a_timestamp_too() -> None:
    check_time("1700000000000500", None, now_ms=1_700_000_000_000)


# --------------------------------------------------------------------------------------------------------------- REST
def test_an_order_may_come_in_the_query_the_body_or_both(desk: Any) -> None:
    for split in (0, 2, 6):
        pairs = [*ORDER.split("&"), f"newClientOrderId=s{split}", f"timestamp={desk.wall}"]
        query, body = "&".join(pairs[:split]), "&".join(pairs[split:])
        signature = sign(query + body)
        answer = rest(desk, "POST", "/api/v3/order", query, f"{body}&signature={signature}")
        assert answer.status == 200, answer.body
        assert answer.headers["X-MBX-ORDER-COUNT-10S"]
    payload = f"{ORDER}&timestamp={desk.wall}"
    assert rest(desk, "POST", "/api/v3/order", f"{payload}&signature={sign(payload)}").status == 200
    body = f"signature={sign(payload)}&{payload}"
    assert rest(desk, "POST", "/api/v3/order", body=body).status == 200


def test_percent_encoded_values_are_signed_as_sent(desk: Any) -> None:
    query = signed(desk, f"symbols={quote('[' + json.dumps('BTCUSDT') + ']')}")
    assert rest(desk, "GET", "/api/v3/exchangeInfo", query.split("&timestamp")[0]).status == 200


@pytest.mark.parametrize(
    ("query", "key", "refused", "status"),
    [
        ("timestamp=1", None, -2014, 401),
        ("timestamp=1", "nobody", -2015, 401),
        ("", "key", -1102, 400),
        ("timestamp=1", "key", -1102, 400),
        ("timestamp=1&signature=00", "key", -1022, 400),
        (f"timestamp=1&signature={sign('timestamp=1')}", "key", -1021, 400),
        ("timestamp=1&timestamp=2", "key", -1101, 400),
    ],
)
def test_who_cannot_prove_who_they_are_is_refused(
    desk: Any, query: str, key: str | None, refused: int, status: int
) -> None:
    answer = rest(desk, "GET", "/api/v3/account", query, key=key)
    assert (code(answer), answer.status) == (refused, status)


def test_unknown_paths_methods_and_the_old_user_stream_are_told_apart(desk: Any) -> None:
    assert rest(desk, "GET", "/api/v3/nothing").status == 404
    assert rest(desk, "PUT", "/api/v3/order").status == 405
    assert rest(desk, "POST", "/api/v3/userDataStream").status == 410


def test_every_answer_shows_the_weight_used(desk: Any) -> None:
    assert rest(desk, "GET", "/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"] == "1"
    assert rest(desk, "GET", "/api/v3/exchangeInfo").headers["X-MBX-USED-WEIGHT-1M"] == "21"


def test_too_much_weight_says_when_to_come_back(desk: Any) -> None:
    for _ in range(300):
        assert rest(desk, "GET", "/api/v3/exchangeInfo").status == 200
    answer = rest(desk, "GET", "/api/v3/exchangeInfo")
    assert (answer.status, code(answer)) == (429, -1003)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60


def test_forms_are_read_as_they_come() -> None:
    assert read_form("a=1&b=x%20y", "c=&d=p+q") == {"a": "1", "b": "x y", "c": "", "d": "p q"}
    assert read_form("&&a=1&=5", "") == {"a": "1"}
    with pytest.raises(VenueError, match="Duplicate"):
        read_form("a=1", "a=2")


# ------------------------------------------------------------------------------------------------------ WebSocket API
class Talk:
    """A WebSocket API conversation."""

    def __init__(self, desk: Any, outbox: Any) -> None:
        self.desk = desk
        self.outbox = outbox
        self.feeds = Feeds(desk.venue.exchange, desk.time, desk.venue.faults, desk.venue.driver.tapes)
        desk.venue.publisher = self.feeds
        self.session = WsApiSession(desk.venue, self.feeds, outbox, address="here")

    def ask(self, method: str, request_id: Any = 1, /, **params: Any) -> Any:
        self.session.on_text(json.dumps({"id": request_id, "method": method, "params": params}))
        return self.outbox.frames.pop()

    def signed(self, method: str, request_id: Any = 1, /, **params: Any) -> Any:
        params |= {"apiKey": "key", "timestamp": self.desk.wall}
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        return self.ask(method, request_id, **params, signature=sign(payload))


@pytest.fixture
def talk(desk: Any, outbox: Any) -> Talk:
    return Talk(desk, outbox)


WS_ORDER = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}


@pytest.mark.parametrize("request_id", [1, "a-b", None, 0, 1.5, -7, [1, {"x": 2}]])
def test_ids_of_any_kind_come_back(talk: Talk, request_id: Any) -> None:
    assert talk.ask("ping", request_id) == {
        "id": request_id,
        "status": 200,
        "result": {},
        "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000, "count": 3}
        ],
    }


def test_orders_placed_canceled_and_asked_for(talk: Talk) -> None:
    placed = talk.signed("order.place", "p", **WS_ORDER, quantity="0.001", price="50000", newClientOrderId="w1")
    assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
    assert [limit["rateLimitType"] for limit in placed["rateLimits"]] == ["ORDERS", "ORDERS", "REQUEST_WEIGHT"]
    assert talk.signed("order.status", symbol="BTCUSDT", origClientOrderId="w1")["result"]["status"] == "NEW"
    assert len(talk.signed("openOrders.status", symbol="BTCUSDT")["result"]) == 1
    assert talk.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="w1")["result"]["status"] == "CANCELED"
    assert talk.signed("myTrades", symbol="BTCUSDT")["result"] == []
    assert talk.signed("account.status")["result"]["accountType"] == "SPOT"
    again = talk.signed("order.cancel", symbol="BTCUSDT", origClientOrderId="w1")
    assert (again["status"], again["error"]) == (400, {"code": -2011, "msg": "Unknown order sent."})


def test_json_numbers_are_signed_by_their_digits(talk: Talk) -> None:
    placed = talk.signed("order.place", **WS_ORDER, quantity=0.001, price=50000.1)
    assert placed["result"]["price"] == "50000.10000000"
    placed = talk.signed("order.place", **WS_ORDER, quantity=5e-05, price=50000, returnRateLimits="false")
    assert placed["error"]["code"] == -1013
    assert "rateLimits" not in placed
    assert talk.signed("order.place", **WS_ORDER, quantity=1e300, price=50000)["error"]["code"] == -1100


@pytest.mark.parametrize(
    ("message", "refused"),
    [
        ("nonsense", -1135),
        ("[]", -1135),
        ('"ping"', -1135),
        ('{"id": 1}', -1020),
        ('{"id": 1, "method": "no.such"}', -1020),
        ('{"id": 1, "method": "depth", "params": []}', -1102),
        ('{"id": 1, "method": "depth", "params": [1]}', -1135),
        ('{"id": 1, "method": "depth", "params": {"symbol": null}}', -1102),
        ('{"id": 1, "method": "depth", "params": {"symbol": {"a": 1}}}', -1121),
        ('{"id": 1, "method": "account.status", "params": {}}', -2014),
        ('{"id": 1, "method": "account.status", "params": {"apiKey": "key"}}', -1102),
        ('{"id": 1, "method": "account.status", "params": {"apiKey": "key", "timestamp": 1, "signature": "x"}}', -1022),
        ('{"id": 1, "method": "userDataStream.unsubscribe", "params": {"subscriptionId": 4}}', -2036),
    ],
)
def test_what_cannot_be_served_is_answered_with_an_error(talk: Talk, message: str, refused: int) -> None:
    talk.session.on_text(message)
    assert talk.outbox.frames.pop()["error"]["code"] == refused


def test_user_events_come_to_who_subscribed(talk: Talk) -> None:
    assert talk.signed("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 0}
    assert talk.signed("userDataStream.subscribe.signature")["error"]["code"] == -2035
    assert talk.ask("session.subscriptions")["result"] == [{"subscriptionId": 0}]
    talk.signed("order.place", **WS_ORDER, quantity="0.001", price="50000")
    events = talk.outbox.take()
    assert [event["subscriptionId"] for event in events] == [0, 0]
    assert [event["event"]["e"] for event in events] == ["executionReport", "outboundAccountPosition"]
    assert talk.ask("userDataStream.unsubscribe")["result"] == {}
    talk.signed("order.place", **WS_ORDER, quantity="0.001", price="50000")
    assert talk.outbox.take() == []
    assert talk.signed("userDataStream.subscribe.signature")["result"] == {"subscriptionId": 1}
    talk.session.on_close()
    talk.desk.venue.exchange.accounts["main"].touched.clear()
    talk.signed("order.place", **WS_ORDER, quantity="0.001", price="50000")
    assert talk.outbox.take() == []


def test_an_execution_report_has_the_documented_fields(talk: Talk, payload_folder: Path) -> None:
    documented: dict[str, Any] = {}
    for line in (payload_folder / "spot_doc_examples.jsonl").read_text().splitlines():
        event = (json.loads(line).get("json") or {}) if "executionReport" in line else {}
        documented = documented or (event.get("event", {}) if isinstance(event, dict) else {})
    talk.signed("userDataStream.subscribe.signature")
    talk.signed("order.place", symbol="BTCUSDT", side="BUY", type="MARKET", quantity="0.001")
    report = talk.outbox.take()[0]["event"]
    documented.pop("v")  # only there when a match was prevented
    assert set(documented) - set(report) == set()
    assert {name: type(report[name]) for name in documented} == {
        name: type(value) for name, value in documented.items()
    }


# ------------------------------------------------------------------------------------------------------------ streams
@pytest.fixture
def feeds(desk: Any) -> Feeds:
    made = Feeds(desk.venue.exchange, desk.time, desk.venue.faults, desk.venue.driver.tapes)
    desk.venue.publisher = made
    return made


ALL = ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@depth@100ms", "btcusdt@kline_1m"]


def test_each_instant_tells_trade_top_depth_and_candle(desk: Any, feeds: Feeds, outbox: Any) -> None:
    StreamSession(feeds, outbox, streams=ALL, combined=True, wall_ms=desk.wall_ms)
    desk.advance()
    frames = outbox.take()
    assert [frame["stream"] for frame in frames] == ALL
    trade, top, diff, kline = (frame["data"] for frame in frames)
    assert trade["p"] in {top["b"], top["a"]}
    assert (kline["k"]["c"], kline["k"]["x"], kline["k"]["L"]) == (trade["p"], False, trade["t"])
    assert diff["U"] <= diff["u"] == top["u"]
    assert trade["E"] == kline["E"] == desk.time.now_ms


def test_a_candle_closes_once_right_after_its_last_trade(desk: Any, feeds: Feeds, outbox: Any) -> None:
    StreamSession(feeds, outbox, streams=["btcusdt@trade", "btcusdt@kline_1m"], combined=False, wall_ms=desk.wall_ms)
    desk.advance(2 * POINTS)
    frames = outbox.take()
    closed = [number for number, frame in enumerate(frames) if frame["e"] == "kline" and frame["k"]["x"]]
    assert len(closed) == 2
    for number in closed:
        kline, trade = frames[number]["k"], frames[number - 1]
        assert (kline["c"], kline["L"], kline["T"]) == (trade["p"], trade["t"], trade["T"])
        assert frames[number - 2]["k"]["x"] is False
    ids = [frame["t"] for frame in frames if frame["e"] == "trade"]
    assert ids == list(range(ids[0], ids[0] + len(ids)))


def test_a_book_kept_from_snapshot_and_diffs_equals_the_venues(desk: Any, feeds: Feeds, outbox: Any) -> None:
    StreamSession(feeds, outbox, streams=["btcusdt@depth"], combined=False, wall_ms=desk.wall_ms)
    desk.advance(3)
    snapshot = json.loads(rest(desk, "GET", "/api/v3/depth", "symbol=BTCUSDT&limit=5000").body)
    sides = {side: dict(snapshot[name]) for side, name in (("b", "bids"), ("a", "asks"))}
    last = 0
    desk.advance(2)
    assert rest(desk, "POST", "/api/v3/order", signed(desk, ORDER)).status == 200
    market = signed(desk, "symbol=BTCUSDT&side=SELL&type=MARKET&quantity=0.5")
    assert rest(desk, "POST", "/api/v3/order", market).status == 200
    desk.advance(POINTS)
    for event in outbox.take():
        assert last in (0, event["U"] - 1)
        last = event["u"]
        if event["u"] <= snapshot["lastUpdateId"]:
            continue
        for side, levels in sides.items():
            for price, quantity in event[side]:
                levels[price] = quantity
                if float(quantity) == 0:
                    del levels[price]
    now = json.loads(rest(desk, "GET", "/api/v3/depth", "symbol=BTCUSDT&limit=5000").body)
    assert sides == {"b": dict(now["bids"]), "a": dict(now["asks"])}


def test_a_users_order_moves_the_public_book_at_once(desk: Any, feeds: Feeds, outbox: Any) -> None:
    desk.advance()
    StreamSession(feeds, outbox, streams=["btcusdt@bookTicker", "btcusdt@depth5"], combined=True, wall_ms=desk.wall_ms)
    bid = json.loads(rest(desk, "GET", "/api/v3/ticker/bookTicker", "symbol=BTCUSDT").body)["bidPrice"]
    better = f"{float(bid) + 0.05:.2f}"
    query = signed(desk, ORDER.replace("50000", better))
    assert rest(desk, "POST", "/api/v3/order", query).status == 200
    top, depth = (frame["data"] for frame in outbox.take())
    assert (top["b"], top["B"]) == (f"{better}000000", "0.00100000")
    assert depth["bids"][0] == [top["b"], top["B"]]


def test_subscriptions_are_made_listed_and_ended(desk: Any, feeds: Feeds, outbox: Any) -> None:
    session = StreamSession(feeds, outbox, streams=[], combined=False, wall_ms=desk.wall_ms)

    def ask(method: str, params: Any = None) -> Any:
        desk.wall += 1000  # a client may send five messages a second
        session.on_text(json.dumps({"method": method, "params": params, "id": "q"}))
        return outbox.take()[0]

    assert ask("SUBSCRIBE", ["btcusdt@trade", "ethusdt@trade"]) == {"result": None, "id": "q"}
    assert ask("LIST_SUBSCRIPTIONS")["result"] == ["btcusdt@trade", "ethusdt@trade"]
    assert ask("UNSUBSCRIBE", ["btcusdt@trade"])["result"] is None
    assert ask("SET_PROPERTY", ["combined", True])["result"] is None
    assert ask("GET_PROPERTY", ["combined"])["result"] is True
    desk.advance()
    assert [frame["stream"] for frame in outbox.take()] == ["ethusdt@trade"]
    for method, params in (
        ("SUBSCRIBE", "x"),
        ("SUBSCRIBE", [1]),
        ("SUBSCRIBE", [f"s{n}@trade" for n in range(STREAMS_MAX)]),
        ("SET_PROPERTY", ["combined", "yes"]),
        ("GET_PROPERTY", ["other"]),
        ("DANCE", None),
    ):
        assert "error" in ask(method, params)
    for text in ("{", "[]"):
        session.on_text(text)
        assert "error" in outbox.take()[0]
    session.on_close()
    desk.advance()
    assert outbox.take() == []


def test_a_payload_is_the_same_for_every_listener(desk: Any, feeds: Feeds, make_outbox: Callable[[], Any]) -> None:
    outboxes = [make_outbox() for _ in range(3)]
    for outbox in outboxes:
        StreamSession(feeds, outbox, streams=["btcusdt@aggTrade"], combined=False, wall_ms=desk.wall_ms)
    desk.advance()
    assert outboxes[0].frames == outboxes[1].frames == outboxes[2].frames
    assert outboxes[0].frames[0]["e"] == "aggTrade"


def test_a_keyring_knows_its_keys() -> None:
    key = Key("k", "s", "main")
    assert Keyring([key]).find("k") is key
