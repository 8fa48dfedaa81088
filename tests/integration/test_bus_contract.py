"""What every service relies on, the same on the bus in memory and on a real nats-server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest
from tests.integration.bus_world import ACCOUNT, World

from pitwire.common import subjects
from pitwire.common.bus.port import Bus, Record
from pitwire.common.errors import AppendRefused, LostRace
from pitwire.common.topology import INTENTS_PER_STRATEGY_MAX

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]

LEDGER = subjects.ledger(ACCOUNT)
INTENT = subjects.intent(ACCOUNT, "momentum")
QUOTE = subjects.quote("BTC-USDT.sim")
CANDLE = subjects.candle("BTC-USDT.sim", "1m")
WAIT_S = 5.0


async def read_until_caught_up(bus: Bus, stream: str, filters: tuple[str, ...], after: int = 0) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(WAIT_S):
        async for batch in bus.read(stream, filters, after=after):
            if not batch:
                return found
            found += batch
    raise AssertionError("the reader ended")


async def read_count(bus: Bus, stream: str, filters: tuple[str, ...], count: int, after: int = 0) -> list[Record]:
    found: list[Record] = []
    async with asyncio.timeout(WAIT_S):
        async for batch in bus.read(stream, filters, after=after):
            found += batch
            if len(found) >= count:
                return found
    raise AssertionError("the reader ended")


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not await holds():
            await asyncio.sleep(0.01)


async def append_many(bus: Bus, count: int, subject: str = LEDGER) -> list[int]:
    return [await bus.append(subject, f"r{n}".encode()) for n in range(count)]


async def append_at_once(bus: Bus, subject: str, count: int) -> None:
    """Many appends on their way at the same time, so many that a busy machine still answers each."""
    semaphore = asyncio.Semaphore(100)

    async def one(n: int) -> None:
        async with semaphore:
            await bus.append(subject, str(n).encode())

    await asyncio.gather(*(one(n) for n in range(count)))


async def test_appended_records_are_numbered_from_one(world: World) -> None:
    bus = await world.connect("risk-gate")
    assert await append_many(bus, 3) == [1, 2, 3]


@pytest.mark.parametrize("size", [0, 1, 1_000, 200_000])
async def test_a_record_comes_back_byte_for_byte(world: World, size: int) -> None:
    bus = await world.connect("risk-gate")
    data = bytes(n % 256 for n in range(size))
    await bus.append(LEDGER, data)
    assert [r.data for r in await read_until_caught_up(bus, "OMS", (LEDGER,))] == [data]


async def test_schema_and_trace_travel_with_the_record(world: World) -> None:
    bus = await world.connect("risk-gate")
    await bus.append(LEDGER, b"{}", {"Schema": "RiskDecision/1", "traceparent": "00-a-b-01"})
    (record,) = await read_until_caught_up(bus, "OMS", (LEDGER,))
    assert (record.schema, record.trace, record.subject, record.sequence) == ("RiskDecision/1", "00-a-b-01", LEDGER, 1)


async def test_a_record_without_headers_has_neither_schema_nor_trace(world: World) -> None:
    bus = await world.connect("risk-gate")
    await bus.append(LEDGER, b"{}")
    (record,) = await read_until_caught_up(bus, "OMS", (LEDGER,))
    assert (record.schema, record.trace) == (None, "")


@pytest.mark.parametrize("earlier", [0, 1, 5])
async def test_the_right_expectation_is_stored(world: World, earlier: int) -> None:
    bus = await world.connect("risk-gate")
    last = (await append_many(bus, earlier) or [0])[-1]
    assert await bus.append(LEDGER, b"next", expected_last=last) == earlier + 1


@pytest.mark.parametrize(("earlier", "expected"), [(0, 1), (1, 0), (3, 2), (3, 4), (3, 999)])
async def test_a_wrong_expectation_loses_and_stores_nothing(world: World, earlier: int, expected: int) -> None:
    bus = await world.connect("risk-gate")
    await append_many(bus, earlier)
    with pytest.raises(LostRace):
        await bus.append(LEDGER, b"late", expected_last=expected)
    assert (await bus.state("OMS")).last_sequence == earlier


async def test_expectations_count_per_subject(world: World) -> None:
    gate, execution = await world.connect("risk-gate"), await world.connect("execution")
    first = await gate.append(LEDGER, b"a", expected_last=0)
    await execution.append(subjects.exec_events(ACCOUNT), b"b", expected_last=0)
    assert await gate.append(LEDGER, b"c", expected_last=first) == 3


@pytest.mark.parametrize("writers", [2, 5, 20])
async def test_of_many_equal_expectations_exactly_one_wins(world: World, writers: int) -> None:
    buses = [await world.connect("risk-gate") for _ in range(writers)]
    results = await asyncio.gather(
        *(bus.append(LEDGER, b"x", expected_last=0) for bus in buses), return_exceptions=True
    )
    assert sorted(type(r).__name__ for r in results) == sorted(["int"] + ["LostRace"] * (writers - 1))


async def test_a_chain_of_expectations_never_breaks_with_two_writers(world: World) -> None:
    buses = [await world.connect("risk-gate") for _ in range(2)]

    async def work(bus: Bus) -> int:
        won = 0
        for _ in range(60):
            newest = await bus.last("OMS", LEDGER)
            try:
                await bus.append(LEDGER, b"x", expected_last=newest.sequence if newest else 0)
                won += 1
            except LostRace:
                continue
        return won

    won = sum(await asyncio.gather(*(work(bus) for bus in buses)))
    assert (await buses[0].state("OMS")).last_sequence == won


async def test_the_same_message_id_is_stored_once(world: World) -> None:
    bus = await world.connect("risk-gate")
    first = await bus.append(LEDGER, b"x", message_id="one")
    assert await bus.append(LEDGER, b"x", message_id="one") == first
    assert (await bus.state("OMS")).last_sequence == 1


async def test_a_retry_with_the_same_id_and_a_stale_expectation_is_never_stored_twice(world: World) -> None:
    """One node answers "wrong sequence", a cluster "duplicate": whoever reads back needs neither."""
    bus = await world.connect("risk-gate")
    await bus.append(LEDGER, b"x", message_id="one", expected_last=0)
    with contextlib.suppress(LostRace):
        assert await bus.append(LEDGER, b"x", message_id="one", expected_last=0) == 1
    assert (await bus.state("OMS")).last_sequence == 1


async def test_a_subject_without_stream_is_refused(world: World) -> None:
    bus = await world.connect("market-data")
    with pytest.raises(AppendRefused, match="no stream"):
        await bus.append(QUOTE, b"x")


async def test_a_strategy_that_floods_is_refused_and_others_are_not(world: World) -> None:
    bus = await world.connect("strategy")
    await append_at_once(bus, INTENT, INTENTS_PER_STRATEGY_MAX)
    with pytest.raises(AppendRefused, match="per subject"):
        await bus.append(INTENT, b"one too many")
    await bus.append(subjects.intent(ACCOUNT, "mean_reversion"), b"fine")


@pytest.mark.parametrize("count", [0, 1, 2, 511, 512, 513, 1500])
async def test_a_reader_gets_everything_in_order_then_hears_that_it_caught_up(world: World, count: int) -> None:
    bus = await world.connect("market-data")
    await append_at_once(bus, CANDLE, count)
    found = await read_until_caught_up(bus, "CANDLES", (CANDLE,))
    assert [r.sequence for r in found] == list(range(1, count + 1))


@pytest.mark.parametrize("after", [0, 1, 7, 9, 10])
async def test_a_reader_starts_after_its_cursor(world: World, after: int) -> None:
    bus = await world.connect("risk-gate")
    await append_many(bus, 10)
    found = await read_until_caught_up(bus, "OMS", (LEDGER,), after)
    assert [r.sequence for r in found] == list(range(after + 1, 11))


async def test_a_cursor_beyond_the_end_waits_for_the_next(world: World) -> None:
    bus = await world.connect("risk-gate")
    await append_many(bus, 2)
    task = asyncio.create_task(read_count(bus, "OMS", (LEDGER,), 1, after=2))
    await asyncio.sleep(0.05)
    await bus.append(LEDGER, b"new")
    assert [r.sequence for r in await task] == [3]


async def test_a_reader_sees_records_appended_while_it_reads(world: World) -> None:
    bus = await world.connect("risk-gate")
    task = asyncio.create_task(read_count(bus, "OMS", (LEDGER,), 50))
    await append_many(bus, 50)
    assert [r.sequence for r in await task] == list(range(1, 51))


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (("oms.>",), [1, 2, 3, 4]),
        ((LEDGER,), [1, 3]),
        ((subjects.exec_events(ACCOUNT),), [2]),
        ((LEDGER, subjects.exec_events(ACCOUNT)), [1, 2, 3]),
        (("oms.*.risk.*",), [1, 3]),
        ((subjects.HALTS,), [4]),
        ((subjects.RESUME,), []),
        (subjects.oms_of(ACCOUNT), [1, 2, 3, 4]),
        (subjects.oms_of("other"), [4]),
    ],
)
async def test_filters_choose_and_keep_the_order(world: World, filters: tuple[str, ...], expected: list[int]) -> None:
    gate, execution = await world.connect("risk-gate"), await world.connect("execution")
    await gate.append(LEDGER, b"1")
    await execution.append(subjects.exec_events(ACCOUNT), b"2")
    await gate.append(LEDGER, b"3")
    await gate.append(subjects.halt("risk-gate"), b"4")
    assert [r.sequence for r in await read_until_caught_up(gate, "OMS", filters)] == expected


@pytest.mark.parametrize("readers", [2, 8])
async def test_every_reader_gets_every_record(world: World, readers: int) -> None:
    bus = await world.connect("risk-gate")
    tasks = [asyncio.create_task(read_count(bus, "OMS", (LEDGER,), 30)) for _ in range(readers)]
    await append_many(bus, 30)
    for found in await asyncio.gather(*tasks):
        assert [r.sequence for r in found] == list(range(1, 31))


async def test_concurrent_appends_come_in_the_order_of_their_numbers(world: World) -> None:
    bus = await world.connect("market-data")
    numbers = await asyncio.gather(*(bus.append(CANDLE, str(n).encode()) for n in range(200)))
    found = await read_count(bus, "CANDLES", (CANDLE,), 200)
    by_number = {number: str(n).encode() for n, number in enumerate(numbers)}
    assert [r.data for r in found] == [by_number[n] for n in range(1, 201)]


async def test_records_carry_the_time_they_were_stored(world: World) -> None:
    bus = await world.connect("risk-gate")
    await append_many(bus, 2)
    first, second = await read_until_caught_up(bus, "OMS", (LEDGER,))
    assert 1_600_000_000 * 10**9 < first.ts_ns <= second.ts_ns


async def test_last_is_none_before_the_first_record(world: World) -> None:
    bus = await world.connect("risk-gate")
    assert await bus.last("OMS", LEDGER) is None


@pytest.mark.parametrize("count", [1, 3])
async def test_last_is_the_newest_of_its_subject_alone(world: World, count: int) -> None:
    gate, execution = await world.connect("risk-gate"), await world.connect("execution")
    await append_many(gate, count)
    await execution.append(subjects.exec_events(ACCOUNT), b"other", {"Schema": "NotSent/1"})
    newest = await gate.last("OMS", LEDGER)
    assert newest is not None
    assert (newest.sequence, newest.data, newest.subject) == (count, f"r{count - 1}".encode(), LEDGER)


async def test_last_keeps_headers_and_bytes(world: World) -> None:
    bus = await world.connect("risk-gate")
    await bus.append(LEDGER, b"\x00\xff", {"Schema": "DayRolled/1", "traceparent": "00-x-y-01"})
    newest = await bus.last("OMS", LEDGER)
    assert newest is not None
    assert (newest.data, newest.schema, newest.trace) == (b"\x00\xff", "DayRolled/1", "00-x-y-01")


async def test_last_of_each_gives_one_record_a_subject_in_stream_order(world: World) -> None:
    bus = await world.connect("market-data")
    for symbol in ("ETH-USDT", "BTC-USDT", "ETH-USDT"):
        await bus.append(subjects.instrument(f"{symbol}.sim"), symbol.encode())
    found = await bus.last_of_each("INSTRUMENTS", subjects.pattern(subjects.INSTRUMENT))
    assert [(r.sequence, r.data) for r in found] == [(2, b"BTC-USDT"), (3, b"ETH-USDT")]


async def test_last_of_each_is_empty_when_nothing_fits(world: World) -> None:
    bus = await world.connect("market-data")
    assert await bus.last_of_each("INSTRUMENTS", subjects.pattern(subjects.INSTRUMENT)) == []


async def test_the_state_of_an_empty_stream(world: World) -> None:
    bus = await world.connect("risk-gate")
    assert (await bus.state("OMS")).last_sequence == 0


async def test_the_epoch_stays_while_the_stream_lives(world: World) -> None:
    bus = await world.connect("risk-gate")
    before = await bus.state("OMS")
    await append_many(bus, 2)
    after = await bus.state("OMS")
    assert (after.epoch, after.last_sequence) == (before.epoch, 2)


@pytest.mark.parametrize(
    ("pattern", "hears"),
    [
        ("md.>", True),
        ("md.*.*.bbo", True),
        (QUOTE, True),
        ("md.*.*.trade", False),
        ("md.sim.ETH-USDT.bbo", False),
        ("md.*", False),
    ],
)
async def test_core_subscriptions_match_like_nats(world: World, pattern: str, hears: bool) -> None:
    publisher, listener = await world.connect("market-data"), await world.connect("strategy")
    heard: list[Record] = []
    await listener.subscribe("md.>" if pattern == "md.>" else pattern, heard.append)
    marker: list[Record] = []
    await listener.subscribe("md.sim.status", marker.append)
    await asyncio.sleep(0.1)
    await publisher.publish(QUOTE, b"q", {"Schema": "Quote/1", "traceparent": "t"})
    await publisher.publish("md.sim.status", b"end")
    await eventually(lambda: _true(bool(marker)))
    assert [r.data for r in heard if r.subject == QUOTE] == ([b"q"] if hears else [])


async def _true(value: bool) -> bool:
    return value


async def test_core_messages_keep_their_order_and_headers(world: World) -> None:
    publisher, listener = await world.connect("market-data"), await world.connect("risk-gate")
    heard: list[Record] = []
    await listener.subscribe("md.>", heard.append)
    await asyncio.sleep(0.1)
    for n in range(100):
        await publisher.publish(QUOTE, str(n).encode(), {"Schema": "Quote/1", "traceparent": f"t{n}"})
    await eventually(lambda: _true(len(heard) == 100))
    assert [(r.data, r.trace, r.schema) for r in heard] == [(str(n).encode(), f"t{n}", "Quote/1") for n in range(100)]


async def test_a_stopped_subscription_hears_nothing_more(world: World) -> None:
    publisher, listener = await world.connect("market-data"), await world.connect("risk-gate")
    heard: list[Record] = []
    marker: list[Record] = []
    subscription = await listener.subscribe("md.*.*.bbo", heard.append)
    await listener.subscribe("md.sim.status", marker.append)
    await asyncio.sleep(0.1)
    await subscription.stop()
    await asyncio.sleep(0.1)
    await publisher.publish(QUOTE, b"q")
    await publisher.publish("md.sim.status", b"end")
    await eventually(lambda: _true(bool(marker)))
    assert heard == []


@pytest.mark.parametrize("stream", ["OMS", "CANDLES"])
async def test_a_published_message_is_kept_by_its_stream_too(world: World, stream: str) -> None:
    principal, subject = ("risk-gate", LEDGER) if stream == "OMS" else ("market-data", CANDLE)
    bus = await world.connect(principal)
    await bus.publish(subject, b"by hand")
    assert [r.data for r in await read_count(bus, stream, (subject,), 1)] == [b"by hand"]


@pytest.mark.parametrize("principal", ["strategy", "persistence"])
async def test_a_copy_shows_the_sequences_of_the_original(world: World, principal: str) -> None:
    gate, reader = await world.connect("risk-gate"), await world.connect(principal)
    await append_many(gate, 20)
    found = await read_count(reader, "OMS", ("oms.>",), 13, after=7)
    assert [r.sequence for r in found] == list(range(8, 21))


@pytest.mark.parametrize("principal", ["strategy", "persistence"])
async def test_a_copy_states_the_last_sequence_of_the_original(world: World, principal: str) -> None:
    gate, reader = await world.connect("risk-gate"), await world.connect(principal)
    await append_many(gate, 5)

    async def caught_up() -> bool:
        return (await reader.state("OMS")).last_sequence == 5

    await eventually(caught_up)
