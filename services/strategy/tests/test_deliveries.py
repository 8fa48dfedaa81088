"""What strategies are given is written down in order, in batches; trading never waits for it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryBus
from pitwire.common.bus.port import Record
from pitwire.common.enums import DeliveryKind
from pitwire.common.errors import AppendRefused
from pitwire.common.schemas.deliveries import DATA_MAX, Deliveries
from pitwire.common.testing import FakeShell
from pitwire.common.topology import DELIVERED, NatsAccount
from pitwire.strategy.handlers import delivery_log
from pitwire.strategy.handlers.delivery_log import BATCH_CHARACTERS_MAX, BATCH_MAX, DeliveryLog


@pytest.fixture
def shell() -> FakeShell:
    made = FakeShell()
    made.bus = MemoryBus(made.server, NatsAccount.STRAT)
    return made


def kept(shell: FakeShell) -> list[Deliveries]:
    records = shell.server.log_of(DELIVERED.name).records
    return [codec.decode(Deliveries, record.data, subject=record.subject) for record in records]


def log_of(shell: FakeShell) -> DeliveryLog:
    return DeliveryLog(shell, slot="0", instance="a")


async def test_steps_are_kept_in_order_and_numbered_by_batch(shell: FakeShell) -> None:
    log = log_of(shell)
    for number in range(1, BATCH_MAX + 3):
        log.note(DeliveryKind.CANDLE, number, sequence=number)
    await log.flush()
    log.note(DeliveryKind.JOURNAL, 9, account="main", sequence=7)
    await log.flush()
    batches = kept(shell)
    assert [(each.number, len(each.deliveries)) for each in batches] == [(1, BATCH_MAX), (2, 2), (3, 1)]
    sequences = [each.sequence for batch in batches for each in batch.deliveries]
    assert sequences == [*range(1, BATCH_MAX + 3), 7]


async def test_what_no_stream_keeps_is_kept_whole_and_fits_the_bus(shell: FakeShell) -> None:
    log = log_of(shell)
    quote = Record(
        subjects.quote("BTC-USDT.sim"), b'{"a":"' + b'\\"' * (BATCH_CHARACTERS_MAX // 4) + b'"}', "Quote/1", "t"
    )
    for number in range(4):
        log.note_whole(DeliveryKind.TICK, number, quote)
    await log.flush()
    ticks = [each for batch in kept(shell) for each in batch.deliveries]
    assert [(each.subject, each.schema_header, each.trace, each.data.encode()) for each in ticks] == [
        (quote.subject, "Quote/1", "t", quote.data)
    ] * 4


async def test_a_bus_that_is_away_costs_nothing_but_time(shell: FakeShell) -> None:
    log = log_of(shell)
    log.note(DeliveryKind.CANDLE, 1, sequence=1)
    shell.bus.disconnect()
    await log.flush()
    log.note(DeliveryKind.CANDLE, 2, sequence=2)
    shell.bus.reconnect()
    shell.bus.lose_answers = 1
    await log.flush()
    log.note(DeliveryKind.CANDLE, 3, sequence=3)
    await log.flush()
    assert [each.sequence for batch in kept(shell) for each in batch.deliveries] == [1, 2, 3]
    assert [batch.number for batch in kept(shell)] == [1, 2]


async def test_what_is_lost_while_a_batch_is_on_its_way_is_told_with_the_next_and_flushes_take_turns(
    shell: FakeShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, append = log_of(shell), shell.bus.append
    monkeypatch.setattr(delivery_log, "WAITING_MAX", 1)

    async def slow(*words: Any, **fields: Any) -> int:
        for number in range(2):
            log.note(DeliveryKind.CANDLE, number, sequence=8 + number)
        await asyncio.sleep(0)
        monkeypatch.setattr(shell.bus, "append", append)
        return await append(*words, **fields)

    monkeypatch.setattr(shell.bus, "append", slow)
    log.note(DeliveryKind.CANDLE, 1, sequence=7)
    await asyncio.gather(log.flush(), log.flush())
    assert [(batch.number, batch.lost, [each.sequence for each in batch.deliveries]) for batch in kept(shell)] == [
        (1, 0, [7]),
        (2, 1, [8]),
    ]


async def test_steps_without_room_are_counted_in_what_comes_next(
    shell: FakeShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_log, "WAITING_MAX", 2)
    log = log_of(shell)
    for number in range(5):
        log.note(DeliveryKind.CANDLE, number, sequence=number)
    log.note_whole(DeliveryKind.TICK, 6, Record("md.sim.BTC-USDT.book", b"x" * (DATA_MAX + 1)))
    await log.flush()
    log.note(DeliveryKind.CANDLE, 7, sequence=7)
    await log.flush()
    assert [(batch.lost, len(batch.deliveries)) for batch in kept(shell)] == [(4, 2), (0, 1)]


async def test_a_server_without_the_stream_is_told_of_once(shell: FakeShell, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(*_: Any, **__: Any) -> int:
        raise AppendRefused("no stream takes this subject")

    monkeypatch.setattr(shell.bus, "append", refused)
    log = log_of(shell)
    log.note(DeliveryKind.CANDLE, 1, sequence=1)
    await log.flush()
    await log.flush()
    assert [code for _, code, _ in shell.alerts] == ["DELIVERIES_NOT_KEPT"]
