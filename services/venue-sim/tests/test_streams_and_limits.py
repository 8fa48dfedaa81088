"""More streams, listenKeys, and the limits of requests, connections and messages."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pitwire.venue_sim.core.errors import VenueError
from pitwire.venue_sim.core.intervals import LENGTHS_MS, end_of, open_of
from pitwire.venue_sim.core.limits import FIVE_MINUTES_MS, STRIKES_MAX, Limits, RateLimiter
from pitwire.venue_sim.handlers.feeds import Feeds
from pitwire.venue_sim.handlers.listen_keys import KEYS_MAX, LIFE_MS, ListenKeys
from pitwire.venue_sim.handlers.operations import run
from pitwire.venue_sim.handlers.rest import Rest
from pitwire.venue_sim.handlers.stream_session import MESSAGES_PER_S_MAX, StreamSession
from pitwire.venue_sim.ports import RestRequest

STREAM = "/api/v3/userDataStream"


@pytest.fixture
def feeds(desk: Any) -> Feeds:
    made = Feeds(desk.venue.exchange, desk.time, desk.venue.faults, desk.venue.driver.tapes)
    desk.venue.publisher = made
    return made


# ------------------------------------------------------------------------------------------------------------ streams
EVENTS = {
    "Individual Symbol Mini Ticker Stream": "btcusdt@miniTicker",
    "Individual Symbol Ticker Streams": "btcusdt@ticker",
    "Average Price": "btcusdt@avgPrice",
    "Kline/Candlestick Streams for UTC": "btcusdt@kline_1h",
    "Trade Streams": "btcusdt@trade",
    "Aggregate Trade Streams": "btcusdt@aggTrade",
    "Individual Symbol Book Ticker Streams": "btcusdt@bookTicker",
    "Partial Book Depth Streams": "btcusdt@depth5",
    "Diff. Depth Stream": "btcusdt@depth",
}


def test_every_stream_has_the_documented_fields(desk: Any, feeds: Feeds, outbox: Any, payload_folder: Path) -> None:
    shown: dict[str, Any] = {}
    for line in (payload_folder / "spot_doc_examples.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["doc"] == "web-socket-streams.md":
            shown[row["section"].rpartition(" > ")[2]] = row["json"]
    StreamSession(feeds, outbox, streams=[*EVENTS.values()], combined=True, wall_ms=desk.wall_ms)
    desk.advance(2)
    ours = {frame["stream"]: frame["data"] for frame in outbox.take()}
    for section, stream in EVENTS.items():
        assert set(shown[section]) - set(ours[stream]) <= {"M"}, section
    assert ours["btcusdt@kline_1h"]["k"]["i"] == "1h"


def test_a_longer_candle_closes_with_its_last_minute(desk: Any, feeds: Feeds, outbox: Any) -> None:
    StreamSession(feeds, outbox, streams=["btcusdt@kline_3m", "!miniTicker@arr"], combined=True, wall_ms=desk.wall_ms)
    desk.advance(12 * 6)
    frames = outbox.take()
    closed = [frame["data"]["k"] for frame in frames if "kline" in frame["stream"] and frame["data"]["k"]["x"]]
    assert len(closed) == 2
    rows = run(desk.venue, "klines", {"symbol": "BTCUSDT", "interval": "3m"}, account_id="", address="x")
    by_open = {row[0]: row for row in rows}  # type: ignore[attr-defined]  # an operation answers with JSON
    for candle in closed:
        row = by_open[candle["t"]]
        assert [candle[name] for name in "ohlcv"] == row[1:6]
        assert candle["n"] == row[8]
    assert {one["s"] for frame in frames if frame["stream"] == "!miniTicker@arr" for one in frame["data"]} == {
        "BTCUSDT",
        "ETHUSDT",
    }


@pytest.mark.parametrize(
    ("interval", "moment_ms", "open_ms", "end_ms"),
    [
        ("1M", 1_709_164_800_000, 1_706_745_600_000, 1_709_251_199_999),  # 29 February 2024
        ("1w", 1_735_689_600_000, 1_735_516_800_000, 1_736_121_599_999),  # a Wednesday; weeks open on Monday
        ("3d", 1_735_689_600_000, 1_735_689_600_000 - 1_735_689_600_000 % LENGTHS_MS["3d"], None),
        ("1m", 61_000, 60_000, 119_999),
    ],
)
def test_candles_open_where_the_calendar_says(interval: str, moment_ms: int, open_ms: int, end_ms: int | None) -> None:
    assert open_of(interval, moment_ms) == open_ms
    assert end_of(interval, open_ms) == (end_ms if end_ms is not None else open_ms + LENGTHS_MS[interval] - 1)
    assert open_of(interval, end_of(interval, open_ms) + 1) == end_of(interval, open_ms) + 1


# --------------------------------------------------------------------------------------------------------- listenKeys
def ask(desk: Any, method: str, query: str = "", key: str | None = "key") -> tuple[int, Any]:
    answer = Rest(desk.venue).answer(RestRequest(method, STREAM, query, "", key, "here"))
    return answer.status, json.loads(answer.body)


def test_listen_keys_are_gone_unless_the_venue_has_them(desk: Any) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert ask(desk, method, "listenKey=x")[0] == 410
    assert ask(desk, "POST", key=None)[0] == 401


def test_a_listen_key_is_a_stream_of_its_account(desk: Any, feeds: Feeds, make_outbox: Any) -> None:
    names = iter(["first", "second"])
    keys = desk.venue.listen_keys = ListenKeys(new_secret=lambda: next(names))
    feeds.listen_keys = lambda account_id: keys.keys_of(account_id, now_ms=desk.wall)
    assert ask(desk, "POST") == (200, {"listenKey": "first"})
    assert ask(desk, "POST") == (200, {"listenKey": "first"})
    raw, combined = make_outbox(), make_outbox()
    StreamSession(feeds, raw, streams=["first"], combined=False, wall_ms=desk.wall_ms)
    StreamSession(feeds, combined, streams=["first"], combined=True, wall_ms=desk.wall_ms)
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "MARKET", "quantity": "0.01"}
    run(desk.venue, "order.place", dict(order), account_id="main", address="here")
    assert [frame["e"] for frame in raw.take()] == ["executionReport", "executionReport", "outboundAccountPosition"]
    assert [frame["stream"] for frame in combined.take()] == ["first"] * 3
    desk.wall += LIFE_MS - 1
    assert ask(desk, "PUT", "listenKey=first") == (200, {})
    desk.wall += LIFE_MS
    assert ask(desk, "PUT", "listenKey=first")[1]["code"] == -1125
    run(desk.venue, "order.place", dict(order), account_id="main", address="here")
    assert raw.take() == []
    assert ask(desk, "POST")[1] == {"listenKey": "second"}
    assert ask(desk, "DELETE", "listenKey=second") == (200, {})
    assert ask(desk, "DELETE", "listenKey=second")[1]["code"] == -1125


def test_there_are_not_endlessly_many_listen_keys() -> None:
    numbers = iter(range(KEYS_MAX + 1))
    keys = ListenKeys(new_secret=lambda: str(next(numbers)))
    for account in range(KEYS_MAX):
        keys.open(str(account), now_ms=0)
    with pytest.raises(VenueError, match="-1015"):
        keys.open("one more", now_ms=0)


# ------------------------------------------------------------------------------------------------------------- limits
def test_one_who_sends_too_many_messages_a_second_is_cut_off(desk: Any, feeds: Feeds, outbox: Any) -> None:
    session = StreamSession(feeds, outbox, streams=[], combined=False, wall_ms=desk.wall_ms)
    for second in range(2):
        desk.wall += 1000 * second
        for _ in range(MESSAGES_PER_S_MAX):
            session.on_text('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
    assert not outbox.cuts
    session.on_text('{"method": "LIST_SUBSCRIPTIONS", "id": 1}')
    assert len(outbox.cuts) == 1


def test_raw_requests_and_connections_have_limits_of_five_minutes() -> None:
    limiter = RateLimiter(Limits(raw_requests_per_5min=3, connections_per_5min=2))
    for _ in range(3):
        limiter.use("here", 0, now_ms=0)
    with pytest.raises(VenueError, match="Too many requests; current limit is 3") as refusal:
        limiter.use("here", 0, now_ms=0)
    assert refusal.value.data == {"retryAfter": FIVE_MINUTES_MS}
    limiter.use("here", 0, now_ms=FIVE_MINUTES_MS)
    assert [limiter.connect("here", now_ms=0) for _ in range(3)] == [True, True, False]
    assert limiter.connect("there", now_ms=0)
    assert limiter.connect("here", now_ms=FIVE_MINUTES_MS)


def test_one_who_goes_on_is_banned_from_connecting_too() -> None:
    limiter = RateLimiter(Limits(weight_per_minute=1))
    limiter.use("here", 1, now_ms=0)
    for _ in range(STRIKES_MAX + 1):
        with pytest.raises(VenueError):
            limiter.use("here", 1, now_ms=0)
    assert not limiter.connect("here", now_ms=0)
