"""What must always hold, and who watches it: checks of `verify`, and tests for what cannot be seen from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Invariant:
    """`checks` of verify that look at it, and where `tests` hold what a look from outside cannot."""

    statement: str
    checks: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()


INVARIANTS: Final[dict[str, Invariant]] = {
    "I-1": Invariant("No request reaches a venue without a durable Submitting of that client order id.", ("I-1",)),
    "I-2": Invariant(
        "At most one venue order per client order id; what is unknown is asked for, never sent again.",
        ("I-2", "I-2.journal"),
        ("services/execution/tests/test_recovery.py",),
    ),
    "I-3": Invariant("Every venue order is what one approval says, in time, used once.", ("I-3", "I-3.journal")),
    "I-4": Invariant("Order states move only as listed; filled = sum of distinct trades.", ("I-4", "I-4.orders")),
    "I-5": Invariant("No order stays unknown.", ("I-5",)),
    "I-6": Invariant("At rest, working orders here = working orders at the venue.", ("I-6",)),
    "I-7": Invariant(
        "A protective stop is never cancelled by a withdrawal, and stays as large as what it protects.",
        (),
        ("services/execution/tests/test_cancels.py",),
    ),
    "I-8": Invariant("Every trade of the venue is booked once, by whatever path it came.", ("I-8", "I-8.rows")),
    "I-9": Invariant("Position = signed fills - base fees = what the venue holds.", ("I-9", "I-9.venue")),
    "I-10": Invariant(
        "Postings sum to zero per asset; records are chained by hash.", ("I-10", "I-10.balances", "I-10.chain")
    ),
    "I-11": Invariant("Equity = capital + realised + unrealised - fees, exactly.", ("I-11", "I-11.rows")),
    "I-12": Invariant("Average price = cost / quantity, within what was paid; none when flat.", ("I-12",)),
    "I-13": Invariant("Fees are the venue's own figures, in the currency it took.", ("I-13",)),
    "I-14": Invariant(
        "A fill after the end of its order is booked and alarmed; so is an overfill.",
        ("I-8", "I-4"),
        ("libs/common/tests/test_order_state.py",),
    ),
    "I-15": Invariant(
        "Prices are multiples of the tick, quantities of the lot, money is exact.",
        ("I-15", "NUMERIC"),
        ("libs/common/tests/test_instruments.py",),
    ),
    "I-16": Invariant(
        "Position and everything that may still fill stay within limits, always. Verify works out order value, "
        "position, balance and what a strategy sells anew, and none of the other limits.",
        ("I-16",),
        ("services/risk-gate/tests/test_core_checks.py",),
    ),
    "I-17": Invariant("Reservations = what approved orders may still fill.", ("I-17", "I-17.journal", "I-17.rows")),
    "I-18": Invariant(
        "Missing, stale or wrong input is denied with one code.",
        ("I-27.decisions",),
        ("services/risk-gate/tests/test_core_checks.py",),
    ),
    "I-19": Invariant(
        "Verified reductions pass loss limits and reducing halts; cancels always pass.",
        (),
        ("services/risk-gate/tests/test_core_decision.py",),
    ),
    "I-20": Invariant("A restart never adds capacity: limits, capital and peaks are in the ledger.", ("I-20",)),
    "I-21": Invariant("A halt holds until a resume names it; nothing is sent under it.", ("I-21", "I-21.rows")),
    "I-22": Invariant(
        "After execution acknowledged a halt nothing new leaves.",
        ("I-21", "I-22"),
        ("services/execution/tests/test_halting.py",),
    ),
    "I-23": Invariant(
        "A silent gate stops new orders, then withdraws what works.",
        (),
        ("services/execution/tests/test_halting.py",),
    ),
    "I-24": Invariant("Each session day begins once.", ("I-24",)),
    "I-25": Invariant("The venue's rate limits are kept.", (), ("services/execution/tests/test_binance_venue.py",)),
    "I-26": Invariant("Inputs repeated or read again make the same state.", ("I-29",)),
    "I-27": Invariant(
        "No effect without its record, no record without its effect: cursors move with both.",
        ("I-27.cursor", "I-27.cursors", "I-27.decisions", "I-27.journal", "I-27.rows"),
    ),
    "I-28": Invariant("Numbers count on without a gap; a journal that went back is noticed.", ("I-28",)),
    "I-29": Invariant("The same journal makes the same state, from the start or from a snapshot.", ("I-29",)),
    "I-30": Invariant("One leader at a time: an old one writes nothing.", ("I-30",)),
    "I-31": Invariant(
        "Every queue is bounded; only market data is ever dropped.",
        (),
        ("services/risk-gate/tests/test_handlers_gate.py",),
    ),
    "I-32": Invariant("What cannot be read is set aside, and crashes nobody.", ("I-32", "I-27.rows")),
    "I-33": Invariant(
        "No crossed, gapped or stale market is taken for a fresh one.",
        ("I-33",),
        ("services/market-data/tests/test_feed.py",),
    ),
    "I-34": Invariant(
        "Signals come from closed candles, each once.",
        (),
        ("services/market-data/tests/test_candles.py", "services/strategy/tests/test_runner.py"),
    ),
    "I-35": Invariant("No secret in a log, a message or a row.", (), ("tests/integration/test_run.py",)),
    "I-36": Invariant("What an operator changed was commanded before, in time, and once.", ("I-36",)),
    "I-37": Invariant(
        "Everybody writes only what is theirs.", ("I-37",), ("tests/integration/test_permission_attacks.py",)
    ),
    "I-38": Invariant("All processes run one build with one configuration.", ("I-38",)),
    "I-39": Invariant(
        "After the last fault everything catches up by itself.", ("READY",), ("tests/chaos/test_chaos.py",)
    ),
    "I-40": Invariant("Every fill leads back to its order, approval and intent.", ("I-40",)),
}
"""In the order of their numbers."""
