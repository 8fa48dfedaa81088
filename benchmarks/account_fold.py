"""What the fold of an account and one decision of the gate cost, without decoding and I/O; one JSON line per figure."""

from __future__ import annotations

import gc
import json
import time
from decimal import Decimal

import orjson

from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.market import Instrument
from pitwire.common.testing.journal import BTC, START_NS, Journal, mark, order_intent
from pitwire.risk_gate.core import DecisionContext, IntentInput, decide

ORDERS = 2_000
DECISIONS = 2_000
ROUNDS = 3


def lives() -> Journal:
    """Orders one after the other: decided, submitted, acknowledged, filled in two parts, marked."""
    journal = Journal()
    journal.start()
    for number in range(1, ORDERS + 1):
        side = "BUY" if number % 2 else "SELL"
        verdict = journal.approve(order_intent(number, side, "1", limit_price="100"))
        journal.submitting(verdict)
        journal.report(verdict, "NEW")
        for quantity in ("0.4", "0.6"):
            journal.fill(verdict, quantity, "99.5", fee="0.04", fee_currency="USDT")
        journal.marks(mark(BTC, str(100 + number % 7), START_NS + number))
    return journal


def tell(figure: str, value: float, **more: object) -> None:
    print(json.dumps({"benchmark": "account_fold", "figure": figure, "value": round(value, 2)} | more))


def fold(journal: Journal) -> AccountState:
    """The state, and the best of some rounds as a figure."""
    best, state = float("inf"), AccountState(journal.account, journal.quote)
    for _ in range(ROUNDS):
        started = time.process_time()
        state = journal.fold()
        best = min(best, time.process_time() - started)
    tell("journal_events_per_s", len(journal.entries) / best, events=len(journal.entries))
    return state


def snapshots(state: AccountState) -> None:
    started = time.process_time()
    data = state.snapshot()
    written = time.process_time()
    AccountState.restore(data)
    restored = time.process_time()
    tell("snapshot_ms", (written - started) * 1e3, bytes=len(orjson.dumps(data)))
    tell("restore_ms", (restored - written) * 1e3)


def decisions(state: AccountState) -> None:
    btc = Instrument(
        instrument_id=BTC,
        symbol="BTC-USDT",
        venue="sim",
        venue_symbol="BTCUSDT",
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.01"),
        lot_size=Decimal("0.001"),
    )
    context = DecisionContext(
        now_ns=START_NS,
        ts_market_ns=START_NS,
        marks={BTC: mark(BTC, "100")},
        instruments=InstrumentRegistry((btc,)),
        approval_ttl_ns=2_000_000_000,
    )
    intent = order_intent(ORDERS + 1, "BUY", "1", limit_price="100")
    batch = [IntentInput(1, intent.strategy, intent)]
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(DECISIONS):
            decide(state, batch, context)
        best = min(best, time.process_time() - started)
    tell("decide_us", best / DECISIONS * 1e6)


def main() -> None:
    journal = lives()
    gc.freeze()
    state = fold(journal)
    snapshots(state)
    decisions(state)


if __name__ == "__main__":
    main()
