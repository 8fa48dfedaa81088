"""Published books on their way to a strategy: whole, in sequence and without doubt, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryServer
from pitwire.common.clock import ManualClock
from pitwire.common.enums import DataQuality
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.market import BookLevel, BookUpdate
from pitwire.common.telemetry import Tracing
from pitwire.common.testing.journal import BTC, STRATEGY
from pitwire.common.testing.shell import FakeShell
from pitwire.strategy import Hold, OrderBook, Portfolio
from pitwire.strategy.core.desk import Desk
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.runner import Runner
from pitwire.strategy.handlers.delivering import Deliverer
from pitwire.strategy.handlers.delivery_log import DeliveryLog
from pitwire.strategy.handlers.market import MarketReader
from pitwire.strategy.handlers.outbox import Outbox
from pitwire.strategy.handlers.publisher import Publisher


class WantsBooks:
    """Notes the best bid of every book it is shown."""

    def __init__(self) -> None:
        self.bids: list[str] = []

    def on_book(self, book: OrderBook, portfolio: Portfolio) -> Hold:
        best = book.best_bid
        self.bids.append(str(best.price) if best else "none")
        return Hold("seen")


def book_update(sequence: int, bid: str, now_ns: int, **changed: Any) -> BookUpdate:
    values: dict[str, Any] = {
        "instrument_id": BTC, "epoch": "e1", "sequence": sequence, "ts_event_ns": now_ns, "ts_recv_ns": now_ns,
        "snapshot": False, "first_update_id": sequence, "last_update_id": sequence,
        "bids": (BookLevel(price=Decimal(bid), quantity=Decimal(1)),),
    }  # fmt: skip
    return BookUpdate(**(values | changed))


async def test_books_reach_a_strategy_whole_and_never_after_a_gap_or_in_doubt() -> None:
    strategy, clock = WantsBooks(), ManualClock()
    shell = FakeShell(MemoryServer(clock), clock)
    registry, state = InstrumentRegistry(), AccountState("main", "USDT")
    runner = Runner(Spec(STRATEGY, "main", Decimal(10), (BTC,), "1m", ttl_ns=1), strategy, state, registry)
    outbox = Outbox(shell, {STRATEGY: Publisher(shell, Tracing(), runner)}, CollectorRegistry())
    deliverer = Deliverer([Desk(state, [runner])], registry, outbox)
    log = DeliveryLog(shell, slot="0", instance="i1")
    await MarketReader(shell, deliverer, outbox, log).subscribe_ticks()
    now_ns = clock.wall_ns()
    updates = [
        book_update(1, "10", now_ns),
        book_update(2, "11", now_ns, snapshot=True),
        book_update(3, "12", now_ns),
        book_update(4, "13", now_ns, quality=DataQuality.SUSPECT),
        book_update(5, "14", now_ns),
        book_update(7, "15", now_ns),
        book_update(8, "16", now_ns),
        book_update(9, "17", now_ns, snapshot=True),
    ]
    for update in updates:
        await shell.bus.publish(subjects.book(BTC), codec.encode(update), codec.headers_for(update))
        await shell.settle()
    assert strategy.bids == ["11", "12", "14", "17"]
