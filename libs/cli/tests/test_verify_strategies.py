"""What strategies decided, decided again from what they were given: the same, or the difference, or what is gone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from libs.cli.tests.verify_world import record_of

from pitwire.cli.verify.strategies_repeated import Decided, StrategyRepeater
from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.config import PitwireConfig
from pitwire.common.enums import DeliveryKind
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.deliveries import Deliveries, Delivery
from pitwire.common.schemas.orders import OrderIntent
from pitwire.common.testing.hands import CONFIG
from pitwire.common.testing.journal import BTC, STRATEGY, Journal
from pitwire.common.testing.market import MARKET_START_NS, MINUTE_NS, candle, definition
from pitwire.strategy.assembly import desks_of
from pitwire.strategy.core.outputs import Outputs
from pitwire.strategy.handlers.delivering import Deliverer

MORE_EACH_TIME = """
from decimal import Decimal
from pitwire.strategy import Target

class More:
    history = 2

    def __init__(self):
        self.seen = Decimal(0)

    def on_candle(self, candle, portfolio):
        self.seen += 1
        return Target(self.seen, "more")
"""
WARM, LIVE = 2, 3
"""Candles before the start, and after it."""


class Kept:
    def __init__(self) -> None:
        self.intents: list[OrderIntent] = []

    def put(self, outputs: Outputs) -> None:
        self.intents += [intent for intent in outputs.intents if isinstance(intent, OrderIntent)]

    def set_aside(self, record: Record, reason: str, stream: str) -> None:
        raise AssertionError(reason)


class Lived:
    """One process that was given an instrument, two old candles and three new ones, each answered by the gate."""

    def __init__(self, folder: Path) -> None:
        (folder / "more.py").write_text(MORE_EACH_TIME)
        self.folders = (folder,)
        strategy = CONFIG.strategies[STRATEGY].model_copy(update={"type": "more.py:More"})
        self.config: PitwireConfig = CONFIG.model_copy(update={"strategies": {STRATEGY: strategy}})
        self.candles = {n: self._candle(n) for n in range(1, WARM + LIVE + 1)}
        self.deliveries: list[Delivery] = []
        journal = Journal()
        journal.start()
        registry, sink = InstrumentRegistry(), Kept()
        (desk,) = desks_of(self.config, registry, self.folders)
        deliverer = Deliverer([desk], registry, sink)
        defined = Record(subjects.instrument(BTC), codec.encode(definition(BTC)), "Instrument/1")
        self._give(DeliveryKind.INSTRUMENT, 0, subject=defined.subject, data=defined.data.decode())
        deliverer.instrument(defined)
        for entry in journal.entries:
            deliverer.journal(desk, record_of(entry), 0)
        desk.go_live()
        self._give(DeliveryKind.FOLDED, 0, account="main", sequence=journal.entries[-1].sequence)
        found = [deliverer.decoded_candle(self.candles[n]) for n in range(1, WARM + 1)]
        deliverer.history([each for each in found if each is not None], self._now(WARM))
        self._give(DeliveryKind.WARMED_UP, self._now(WARM), sequence=WARM)
        for number in range(WARM + 1, WARM + LIVE + 1):
            shown = deliverer.decoded_candle(self.candles[number])
            assert shown is not None
            deliverer.candle(self.candles[number], shown, self._now(number))
            self._give(DeliveryKind.CANDLE, self._now(number), sequence=number)
            approval = journal.approve(sink.intents[-1])
            deliverer.journal(desk, record_of(journal.entries[-1]), self._now(number))
            self._give(DeliveryKind.JOURNAL, self._now(number), account="main", sequence=journal.entries[-1].sequence)
            journal.not_sent(approval)
        self.journal = {entry.sequence: record_of(entry) for entry in journal.entries}

    @staticmethod
    def _now(number: int) -> int:
        return MARKET_START_NS + (number + 1) * MINUTE_NS + 1_000_000

    @staticmethod
    def _candle(number: int) -> Record:
        data = codec.encode(candle(number, ts_recv_ns=MARKET_START_NS + (number + 1) * MINUTE_NS))
        return Record(subjects.candle(BTC, "1m"), data, "Candle/1", "t", sequence=number)

    def _give(self, kind: DeliveryKind, now_ns: int, **fields: Any) -> None:
        self.deliveries.append(Delivery(kind=kind, now_ns=now_ns, **fields))

    def again(self, messages: Sequence[Deliveries] | None = None) -> tuple[Decided, list[str]]:
        repeater = StrategyRepeater(self.config, self.folders, self.journal, self.candles)
        repeater.feed(self.messages() if messages is None else messages)
        return repeater.decided(upto=max(self.journal))[STRATEGY], repeater.incomplete

    def messages(self) -> list[Deliveries]:
        """One step a message."""
        return [
            Deliveries(slot="0", instance="a", number=number, deliveries=(each,), ts_ns=1)
            for number, each in enumerate(self.deliveries, start=1)
        ]


@pytest.fixture
def lived(tmp_path: Path) -> Lived:
    return Lived(tmp_path)


def test_what_was_given_again_is_decided_again_byte_for_byte(lived: Lived) -> None:
    found, incomplete = lived.again()
    assert (found.intents, found.same, found.differing.count, incomplete) == (LIVE, LIVE, 0, [])


def test_a_process_that_was_started_again_begins_again_with_nothing(lived: Lived) -> None:
    second = [message.model_copy(update={"instance": "b"}) for message in lived.messages()]
    found, incomplete = lived.again([*lived.messages(), *second])
    assert (found.same, incomplete) == (LIVE, [])


def test_another_price_or_another_strategy_differs_and_the_field_is_named(lived: Lived, tmp_path: Path) -> None:
    (tmp_path / "more.py").write_text(MORE_EACH_TIME.replace("+= 1", "+= 2"))
    found, _ = lived.again()
    assert (found.same, found.differing.count) == (0, LIVE)
    assert "quantity is '3', made again '6'" in found.differing.told[0]


def test_an_intent_that_no_process_makes_differs(lived: Lived) -> None:
    without_the_last = [each for each in lived.deliveries if (each.kind, each.sequence) != ("CANDLE", WARM + LIVE)]
    lived.deliveries = without_the_last
    found, _ = lived.again()
    assert (found.same, found.differing.told) == (LIVE - 1, ["intent 3 of momentum at 12: made again by no process"])


def test_what_a_killed_process_had_not_written_down_yet_is_not_repeatable(lived: Lived) -> None:
    """The last candle and its intent; another process follows."""
    whole = lived.messages()
    next_life = whole[0].model_copy(update={"instance": "b"})
    found, incomplete = lived.again([*whole[:-2], next_life])
    assert incomplete == []
    assert (found.same, found.not_repeatable, found.differing.count) == (LIVE - 1, 0, 1), (
        "a minute is more than is lost"
    )
    last = lived.deliveries[-2]
    almost = Delivery(kind=DeliveryKind.EXPIRED, account="main", now_ns=last.now_ns - 1_000_000)
    written = whole[-2].model_copy(update={"deliveries": (almost,)})
    found, _ = lived.again([*whole[:-2], written, next_life])
    assert (found.same, found.not_repeatable, found.differing.count) == (LIVE - 1, 1, 0)


@pytest.mark.parametrize("lost", ["a message", "a step", "a candle", "an old candle"])
def test_what_is_not_kept_any_more_is_told_and_differs_in_nothing(lived: Lived, lost: str) -> None:
    messages = lived.messages()
    if lost == "a message":
        del messages[-2]
    elif lost == "a step":
        messages[-2] = messages[-2].model_copy(update={"lost": 1})
    else:
        del lived.candles[WARM + LIVE if lost == "a candle" else 1]
    found, (told,) = lived.again(messages)
    assert told.startswith("process 0.a: ")
    assert found.differing.count == 0
    assert found.same + found.not_repeatable == LIVE
    assert found.not_repeatable >= 1


def test_an_intent_of_an_operator_is_no_strategys(lived: Lived) -> None:
    sequence, record = next((s, r) for s, r in lived.journal.items() if r.schema == "RiskDecision/1")
    raw = record.data.replace(subjects.candle(BTC, "1m").encode(), subjects.COMMAND.encode())
    lived.journal[sequence] = replace(record, data=raw)
    found, _ = lived.again()
    assert found.intents == LIVE - 1
