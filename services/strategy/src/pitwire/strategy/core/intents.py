"""Numbers of intents without a gap, and those the gate has not answered yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from pitwire.common import money
from pitwire.common.enums import Side
from pitwire.common.money import ZERO
from pitwire.common.schemas.ledger import Denied, Verdict
from pitwire.common.schemas.orders import CancelIntent, OrderIntent
from pitwire.common.units import NS_PER_S

UNDECIDED_MAX: Final = 64
"""Intents of one strategy without an answer; more are not made."""

EXPIRED_GRACE_NS: Final = 3 * NS_PER_S
"""So long after its validity an intent still counts as on its way: the gate's answer may be late, its approval not."""

Intent = OrderIntent | CancelIntent


@dataclass(frozen=True, slots=True)
class Answered:
    """What one verdict means here: the own intent it answers, and own intents whose numbers others took."""

    intent: Intent | None
    overtaken: tuple[Intent, ...] = ()


class IntentBook:
    """The next number is one above the ledger's last answer and everything still undecided.

    So numbers have no gap; where another process of this strategy took one, the ledger's answer shows it, and the own
    intent, which the gate will drop as a repetition, is given back to be made anew.
    """

    __slots__ = ("_answered", "_undecided")

    def __init__(self) -> None:
        self._undecided: dict[int, Intent] = {}
        self._answered = 0

    @property
    def undecided(self) -> Sequence[Intent]:
        return tuple(self._undecided.values())

    @property
    def is_full(self) -> bool:
        return len(self._undecided) >= UNDECIDED_MAX

    def next_no(self) -> int:
        return max(self._answered, *self._undecided) + 1 if self._undecided else self._answered + 1

    def add(self, intent: Intent) -> None:
        self._undecided[intent.intent_no] = intent

    def start_after(self, intent_no: int) -> None:
        """The ledger has answers up to `intent_no`."""
        self._answered = max(self._answered, intent_no)

    def on_verdict(self, verdict: Verdict) -> Answered:
        """Takes one answer of the ledger to this strategy."""
        number = verdict.intent_no if isinstance(verdict, Denied) else verdict.intent.intent_no
        self._answered = max(self._answered, number)
        mine = self._undecided.get(number)
        if mine is not None and verdict.intent == mine:
            del self._undecided[number]
        else:
            mine = None
        overtaken = tuple(intent for no, intent in self._undecided.items() if no <= self._answered)
        for intent in overtaken:
            del self._undecided[intent.intent_no]
        return Answered(mine, overtaken)

    def expire(self, now_ns: int) -> tuple[Intent, ...]:
        """Gives up the oldest ones that nobody answered in time; their numbers are used again where they were last."""
        gone: list[Intent] = []
        while self._undecided:
            oldest = next(iter(self._undecided.values()))
            if now_ns < oldest.valid_until_ns + EXPIRED_GRACE_NS:
                break
            gone.append(self._undecided.pop(oldest.intent_no))
        return tuple(gone)

    def holds_order_on(self, instrument_id: str) -> bool:
        """Whether an order on it waits for its answer."""
        if not self._undecided:
            return False
        waiting = self._undecided.values()
        return any(isinstance(intent, OrderIntent) and intent.instrument_id == instrument_id for intent in waiting)

    def open_quantity(self, instrument_id: str, side: Side) -> Decimal:
        """Sum over undecided orders."""
        found = ZERO
        for intent in self._undecided.values():
            if isinstance(intent, OrderIntent) and (intent.instrument_id, intent.side) == (instrument_id, side):
                found = money.total(found, intent.quantity)
        return found
