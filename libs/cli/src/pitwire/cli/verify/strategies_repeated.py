"""What strategies decided, decided again: the same code, given what its process was given, in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from pitwire.cli.verify.check import Findings
from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.config import PitwireConfig
from pitwire.common.enums import DeliveryKind
from pitwire.common.errors import DecodeError
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.deliveries import Deliveries, Delivery
from pitwire.common.schemas.ledger import RiskDecision
from pitwire.common.units import NS_PER_S
from pitwire.strategy.assembly import desks_of
from pitwire.strategy.core.desk import Desk
from pitwire.strategy.core.intents import Intent
from pitwire.strategy.core.outputs import Outputs
from pitwire.strategy.handlers.delivering import Deliverer

Number = tuple[str, str, int]
"""Account, strategy, intent number."""

UNKEPT_NS: Final = NS_PER_S
"""A killed process had so much, at most, in its hands that it had not written down."""


@dataclass(slots=True)
class Decided:
    """Intents of one strategy that the journal holds, and what the replay says of them."""

    intents: int = 0
    same: int = 0
    not_repeatable: int = 0
    differing: Findings = field(default_factory=Findings)


class _Missing(Exception):
    """A record that was delivered is not kept any more."""


class _Made:
    """Takes what the strategies answer."""

    def __init__(self) -> None:
        self.intents: dict[Number, list[bytes]] = {}

    def put(self, outputs: Outputs) -> None:
        for intent in outputs.intents:
            self.intents.setdefault(_number(intent), []).append(codec.encode(intent))

    def set_aside(self, record: Record, reason: str, stream: str) -> None:
        """The live process has told it already."""


class StrategyRepeater:
    """Give it the deliveries of every process in order, then ask for what was decided.

    `journal` and `candles` hold the records of both streams by their sequence. Strategies are those that `config` names
    now, from files as they are now: what was changed since decides otherwise.
    """

    def __init__(
        self,
        config: PitwireConfig,
        folders: tuple[Path, ...],
        journal: Mapping[int, Record],
        candles: Mapping[int, Record],
    ) -> None:
        self._config = config
        self._folders = folders
        self._journal = journal
        self._candles = candles
        self._made = _Made()
        self.incomplete: list[str] = []
        """Processes whose deliveries are not all kept, and why."""

        self._ends: list[int] = []
        """When processes that others followed were given something for the last time, as far as they wrote it down."""

    def feed(self, messages: Iterable[Deliveries]) -> None:
        """Each process anew, with strategies that know nothing."""
        processes: dict[tuple[str, str], list[Deliveries]] = {}
        for message in messages:
            processes.setdefault((message.slot, message.instance), []).append(message)
        last_of = dict(processes.keys())
        for (slot, instance), batches in processes.items():
            if last_of[slot] != instance:
                self._ends.append(_end_of(batches))
            try:
                _Process(self).run(_whole(batches))
            except _Missing as gap:
                self.incomplete.append(f"process {slot}.{instance}: {gap}")

    def decided(self, *, upto: int) -> dict[str, Decided]:
        """By strategy: every intent that the gate has decided up to there, against what was made again."""
        found = {name: Decided() for name in self._config.strategies}
        for sequence, intent in _intents_of(self._journal):
            strategy = found.get(intent.strategy)
            if strategy is None or sequence > upto:
                continue
            strategy.intents += 1
            made = self._made.intents.get(_number(intent), [])
            place = f"intent {intent.intent_no} of {intent.strategy} at {sequence}"
            if codec.encode(intent) in made:
                strategy.same += 1
            elif made:
                strategy.differing.add(f"{place}: {_difference(intent, made[-1])}")
            elif self.incomplete or any(0 <= intent.ts_ns - end <= UNKEPT_NS for end in self._ends):
                strategy.not_repeatable += 1
            else:
                strategy.differing.add(f"{place}: made again by no process")
        return found

    def desks(self, registry: InstrumentRegistry) -> list[Desk]:
        return desks_of(self._config, registry, self._folders)

    def record(self, kind: DeliveryKind, sequence: int) -> Record:
        """What was delivered; `_Missing` where its stream has dropped it."""
        kept = self._journal if kind is DeliveryKind.JOURNAL else self._candles
        if sequence not in kept:
            raise _Missing(f"{kind} {sequence} is not kept any more")
        return kept[sequence]

    def folded(self, account: str, upto: int) -> Iterable[Record]:
        """Records of the journal that decide the account, up to and with `upto`."""
        wanted = set(subjects.oms_of(account)) - {subjects.HALTS}
        for sequence, record in self._journal.items():
            if sequence <= upto and (record.subject in wanted or subjects.tokens(subjects.HALT, record.subject)):
                yield record

    def history(self, after: int, upto: int) -> list[Record]:
        """Candles that strategies were warmed up with."""
        missing = next((sequence for sequence in range(after + 1, upto + 1) if sequence not in self._candles), None)
        if missing is not None:
            raise _Missing(f"candle {missing} of a warm-up is not kept any more")
        wanted = {
            subjects.candle(instrument, each.interval)
            for each in self._config.strategies.values()
            for instrument in each.instruments
        }
        found = (self._candles[sequence] for sequence in range(after + 1, upto + 1))
        return [record for record in found if record.subject in wanted]

    @property
    def made(self) -> _Made:
        return self._made


class _Process:
    """One life of a strategy process, lived again."""

    def __init__(self, repeater: StrategyRepeater) -> None:
        self._from = repeater
        registry = InstrumentRegistry()
        desks = repeater.desks(registry)
        self._desks = {desk.state.account: desk for desk in desks}
        self._deliverer = Deliverer(desks, registry, repeater.made)

    def run(self, deliveries: Iterable[Delivery]) -> None:
        for each in deliveries:
            self._again(each)

    def _again(self, each: Delivery) -> None:
        match each.kind:
            case DeliveryKind.FOLDED:
                desk = self._desks[each.account]
                for record in self._from.folded(each.account, each.sequence):
                    self._deliverer.journal(desk, record, each.now_ns)
                desk.go_live()
            case DeliveryKind.WARMED_UP:
                records = self._from.history(each.after, each.sequence)
                found = [self._deliverer.decoded_candle(record) for record in records]
                self._deliverer.history([candle for candle in found if candle is not None], each.now_ns)
            case DeliveryKind.JOURNAL:
                record = self._from.record(each.kind, each.sequence)
                self._deliverer.journal(self._desks[each.account], record, each.now_ns)
            case DeliveryKind.CANDLE:
                record = self._from.record(each.kind, each.sequence)
                candle = self._deliverer.decoded_candle(record)
                if candle is not None:
                    self._deliverer.candle(record, candle, each.now_ns)
            case DeliveryKind.TICK:
                self._deliverer.tick(_whole_record(each), each.now_ns)
            case DeliveryKind.INSTRUMENT:
                self._deliverer.instrument(_whole_record(each))
            case DeliveryKind.EXPIRED:
                self._deliverer.wall_time(self._desks[each.account], each.now_ns)


def _whole(batches: Sequence[Deliveries]) -> Iterable[Delivery]:
    """The deliveries of one process; `_Missing` at the first that is not there."""
    for number, batch in enumerate(batches, start=1):
        if batch.number != number:
            raise _Missing(f"deliveries {number} are not kept any more")
        if batch.lost:
            raise _Missing(f"{batch.lost} deliveries found no room")
        yield from batch.deliveries


def _end_of(batches: Sequence[Deliveries]) -> int:
    return max((each.now_ns for batch in batches for each in batch.deliveries), default=0)


def _whole_record(each: Delivery) -> Record:
    return Record(each.subject, each.data.encode(), each.schema_header or None, each.trace)


def _number(intent: Intent) -> Number:
    return intent.account, intent.strategy, intent.intent_no


def _intents_of(journal: Mapping[int, Record]) -> Iterable[tuple[int, Intent]]:
    """What strategies asked for and the gate decided, operators' intents aside."""
    for sequence, record in journal.items():
        if record.schema != RiskDecision.schema_name():
            continue
        try:
            decision = codec.decode(RiskDecision, record.data, subject=record.subject)
        except DecodeError:
            continue
        for verdict in decision.verdicts:
            if verdict.intent is not None and verdict.intent.basis.subject != subjects.COMMAND:
                yield sequence, verdict.intent


def _difference(recorded: Intent, made: bytes) -> str:
    """The first field that differs."""
    one, other = recorded.model_dump(mode="json"), orjson.loads(made)
    name = next((name for name in {**one, **other} if one.get(name) != other.get(name)), "")
    return f"{name} is {one.get(name)!r}, made again {other.get(name)!r}"
