"""Every documented payload of the venue, and every captured one: market data is read, the rest is said to be none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import orjson

from pitwire.common.testing.recorded import lines_of, recorded
from pitwire.market_data.adapters import coinbase_frames, kraken_frames
from pitwire.market_data.adapters.frames import Notice, bar_of_row, definition_of, snapshot_of, tick_of
from pitwire.market_data.core.depth import Diff, Snapshot
from pitwire.market_data.core.ticks import Bar, QuoteTick, TimeTick, TradeTick

KNOWN: Final[dict[str, str]] = dict.fromkeys(("BNBBTC", "BNBUSDT", "BTCUSDT", "ETHUSDT", "ETHBTC"), "X-Y.z")
EVENTS: Final = {"trade": "trade", "kline": "kline_1m", "depthUpdate": "depth@100ms", "serverShutdown": ""}
NOT_READ: Final = {
    "aggTrade", "blockTrade", "24hrMiniTicker", "24hrTicker", "1hTicker", "avgPrice", "referencePrice",
    "markPriceUpdate", "forceOrder",
}  # fmt: skip
"""Events of market streams that market-data does not subscribe to: it has every trade, quote and book itself."""

USER: Final = {
    "executionReport", "outboundAccountPosition", "balanceUpdate", "listStatus", "eventStreamTerminated",
    "externalLockUpdate", "event of the WebSocket API",
}  # fmt: skip
"""Events of an account: execution reads them."""


def kind_of(payload: Any) -> str:
    """What a payload of Binance is, by its shape."""
    if isinstance(payload, list):
        return "klines" if payload and isinstance(payload[0], list) and len(payload[0]) == 12 else "list"
    if "event" in payload:
        return "event of the WebSocket API"
    body = payload.get("data", payload)
    if isinstance(body, dict) and "e" in body:
        return str(body["e"])
    if {"u", "b", "B", "a", "A"} <= payload.keys():
        return "bookTicker"
    if {"lastUpdateId", "bids", "asks"} <= payload.keys():
        return "depth"
    if "symbols" in payload and "rateLimits" in payload:
        return "exchangeInfo"
    if "method" in payload:
        return "request"
    if "status" in payload and ("result" in payload or "error" in payload):
        inner = kind_of(payload["result"]) if isinstance(payload.get("result"), dict | list) else ""
        return inner if inner in {"depth", "klines", "exchangeInfo"} else "answer"
    return "filter" if "filterType" in payload else "object"


def read(kind: str, payload: Any) -> Sequence[object]:
    """What market-data makes of it; refusals are raised."""
    body = payload.get("result", payload) if isinstance(payload, dict) else payload
    if kind == "klines":
        return [bar_of_row("X-Y.z", "1m", row) for row in body]
    if kind == "depth":
        return [snapshot_of("X-Y.z", body)]
    if kind == "exchangeInfo":
        complete = [row for row in body["symbols"] if isinstance(row, dict) and row.get("filters")]
        return [definition_of("z", row)[0] for row in complete]
    event = body.get("data", body)
    stream = "!serverShutdown" if kind == "serverShutdown" else f"x@{EVENTS.get(kind, kind)}"
    return [tick_of(orjson.dumps({"stream": stream, "data": event}), KNOWN)]


READ_AS: Final[dict[str, type | tuple[type, ...]]] = {
    "trade": TradeTick, "kline": (Bar, TimeTick), "depthUpdate": Diff, "bookTicker": QuoteTick,
    "serverShutdown": Notice, "depth": Snapshot, "klines": Bar,
}  # fmt: skip


def test_every_documented_payload_is_read_or_is_no_market_data() -> None:
    rows = [
        orjson.loads(line)
        for line in recorded("payloads/binance_docs/spot_doc_examples.jsonl").read_bytes().splitlines()
    ]
    found: Counter[str] = Counter()
    for row in rows:
        if "json" not in row:
            found["endpoint"] += 1
            continue
        kind = kind_of(row["json"])
        found[kind] += 1
        if kind in READ_AS:
            results = read(kind, row["json"])
            assert results, row["section"]
            assert all(isinstance(each, READ_AS[kind]) for each in results), (row["section"], results)
        elif kind in NOT_READ:
            assert read(kind, row["json"]) == [None], row["section"]
    assert sum(found.values()) == 342
    assert {kind: found[kind] for kind in READ_AS} == {
        "trade": 1, "kline": 2, "depthUpdate": 1, "bookTicker": 1, "serverShutdown": found["serverShutdown"],
        "depth": found["depth"], "klines": found["klines"],
    }  # fmt: skip
    assert min(found[kind] for kind in READ_AS) >= 1
    others = {"endpoint", "request", "answer", "filter", "object", "list", "exchangeInfo"}
    assert set(found) <= set(READ_AS) | NOT_READ | USER | others


def fixtures() -> list[Path]:
    return sorted(recorded("payloads/nautilus").rglob("*.json"))


def test_every_captured_payload_is_read_or_is_no_market_data() -> None:
    read_as: Counter[str] = Counter()
    paths = fixtures()
    for path in paths:
        payload = orjson.loads(path.read_bytes())
        venue = path.parts[path.parts.index("nautilus") + 1]
        if venue == "binance":
            kind = kind_of(payload)
            if kind in READ_AS:
                results = read(kind, payload)
                assert results, path.name
                assert all(isinstance(each, READ_AS[kind]) for each in results), (path.name, results)
                read_as[kind] += 1
        elif venue == "coinbase" and path.name.startswith("ws_"):
            books = coinbase_frames.books_of(path.read_bytes())
            assert bool(books) is path.name.startswith("ws_l2_data"), path.name
            read_as["coinbase book"] += len(books)
        elif venue == "kraken" and path.name.startswith("ws_"):
            assert kraken_frames.book_of(path.read_bytes()) is None, "version 2 and futures are read by nobody yet"
    assert len(paths) == 183
    assert read_as["coinbase book"] == 2
    assert {"trade", "kline", "depthUpdate", "bookTicker", "depth", "klines"} <= set(read_as), read_as


def test_every_definition_of_a_captured_exchange_is_read() -> None:
    body = next(lines_of("captures/cryptofeed/BINANCE.0.txt.gz")).partition(b": ")[2]
    rows = orjson.loads(body)["symbols"]
    found = [definition_of("z", row)[0] for row in rows]
    assert len(found) == len(rows) > 1_000
