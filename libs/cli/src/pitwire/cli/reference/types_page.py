"""The words of the wire with every value, the life of an order, and what can be asked of the domain's types."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from pitwire.cli.reference import markdown as md
from pitwire.cli.reference.vocabulary import ORDER_STATUSES, ORDER_TYPES, TIMES_IN_FORCE, VENUE_ERRORS
from pitwire.common import enums
from pitwire.common.accounting import Statement
from pitwire.common.fills import Fill
from pitwire.common.order_book import OrderBook
from pitwire.common.order_state import OrderState
from pitwire.common.order_transitions import TRANSITIONS, Step
from pitwire.common.positions import Position
from pitwire.common.schemas.market import BookLevel, Candle, Instrument, Quote, Trade
from pitwire.execution.adapters.binance.errors import CLASS_OF_CODE, ErrorClass

W = TypeVar("W", bound=StrEnum)
TYPES: Final = (Instrument, Candle, Quote, Trade, BookLevel, OrderBook, OrderState, Fill, Position, Statement)
TOLD_APART: Final = (enums.OrderType, enums.OrderStatus, enums.TimeInForce, enums.DenialCode, enums.NotSentReason)
"""Words with a table or page of their own."""


def types_page() -> str:
    """Vocabularies, statuses with their transitions, types with their questions, a venue's refusals."""
    words = [
        [md.code(kind.__name__), _text(kind), md.codes(member.value for member in kind)]
        for kind in _vocabularies()
        if kind not in TOLD_APART
    ]
    return md.page(
        "Types",
        "`pitwire.common.enums`, `pitwire.common.order_transitions` and the domain's classes",
        "Messages, field by field: [messages.md](messages.md). Codes of denials: [denial-codes.md](denial-codes.md).",
        "## Order types",
        _meanings("type", ORDER_TYPES),
        "## Time in force",
        _meanings("value", TIMES_IN_FORCE),
        "## Order statuses",
        _meanings("status", ORDER_STATUSES),
        "What may follow: `=` leaves it, an empty place changes nothing and is flagged as `ILLEGAL_TRANSITION`.",
        _transitions(),
        "## Other words of the wire",
        md.table(["word", "meaning", "values"], words),
        "## What can be asked of a type",
        *(f"### {kind.__name__}\n\n{_text(kind)}\n\n{_questions(kind)}" for kind in TYPES),
        "## What a venue's refusal means",
        "The classes of `pitwire.execution.adapters.binance.errors`. After one that leaves the order in doubt, the "
        "venue is asked for the order; it is never sent again.",
        _venue_errors(),
    )


def _meanings(head: str, meanings: Mapping[W, str]) -> str:
    return md.table([head, "meaning"], [[md.code(member.value), text] for member, text in meanings.items()])


def _transitions() -> str:
    rows = [
        [md.code(status.value), *("=" if row.get(step) is status else (row.get(step) or "") for step in Step)]
        for status, row in TRANSITIONS.items()
    ]
    return md.table(["status", *(step.value for step in Step)], rows)


def _vocabularies() -> Iterator[type[StrEnum]]:
    for _, kind in inspect.getmembers(enums, inspect.isclass):
        if issubclass(kind, StrEnum) and kind is not StrEnum:
            yield kind


def _questions(kind: type) -> str:
    """Every public property and method that a class defines itself, with the first sentence about it."""
    rows: list[list[str]] = []
    for name, member in vars(kind).items():
        found = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if name.startswith(("_", "model_")) or not inspect.isfunction(found):
            continue
        called = name if isinstance(member, property) else f"{name}({_parameters(found)})"
        rows.append([md.code(called), " ".join((found.__doc__ or "").split())])
    return md.table(["question", "answer"], rows) if rows else "Nothing but its fields."


def _parameters(function: object) -> str:
    signature = inspect.signature(function)  # type: ignore[arg-type] # checked by its only caller
    return ", ".join(name for name in signature.parameters if name not in {"self", "cls"})


def _venue_errors() -> str:
    codes: dict[ErrorClass, list[int]] = {kind: [] for kind in ErrorClass}
    for code, kind in CLASS_OF_CODE.items():
        codes[kind].append(code)
    rows = [
        [
            md.code(kind.value),
            VENUE_ERRORS[kind],
            "yes" if kind.leaves_order_in_doubt else "",
            " ".join(str(code) for code in sorted(codes[kind], reverse=True)),
        ]
        for kind in ErrorClass
    ]
    return md.table(["class", "meaning", "order in doubt", "codes"], rows)


def _text(kind: type) -> str:
    return " ".join((kind.__doc__ or "").split())
