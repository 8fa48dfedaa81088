"""Frames of a Binance market by hand, and captures of them."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

START_MS = 1_700_000_000_000


def level(text: str) -> list[str]:
    price, _, quantity = text.partition("*")
    return [f"{Decimal(price):.8f}", f"{Decimal(quantity):.8f}"]


def levels(text: str) -> list[list[str]]:
    return [level(each) for each in text.split()]


def snapshot(update_id: int, bids: str, asks: str) -> dict[str, Any]:
    return {"lastUpdateId": update_id, "bids": levels(bids), "asks": levels(asks)}


def stream(kind: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"stream": f"btcusdt@{kind}", "data": {"s": "BTCUSDT"} | data}


class Tape:
    """Frames of one symbol by hand, each a millisecond after the one before."""

    def __init__(self) -> None:
        self.ms = START_MS
        self.update_id = 10
        self.trade_id = 0

    def depth(self, bids: str = "", asks: str = "", *, event_ms: int | None = None) -> dict[str, Any]:
        first, self.update_id = self.update_id + 1, self.update_id + 3
        self.ms = event_ms or self.ms + 1
        rows = {"U": first, "u": self.update_id, "b": levels(bids), "a": levels(asks)}
        return stream("depth@100ms", {"e": "depthUpdate", "E": self.ms} | rows)

    def trade(self, taker: str, price: str, quantity: str, *, traded_ms: int | None = None) -> dict[str, Any]:
        self.ms, self.trade_id = self.ms + 1, self.trade_id + 1
        values = {"t": self.trade_id, "p": price, "q": quantity, "T": traded_ms or self.ms, "m": taker == "SELL"}
        return stream("trade", {"e": "trade", "E": self.ms} | values)

    def top(self, bid: str, ask: str, *, later: int = 1) -> dict[str, Any]:
        (b, bq), (a, aq) = level(bid), level(ask)
        return stream("bookTicker", {"u": self.update_id + later, "b": b, "B": bq, "a": a, "A": aq})


def write(path: Path, values: list[dict[str, Any]], *, start_ns: int = START_MS * 1_000_000) -> Path:
    lines = b"".join(b"%d %b\n" % (start_ns + n * 1_000_000, json.dumps(v).encode()) for n, v in enumerate(values))
    path.write_bytes(gzip.compress(lines) if path.suffix == ".gz" else lines)
    return path
