"""A bad strategy is stopped alone: exceptions, nonsense, floods; with the reason, and never asked again."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import OrderType, Side
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.market import Candle, Quote
from pitwire.common.testing.journal import BTC, START_NS, STRATEGY, Journal
from pitwire.common.testing.market import candle, definition, quote
from pitwire.strategy import Hold, Order, Portfolio, Target
from pitwire.strategy.core.making import Spec
from pitwire.strategy.core.outputs import Cause
from pitwire.strategy.core.runner import DECISIONS_MAX, Runner

Answers = Callable[[Any, Portfolio], Any]
NOW = Cause(START_NS)


class Scripted:
    """Answers with what the test says; counts how often it was asked."""

    def __init__(self, answer: Answers) -> None:
        self.answer = answer
        self.asked = 0

    def on_candle(self, candle: Candle, portfolio: Portfolio) -> Any:
        self.asked += 1
        return self.answer(candle, portfolio)

    def on_quote(self, quote: Quote, portfolio: Portfolio) -> Any:
        self.asked += 1
        return self.answer(quote, portfolio)


def runner(strategy: object) -> Runner:
    journal = Journal()
    journal.start()
    spec = Spec(STRATEGY, "main", Decimal(10_000), (BTC,), "1m", ttl_ns=2_000_000_000)
    return Runner(spec, strategy, journal.state, InstrumentRegistry((definition(BTC),)))


def fresh(minute: int) -> Candle:
    return candle(minute, ts_recv_ns=START_NS)


def nonsense(kind: str) -> Answers:
    def answer(_: Any, portfolio: Portfolio) -> Any:
        match kind:
            case "raises":
                raise ZeroDivisionError("division by zero")
            case "floats":
                return Target(0.5, "float")  # type: ignore[arg-type] # what a careless author writes
            case "strings":
                return "BUY"
            case "floods":
                return (Target(Decimal(n), "n") for n in range(DECISIONS_MAX + 1))
            case "forever":
                return iter(lambda: Hold("again"), None)
            case "nan":
                return Target(Decimal("NaN"), "nan")
            case _:
                return Order(Side.BUY, Decimal(1), "no price", order_type=OrderType.LIMIT)

    return answer


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("raises", "on_candle raised ZeroDivisionError: division by zero"),
        ("floats", "Target cannot be made: TypeError: conversion from float to Decimal is not supported"),
        ("strings", "on_candle raised TypeError: answered str, expected Hold, Target, Order or Cancel"),
        ("floods", f"on_candle raised ValueError: more than {DECISIONS_MAX} decisions on one event"),
        ("forever", f"on_candle raised ValueError: more than {DECISIONS_MAX} decisions on one event"),
        ("nan", "Target cannot be made: InvalidOperation"),
        ("limit without price", "Order cannot be made: ValidationError"),
    ],
)
def test_a_strategy_that_fails_is_quarantined_with_the_reason_and_asked_no_more(kind: str, reason: str) -> None:
    """S-52: every strategy error was swallowed at debug level. F-30."""
    strategy = Scripted(nonsense(kind))
    run = runner(strategy)
    outputs = run.on_candle(fresh(0), NOW)
    assert outputs.intents == []
    assert [alarm.code for alarm in outputs.alarms] == ["STRATEGY_QUARANTINED"]
    assert reason in run.quarantined
    run.on_candle(fresh(1), NOW)
    run.on_tick(quote("99", "101", ts_recv_ns=START_NS), NOW)
    assert strategy.asked == 1


def test_an_order_storm_ends_at_the_number_of_undecided_intents() -> None:
    """F-30."""
    storm = [Order(Side.BUY, Decimal(1), "storm")] * DECISIONS_MAX
    run = runner(Scripted(lambda _event, _portfolio: storm))
    made = [intent for n in range(10) for intent in run.on_candle(fresh(n), NOW).intents]
    assert len(made) == 64
    assert run.on_candle(fresh(11), NOW).traces[0].reason.endswith("64 intents wait for the gate's answer")
