"""The pages of alerts, types and indicators say all there is."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pitwire.cli.reference.alerts_page import ALERTS, BREACHES, alerts_page
from pitwire.cli.reference.indicators_page import indicators_page
from pitwire.cli.reference.types_page import TYPES, types_page
from pitwire.cli.reference.vocabulary import ORDER_STATUSES, ORDER_TYPES, TIMES_IN_FORCE, VENUE_ERRORS
from pitwire.common import enums, indicators
from pitwire.common.enums import OrderStatus, OrderType, TimeInForce
from pitwire.execution.adapters.binance.errors import CLASS_OF_CODE, ErrorClass
from pitwire.persistence.handlers.watch import JournalLost, StreamBehind
from pitwire.risk_gate.core.journal_watch import Trouble

ROOT = Path(__file__).parents[4]
RAISERS = {"alert", "_alert", "Alarm", "Notice"}
SAID_LATER = {"WRONG_PARTITION"} | {trouble.value for trouble in Trouble} | {JournalLost.code, StreamBehind.code}
"""Codes that reach the alert by a name."""


def codes_in_sources() -> Iterator[str]:
    """The literal code of every alert that is raised."""
    for path in (path for folder in ("libs", "services") for path in (ROOT / folder).glob("*/src/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in RAISERS:
                texts = [part.value for part in node.args if isinstance(part, ast.Constant)]
                yield from (text for text in texts if isinstance(text, str) and text.isupper())


def test_every_alert_that_is_raised_has_its_meaning_and_no_other_has() -> None:
    found = set(codes_in_sources())
    assert len(found) > 25
    assert set(ALERTS) == found | SAID_LATER | {code.value for code in BREACHES}
    assert all(f"| `{code}` |" in alerts_page() for code in ALERTS)


def test_every_word_of_the_wire_is_explained() -> None:
    assert set(ORDER_TYPES) == set(OrderType)
    assert set(ORDER_STATUSES) == set(OrderStatus)
    assert set(TIMES_IN_FORCE) == set(TimeInForce)
    assert set(VENUE_ERRORS) == set(ErrorClass)
    page = types_page()
    classes: list[Any] = [kind for _, kind in inspect.getmembers(enums, inspect.isclass)]
    kinds = [kind for kind in classes if kind.__module__ == enums.__name__]
    apart = {enums.DenialCode, enums.NotSentReason}
    assert all(f"`{member.value}`" in page for kind in kinds if kind not in apart for member in kind)
    assert all(f"{code}" in page for code in CLASS_OF_CODE)
    assert all(f"### {kind.__name__}" in page for kind in TYPES)
    assert "| `is_bullish` |" in page
    assert "| `apply_fill(fill)` |" in page


def test_every_indicator_stands_with_its_parameters() -> None:
    page = indicators_page()
    assert all(f"`{name}" in page for name in indicators.__all__)
    assert "| `Bollinger(length, deviations=2.0)` | `value` | `Bands` |" in page
    assert "| `Vwap(length=None)` | `high`, `low`, `close`, `volume` | `float` |" in page
