"""Reading: every record once, in order, without a gap, the same in memory and on real nats-servers."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from tests.integration.contract_steps import (
    WAIT_S,
    append_at_once,
    append_many,
    eventually,
    last_sequence,
    read_count,
    read_until_caught_up,
)
from tests.integration.contract_world import ContractWorld

from pitwire.common import subjects
from pitwire.common.bus.port import Record
from pitwire.common.errors import BusUnavailable, StreamLost

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("count", [0, 1, 2, 511, 512, 513, 1500])
async def test_a_reader_gets_everything_in_order_then_hears_that_it_caught_up(
    contract: ContractWorld, count: int
) -> None:
    bus, place = await contract.bus("market-data"), contract.place()
    numbers = await append_at_once(bus, place.candle, count)
    found = await read_until_caught_up(bus, "CANDLES", (place.candle,))
    assert [r.sequence for r in found] == sorted(numbers)


@pytest.mark.parametrize("read", [0, 1, 7, 9, 10])
async def test_a_reader_starts_after_its_cursor(contract: ContractWorld, read: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    before = await last_sequence(bus, "OMS")
    numbers = await append_many(bus, place.ledger, 10)
    found = await read_until_caught_up(bus, "OMS", (place.ledger,), before + read)
    assert [r.sequence for r in found] == numbers[read:]


async def test_a_cursor_at_the_end_waits_for_the_next(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    at = (await append_many(bus, place.ledger, 2))[-1]
    task = asyncio.create_task(read_count(bus, "OMS", (place.ledger,), 1, after=at))
    await asyncio.sleep(0.05)
    await bus.append(place.ledger, b"new")
    assert [r.sequence for r in await task] == [at + 1]


async def test_a_reader_sees_records_appended_while_it_reads(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    task = asyncio.create_task(read_count(bus, "OMS", (place.ledger,), 50))
    numbers = await append_many(bus, place.ledger, 50)
    assert [r.sequence for r in await task] == numbers


@pytest.mark.parametrize("which", range(9))
async def test_filters_choose_and_keep_the_order(contract: ContractWorld, which: int) -> None:
    gate, execution, place = await contract.bus("risk-gate"), await contract.bus("execution"), contract.place()
    other = contract.place()
    before = await last_sequence(gate, "OMS")
    await gate.append(place.ledger, b"1")
    await execution.append(place.exec_events, b"2")
    await gate.append(place.ledger, b"3")
    await gate.append(subjects.halt("risk-gate"), b"4")
    cases: list[tuple[tuple[str, ...], list[int]]] = [
        (("oms.>",), [1, 2, 3, 4]),
        ((place.ledger,), [1, 3]),
        ((place.exec_events,), [2]),
        ((place.ledger, place.exec_events), [1, 2, 3]),
        (("oms.*.risk.*",), [1, 3]),
        ((subjects.HALTS,), [4]),
        ((subjects.RESUME,), []),
        (subjects.oms_of(place.account), [1, 2, 3, 4]),
        (subjects.oms_of(other.account), [4]),
    ]
    filters, expected = cases[which]
    found = await read_until_caught_up(gate, "OMS", filters, before)
    assert [r.sequence - before for r in found] == expected


@pytest.mark.parametrize("readers", [2, 8])
async def test_every_reader_gets_every_record(contract: ContractWorld, readers: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    tasks = [asyncio.create_task(read_count(bus, "OMS", (place.ledger,), 30)) for _ in range(readers)]
    numbers = await append_many(bus, place.ledger, 30)
    for found in await asyncio.gather(*tasks):
        assert [r.sequence for r in found] == numbers


async def test_concurrent_appends_come_in_the_order_of_their_numbers(contract: ContractWorld) -> None:
    bus, place = await contract.bus("market-data"), contract.place()
    numbers = await append_at_once(bus, place.candle, 200)
    found = await read_count(bus, "CANDLES", (place.candle,), 200)
    by_number = {number: str(n).encode() for n, number in enumerate(numbers)}
    assert [r.data for r in found] == [by_number[n] for n in sorted(numbers)]


async def test_records_carry_the_time_they_were_stored(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    await append_many(bus, place.ledger, 2)
    first, second = await read_until_caught_up(bus, "OMS", (place.ledger,))
    assert 1_600_000_000 * 10**9 < first.ts_ns <= second.ts_ns


async def test_a_record_says_how_many_wait_behind_it(contract: ContractWorld) -> None:
    """By the server's count at delivery, so lag can be told without asking; in memory nothing ever waits."""
    bus, place = await contract.bus("risk-gate"), contract.place()
    await append_many(bus, place.ledger, 5)
    found = await read_until_caught_up(bus, "OMS", (place.ledger,))
    assert found[-1].pending == 0


async def test_a_reader_that_is_closed_can_be_followed_by_another(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    numbers = await append_many(bus, place.ledger, 3)
    for _ in range(5):
        found = await read_until_caught_up(bus, "OMS", (place.ledger,), numbers[0])
        assert [r.sequence for r in found] == numbers[1:]


async def test_a_slow_handler_loses_nothing(contract: ContractWorld) -> None:
    bus, place = await contract.bus("market-data"), contract.place()
    numbers = await append_at_once(bus, place.candle, 1_200)
    found: list[Record] = []
    async with asyncio.timeout(WAIT_S):
        async for batch in bus.read("CANDLES", (place.candle,), after=0):
            found += batch
            await asyncio.sleep(0.02)
            if len(found) >= 1_200:
                break
    assert [r.sequence for r in found] == sorted(numbers)


# -- copies ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("principal", ["strategy", "persistence"])
@pytest.mark.parametrize("read", [0, 7, 19])
async def test_a_copy_shows_the_sequences_of_the_original(contract: ContractWorld, principal: str, read: int) -> None:
    gate, reader, place = await contract.bus("risk-gate"), await contract.bus(principal), contract.place()
    before = await last_sequence(gate, "OMS")
    numbers = await append_many(gate, place.ledger, 20)
    found = await read_count(reader, "OMS", ("oms.>",), 20 - read, after=before + read)
    assert [r.sequence for r in found] == numbers[read:]


@pytest.mark.parametrize("principal", ["strategy", "persistence"])
async def test_a_copy_states_the_last_sequence_of_the_original(contract: ContractWorld, principal: str) -> None:
    gate, reader, place = await contract.bus("risk-gate"), await contract.bus(principal), contract.place()
    at = (await append_many(gate, place.ledger, 5))[-1]

    async def caught_up() -> bool:
        return await last_sequence(reader, "OMS") == at

    await eventually(caught_up)


async def test_a_copy_keeps_schema_trace_and_bytes(contract: ContractWorld) -> None:
    gate, reader, place = await contract.bus("risk-gate"), await contract.bus("persistence"), contract.place()
    at = await gate.append(place.ledger, b"\x00\xff", {"Schema": "DayRolled/1", "traceparent": "00-x-y-01"})
    (found,) = await read_count(reader, "OMS", (place.ledger,), 1, after=at - 1)
    assert (found.data, found.schema, found.trace, found.sequence) == (b"\x00\xff", "DayRolled/1", "00-x-y-01", at)


async def test_a_copys_newest_record_has_the_sequence_of_the_original(contract: ContractWorld) -> None:
    gate, reader, place = await contract.bus("risk-gate"), await contract.bus("persistence"), contract.place()
    at = await gate.append(place.ledger, b"x", expected_last=0)

    async def there() -> bool:
        newest = await reader.last("OMS", place.ledger)
        return newest is not None and newest.sequence == at

    await eventually(there)


async def test_a_reader_of_a_copy_whose_cursor_is_ahead_waits_for_the_copy(contract: ContractWorld) -> None:
    """A copy is made from its original again: behind is not lost."""
    gate, reader, place = await contract.bus("risk-gate"), await contract.bus("persistence"), contract.place()
    ahead = await last_sequence(gate, "OMS") + 2
    task = asyncio.create_task(read_count(reader, "OMS", (place.ledger,), 1, after=ahead))
    await asyncio.sleep(0.05)
    numbers = await append_many(gate, place.ledger, 4)
    assert (await task)[0].sequence == numbers[2]


# -- a stream that is lost -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ahead", [1, 1_000])
async def test_a_cursor_beyond_the_end_means_lost_records(contract: ContractWorld, ahead: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    end = await last_sequence(bus, "OMS")
    with pytest.raises(StreamLost):
        await read_until_caught_up(bus, "OMS", (place.ledger,), end + ahead)


async def test_a_stream_that_was_made_anew_has_another_epoch_and_counts_from_one(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    await bus.append(place.lease, b"x")
    before = await bus.state("LEASE")
    await contract.recreate("LEASE")

    async def anew() -> bool:
        with contextlib.suppress(BusUnavailable):
            return (await bus.state("LEASE")).epoch != before.epoch
        return False

    await eventually(anew)
    assert await last_sequence(bus, "LEASE") == 0
    assert await bus.last("LEASE", place.lease) is None
    assert await bus.append(place.lease, b"y", expected_last=0) == 1


async def test_a_reader_of_a_stream_that_was_made_anew_ends_instead_of_passing_over_records(
    contract: ContractWorld,
) -> None:
    """Records that take the numbers of lost ones would never be read."""
    bus, place = await contract.bus("risk-gate"), contract.place()
    await append_many(bus, place.lease, 3)

    async def read() -> None:
        async for batch in bus.read("LEASE", (place.lease,), after=0):
            if not batch:
                caught_up.set()

    caught_up = asyncio.Event()
    task = asyncio.create_task(read())
    await asyncio.wait_for(caught_up.wait(), WAIT_S)
    await contract.recreate("LEASE")
    with pytest.raises(StreamLost):
        await asyncio.wait_for(task, WAIT_S)
