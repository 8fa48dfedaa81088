"""Appending: what every writer relies on, the same on the bus in memory and on real nats-servers."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.contract_steps import append_many, last_sequence, read_until_caught_up
from tests.integration.contract_world import ContractWorld

from pitwire.common import subjects
from pitwire.common.bus.port import Bus
from pitwire.common.errors import AppendRefused, LostRace

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="session")]

RACE_ROUNDS = 40


async def test_a_new_stream_is_empty(contract: ContractWorld) -> None:
    assert {name: last for name, (_, last) in contract.empty.items()} == dict.fromkeys(contract.empty, 0)


@pytest.mark.parametrize("count", [1, 3])
async def test_records_are_numbered_without_a_gap(contract: ContractWorld, count: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    before = await last_sequence(bus, "OMS")
    assert await append_many(bus, place.ledger, count) == [before + n + 1 for n in range(count)]


@pytest.mark.parametrize("size", [0, 1, 1_000, 200_000])
async def test_a_record_comes_back_byte_for_byte(contract: ContractWorld, size: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    data = bytes(n % 256 for n in range(size))
    at = await bus.append(place.ledger, data)
    assert [r.data for r in await read_until_caught_up(bus, "OMS", (place.ledger,), at - 1)] == [data]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Schema": "RiskDecision/1"},
        {"traceparent": "00-a-b-01"},
        {"Schema": "RiskDecision/1", "traceparent": "00-a-b-01"},
        {"Schema": "X/1", "Other": "ignored"},
    ],
)
async def test_schema_and_trace_travel_with_the_record(contract: ContractWorld, headers: dict[str, str]) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    at = await bus.append(place.ledger, b"{}", headers)
    (record,) = await read_until_caught_up(bus, "OMS", (place.ledger,), at - 1)
    expected = (headers.get("Schema"), headers.get("traceparent", ""), place.ledger, at)
    assert (record.schema, record.trace, record.subject, record.sequence) == expected


async def test_the_callers_headers_stay_as_they_are(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    headers = {"Schema": "RiskDecision/1"}
    await bus.append(place.ledger, b"{}", headers, expected_last=0, message_id=f"h{place.number}")
    assert headers == {"Schema": "RiskDecision/1"}


async def test_a_subject_without_stream_is_refused(contract: ContractWorld) -> None:
    bus, place = await contract.bus("market-data"), contract.place()
    with pytest.raises(AppendRefused, match="no stream"):
        await bus.append(place.quote, b"x")


# -- compare-and-set ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("earlier", [0, 1, 5])
async def test_the_right_expectation_is_stored(contract: ContractWorld, earlier: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    last = (await append_many(bus, place.ledger, earlier) or [0])[-1]
    at = await bus.append(place.ledger, b"next", expected_last=last)
    newest = await bus.last("OMS", place.ledger)
    assert newest is not None
    assert (newest.sequence, newest.data) == (at, b"next")


@pytest.mark.parametrize(("earlier", "off"), [(0, 1), (1, -1), (3, -1), (3, 1), (3, 996)])
async def test_a_wrong_expectation_loses_and_stores_nothing(contract: ContractWorld, earlier: int, off: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    last = (await append_many(bus, place.ledger, earlier) or [0])[-1]
    with pytest.raises(LostRace):
        await bus.append(place.ledger, b"late", expected_last=last + off)
    newest = await bus.last("OMS", place.ledger)
    assert (newest.sequence if newest else 0) == last


@pytest.mark.parametrize("expected", [1, 2, 10**6])
async def test_a_first_record_needs_the_expectation_of_none(contract: ContractWorld, expected: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    with pytest.raises(LostRace):
        await bus.append(place.ledger, b"x", expected_last=expected)
    await bus.append(place.ledger, b"x", expected_last=0)


async def test_expectations_count_per_subject(contract: ContractWorld) -> None:
    gate, execution, place = await contract.bus("risk-gate"), await contract.bus("execution"), contract.place()
    first = await gate.append(place.ledger, b"a", expected_last=0)
    await execution.append(place.exec_events, b"b", expected_last=0)
    assert await gate.append(place.ledger, b"c", expected_last=first) > first


async def test_what_others_write_between_does_not_disturb_an_expectation(contract: ContractWorld) -> None:
    bus, place, other = await contract.bus("risk-gate"), contract.place(), contract.place()
    first = await bus.append(place.ledger, b"a", expected_last=0)
    await append_many(bus, other.ledger, 5)
    assert await bus.append(place.ledger, b"b", expected_last=first) == first + 6


async def test_a_record_without_an_expectation_moves_the_next_one(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    first = await bus.append(place.ledger, b"a", expected_last=0)
    second = await bus.append(place.ledger, b"b")
    with pytest.raises(LostRace):
        await bus.append(place.ledger, b"c", expected_last=first)
    assert await bus.append(place.ledger, b"c", expected_last=second) > second


@pytest.mark.parametrize("writers", [2, 5, 20])
async def test_of_many_equal_expectations_exactly_one_wins(contract: ContractWorld, writers: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    tries = (bus.append(place.ledger, b"x", expected_last=0) for _ in range(writers))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sorted(type(r).__name__ for r in results) == sorted(["int"] + ["LostRace"] * (writers - 1))


@pytest.mark.parametrize("writers", [2, 3])
async def test_a_chain_of_expectations_never_breaks(contract: ContractWorld, writers: int) -> None:
    """Connections of their own, each winning some: never two records on one expectation."""
    place = contract.place()
    buses = [await contract.connect("risk-gate") for _ in range(writers)]
    chain: list[tuple[int, int]] = []

    async def work(bus: Bus) -> None:
        for _ in range(RACE_ROUNDS):
            newest = await bus.last("OMS", place.ledger)
            expected = newest.sequence if newest else 0
            try:
                chain.append((expected, await bus.append(place.ledger, b"x", expected_last=expected)))
            except LostRace:
                continue

    await asyncio.gather(*(work(bus) for bus in buses))
    chain.sort()
    assert [expected for expected, _ in chain] == [0, *(stored for _, stored in chain[:-1])]
    assert len(chain) >= RACE_ROUNDS // 4


# -- message ids ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [2, 5])
async def test_the_same_message_id_is_stored_once(contract: ContractWorld, times: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    name = f"{place.account}-{times}"
    found = {await bus.append(place.ledger, b"x", message_id=name) for _ in range(times)}
    assert found == {await last_sequence(bus, "OMS")}


async def test_the_same_id_with_another_content_is_stored_once_and_the_first_stays(contract: ContractWorld) -> None:
    """Why an id is never the guarantee: the server says "stored" and keeps what it had."""
    bus, place = await contract.bus("risk-gate"), contract.place()
    first = await bus.append(place.ledger, b"first", message_id=place.account)
    assert await bus.append(place.ledger, b"second", message_id=place.account, expected_last=first) == first
    newest = await bus.last("OMS", place.ledger)
    assert newest is not None
    assert newest.data == b"first"


async def test_an_id_counts_for_the_whole_stream(contract: ContractWorld) -> None:
    gate, execution, place = await contract.bus("risk-gate"), await contract.bus("execution"), contract.place()
    first = await gate.append(place.ledger, b"x", message_id=place.account)
    assert await execution.append(place.exec_events, b"y", message_id=place.account) == first
    assert await gate.last("OMS", place.exec_events) is None


async def test_ids_of_other_streams_do_not_meet(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    await bus.append(place.ledger, b"x", message_id=place.account)
    await bus.append(place.snapshot, b"x", message_id=place.account)
    assert await bus.last("SNAP", place.snapshot) is not None


async def test_a_retry_with_the_same_id_and_the_then_stale_expectation(contract: ContractWorld) -> None:
    """Measured: one server checks the expectation first, a cluster the id. Whoever reads back needs neither answer."""
    bus, place = await contract.bus("risk-gate"), contract.place()
    first = await bus.append(place.ledger, b"x", message_id=place.account, expected_last=0)
    if contract.replicas == 1:
        with pytest.raises(LostRace):
            await bus.append(place.ledger, b"x", message_id=place.account, expected_last=0)
    else:
        assert await bus.append(place.ledger, b"x", message_id=place.account, expected_last=0) == first
    assert await last_sequence(bus, "OMS") == first


async def test_a_lost_race_does_not_use_up_its_message_id(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    first = await bus.append(place.ledger, b"x")
    with pytest.raises(LostRace):
        await bus.append(place.ledger, b"y", message_id=place.account, expected_last=0)
    assert await bus.append(place.ledger, b"y", message_id=place.account, expected_last=first) == first + 1


async def test_concurrent_appends_of_one_id_are_stored_once(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    before = await last_sequence(bus, "OMS")
    tries = (bus.append(place.ledger, b"x", message_id=place.account) for _ in range(10))
    found = {one for one in await asyncio.gather(*tries, return_exceptions=True) if isinstance(one, int)}
    assert found == {before + 1}
    assert await last_sequence(bus, "OMS") == before + 1


# -- last, state ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", ["OMS", "LEASE", "SNAP"])
async def test_last_is_none_before_the_first_record(contract: ContractWorld, stream: str) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    subject = {"OMS": place.ledger, "LEASE": place.lease, "SNAP": place.snapshot}[stream]
    assert await bus.last(stream, subject) is None


@pytest.mark.parametrize("count", [1, 3])
async def test_last_is_the_newest_of_its_subject_alone(contract: ContractWorld, count: int) -> None:
    gate, execution, place = await contract.bus("risk-gate"), await contract.bus("execution"), contract.place()
    numbers = await append_many(gate, place.ledger, count)
    await execution.append(place.exec_events, b"other", {"Schema": "NotSent/1"})
    newest = await gate.last("OMS", place.ledger)
    assert newest is not None
    assert (newest.sequence, newest.data, newest.subject) == (numbers[-1], f"r{count - 1}".encode(), place.ledger)


async def test_last_sees_ones_own_append_at_once(contract: ContractWorld) -> None:
    """Read from the stream's leader: no replica that lags answers."""
    bus, place = await contract.bus("risk-gate"), contract.place()
    for _ in range(50):
        at = await bus.append(place.ledger, b"x")
        newest = await bus.last("OMS", place.ledger)
        assert newest is not None
        assert newest.sequence == at


@pytest.mark.parametrize("data", [b"", b"\x00\xff", b"\r\n{}\r\n"])
async def test_last_keeps_headers_and_bytes(contract: ContractWorld, data: bytes) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    await bus.append(place.ledger, data, {"Schema": "DayRolled/1", "traceparent": "00-x-y-01"})
    newest = await bus.last("OMS", place.ledger)
    assert newest is not None
    assert (newest.data, newest.schema, newest.trace) == (data, "DayRolled/1", "00-x-y-01")


async def test_last_of_each_gives_one_record_a_subject_in_stream_order(contract: ContractWorld) -> None:
    bus, place = await contract.bus("market-data"), contract.place()
    numbers = [
        await bus.append(subjects.instrument(f"{symbol}.{place.venue}"), symbol.encode())
        for symbol in ("ETH-USDT", "BTC-USDT", "ETH-USDT")
    ]
    found = await bus.last_of_each("INSTRUMENTS", f"md.{place.venue}.*.instrument")
    assert [(r.sequence, r.data) for r in found] == [(numbers[1], b"BTC-USDT"), (numbers[2], b"ETH-USDT")]


async def test_last_of_each_is_empty_when_nothing_fits(contract: ContractWorld) -> None:
    bus, place = await contract.bus("market-data"), contract.place()
    assert await bus.last_of_each("INSTRUMENTS", f"md.{place.venue}.*.instrument") == []


async def test_the_epoch_stays_while_the_stream_lives(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    before = await bus.state("OMS")
    await append_many(bus, place.ledger, 2)
    after = await bus.state("OMS")
    assert (after.epoch, after.last_sequence) == (before.epoch, before.last_sequence + 2)


async def test_the_state_says_how_full_a_stream_is(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    before = await bus.state("OMS")
    await bus.append(place.ledger, bytes(10_000))
    after = await bus.state("OMS")
    assert 10_000 <= after.bytes_held - before.bytes_held <= 10_200
    assert after.bytes_max == before.bytes_max > after.bytes_held
