"""Limits, ages, leases and core messages: the same in memory and on real nats-servers."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.contract_steps import (
    append_at_once,
    append_many,
    eventually,
    last_sequence,
    read_count,
    read_until_caught_up,
)
from tests.integration.contract_world import ALERT_BYTES_MAX, INTENTS_MAX, ContractWorld, Place

from pitwire.common import subjects
from pitwire.common.bus.port import Bus, Record
from pitwire.common.clock import SystemClock
from pitwire.common.errors import AppendRefused, LostRace
from pitwire.common.leases import LeaseHolder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60), pytest.mark.asyncio(loop_scope="session")]


async def intents(contract: ContractWorld) -> tuple[Bus, Bus, Place]:
    return await contract.bus("strategy"), await contract.bus("risk-gate"), contract.place()


async def until_gone(gate: Bus, subject: str) -> None:
    async def is_gone() -> bool:
        return await gate.last("INTENT", subject) is None

    await eventually(is_gone)


# -- caps and ages ---------------------------------------------------------------------------------------------------


async def test_a_strategy_that_floods_is_refused_and_others_are_not(contract: ContractWorld) -> None:
    strategy, _, place = await intents(contract)
    await append_at_once(strategy, place.intent, INTENTS_MAX)
    with pytest.raises(AppendRefused, match="per subject"):
        await strategy.append(place.intent, b"one too many")
    await strategy.append(place.other_intent, b"fine")


async def test_what_was_refused_is_not_stored_and_uses_no_number(contract: ContractWorld) -> None:
    strategy, gate, place = await intents(contract)
    await append_at_once(strategy, place.intent, INTENTS_MAX)
    before = await last_sequence(gate, "INTENT")
    with pytest.raises(AppendRefused):
        await strategy.append(place.intent, b"one too many", message_id=place.account)
    assert await last_sequence(gate, "INTENT") == before
    assert await strategy.append(place.other_intent, b"next") == before + 1


async def test_intents_age_out_and_make_room(contract: ContractWorld) -> None:
    strategy, gate, place = await intents(contract)
    await append_at_once(strategy, place.intent, INTENTS_MAX)
    before = await last_sequence(gate, "INTENT")
    await until_gone(gate, place.intent)
    assert await strategy.append(place.intent, b"again") == before + 1


async def test_a_reader_that_comes_late_gets_what_is_left(contract: ContractWorld) -> None:
    strategy, gate, place = await intents(contract)
    before = await last_sequence(gate, "INTENT")
    await append_many(strategy, place.intent, 3)
    await until_gone(gate, place.intent)
    await strategy.append(place.intent, b"late")
    found = await read_until_caught_up(gate, "INTENT", (place.intent,), before)
    assert [(r.sequence, r.data) for r in found] == [(before + 4, b"late")]


async def test_an_expectation_on_a_subject_that_aged_out_is_that_of_none(contract: ContractWorld) -> None:
    """Why the ledger has no age: its last record would go, and with it what the next one is chained to."""
    strategy, gate, place = await intents(contract)
    first = await strategy.append(place.intent, b"x", expected_last=0)
    await until_gone(gate, place.intent)
    with pytest.raises(LostRace):
        await strategy.append(place.intent, b"y", expected_last=first)
    assert await strategy.append(place.intent, b"y", expected_last=0) == first + 1


async def test_a_message_id_is_forgotten_with_the_age_of_its_stream(contract: ContractWorld) -> None:
    strategy, _, place = await intents(contract)
    first = await strategy.append(place.intent, b"x", message_id=place.account)
    assert await strategy.append(place.intent, b"x", message_id=place.account) == first

    async def stored_again() -> bool:
        return await strategy.append(place.intent, b"x", message_id=place.account) > first

    await eventually(stored_again)


async def test_a_full_stream_refuses_and_takes_again_when_it_has_room(contract: ContractWorld) -> None:
    strategy, gate, place = await intents(contract)

    async def is_empty() -> bool:
        return (await gate.state("INTENT")).bytes_held == 0

    await eventually(is_empty)
    for _ in range(3):
        await strategy.append(place.intent, bytes(60_000))
    with pytest.raises(AppendRefused, match="maximum bytes"):
        await strategy.append(place.intent, bytes(60_000))
    await strategy.append(place.intent, b"a small one still fits")
    await until_gone(gate, place.intent)
    await strategy.append(place.intent, bytes(60_000))


async def test_a_stream_of_newest_records_drops_the_oldest_bytes(contract: ContractWorld) -> None:
    bus = await contract.bus("persistence")
    subject = subjects.alert("INFO", "persistence")
    numbers = [await bus.append(subject, bytes(10_000)) for _ in range(12)]
    found = await read_until_caught_up(bus, "ALERTS", (subject,))
    kept = ALERT_BYTES_MAX // 10_000
    assert [r.sequence for r in found] == numbers[-kept:]
    state = await bus.state("ALERTS")
    assert (state.first_sequence, state.last_sequence) == (numbers[-kept], numbers[-1])
    assert state.bytes_held <= state.bytes_max == ALERT_BYTES_MAX


@pytest.mark.parametrize("count", [1, 3, 4, 10])
async def test_three_snapshots_of_an_account_are_kept(contract: ContractWorld, count: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    numbers = await append_many(bus, place.snapshot, count)
    found = await read_until_caught_up(bus, "SNAP", (place.snapshot,))
    assert [r.sequence for r in found] == numbers[-3:]


async def test_records_dropped_between_others_leave_a_gap_in_the_numbers_and_none_in_the_reading(
    contract: ContractWorld,
) -> None:
    bus, place, other = await contract.bus("risk-gate"), contract.place(), contract.place()
    before = await last_sequence(bus, "SNAP")
    for subject in (place.snapshot, other.snapshot, place.snapshot, place.snapshot, place.snapshot):
        await bus.append(subject, b"x")
    found = await read_until_caught_up(bus, "SNAP", (place.snapshot, other.snapshot), before)
    assert [r.sequence - before for r in found] == [2, 3, 4, 5]


# -- leases ----------------------------------------------------------------------------------------------------------


async def test_of_a_lease_only_the_newest_record_is_kept(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    numbers = await append_many(bus, place.lease, 5)
    found = await read_until_caught_up(bus, "LEASE", (place.lease,))
    assert [r.sequence for r in found] == numbers[-1:]


async def test_a_lease_is_renewed_on_the_record_seen_last_and_on_no_other(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    first = await bus.append(place.lease, b"a", expected_last=0)
    second = await bus.append(place.lease, b"a", expected_last=first)
    for stale in (0, first, second + 1):
        with pytest.raises(LostRace):
            await bus.append(place.lease, b"b", expected_last=stale)
    assert await bus.append(place.lease, b"b", expected_last=second) > second


@pytest.mark.parametrize("standbys", [2, 5])
async def test_of_many_that_take_a_free_lease_one_has_it(contract: ContractWorld, standbys: int) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    tries = (bus.append(place.lease, str(n).encode(), expected_last=0) for n in range(standbys))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(r, int) for r in results) == 1
    assert all(isinstance(r, int | LostRace) for r in results)


def holder(bus: Bus, place: Place, name: str) -> LeaseHolder:
    return LeaseHolder(bus, SystemClock(), service="risk-gate", slot=f"s{place.number}", holder=name)


async def test_a_released_lease_goes_to_the_standby_at_once(contract: ContractWorld) -> None:
    bus, place = await contract.bus("risk-gate"), contract.place()
    leader, standby = holder(bus, place, "one"), holder(bus, place, "two")
    await leader.acquire()
    waiting = asyncio.create_task(standby.acquire())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await leader.release()
    await asyncio.wait_for(waiting, 5)


async def test_a_lease_whose_stream_was_made_anew_is_held_on(contract: ContractWorld) -> None:
    """A server that forgot its leases at a restart must not end their holders."""
    bus, place = await contract.bus("risk-gate"), contract.place()
    leader = holder(bus, place, "one")
    await leader.acquire()
    keeping = asyncio.create_task(leader.keep())
    await contract.recreate("LEASE")

    async def held_again() -> bool:
        return await bus.last("LEASE", place.lease) is not None

    await eventually(held_again)
    assert not keeping.done()
    keeping.cancel()


# -- core messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "hears"),
    [
        ("md.>", True),
        ("md.*.*.bbo", True),
        ("{quote}", True),
        ("md.{venue}.>", True),
        ("md.*.*.trade", False),
        ("md.{venue}.ETH-USDT.bbo", False),
        ("md.*", False),
        ("md.*.*", False),
    ],
)
async def test_core_subscriptions_match_like_nats(contract: ContractWorld, pattern: str, hears: bool) -> None:
    publisher, listener, place = await contract.bus("market-data"), await contract.bus("strategy"), contract.place()
    heard: list[Record] = []
    marker = asyncio.Event()
    wanted = pattern.format(quote=place.quote, venue=place.venue)
    subscription = await listener.subscribe(wanted, heard.append)
    status = await listener.subscribe(subjects.venue_status(place.venue), lambda _: marker.set())
    await asyncio.sleep(0.1)
    await publisher.publish(place.quote, b"q", {"Schema": "Quote/1", "traceparent": "t"})
    await publisher.publish(subjects.venue_status(place.venue), b"end")
    await asyncio.wait_for(marker.wait(), 5)
    await subscription.stop()
    await status.stop()
    assert [r.data for r in heard if r.subject == place.quote] == ([b"q"] if hears else [])


async def test_core_messages_keep_their_order_and_headers(contract: ContractWorld) -> None:
    publisher, listener, place = await contract.bus("market-data"), await contract.bus("risk-gate"), contract.place()
    heard: list[Record] = []
    done = asyncio.Event()

    def hear(record: Record) -> None:
        heard.append(record)
        if len(heard) == 100:
            done.set()

    subscription = await listener.subscribe(place.quote, hear)
    await asyncio.sleep(0.1)
    for n in range(100):
        await publisher.publish(place.quote, str(n).encode(), {"Schema": "Quote/1", "traceparent": f"t{n}"})
    await asyncio.wait_for(done.wait(), 5)
    await subscription.stop()
    assert [(r.data, r.trace, r.schema) for r in heard] == [(str(n).encode(), f"t{n}", "Quote/1") for n in range(100)]


async def test_a_stopped_subscription_hears_nothing_more(contract: ContractWorld) -> None:
    publisher, listener, place = await contract.bus("market-data"), await contract.bus("risk-gate"), contract.place()
    heard: list[Record] = []
    marker = asyncio.Event()
    subscription = await listener.subscribe(place.quote, heard.append)
    status = await listener.subscribe(subjects.venue_status(place.venue), lambda _: marker.set())
    await asyncio.sleep(0.1)
    await subscription.stop()
    await asyncio.sleep(0.1)
    await publisher.publish(place.quote, b"q")
    await publisher.publish(subjects.venue_status(place.venue), b"end")
    await asyncio.wait_for(marker.wait(), 5)
    await status.stop()
    assert heard == []


@pytest.mark.parametrize("stream", ["OMS", "CANDLES"])
async def test_a_published_message_is_kept_by_its_stream_too(contract: ContractWorld, stream: str) -> None:
    place = contract.place()
    principal, subject = ("risk-gate", place.ledger) if stream == "OMS" else ("market-data", place.candle)
    bus = await contract.bus(principal)
    await bus.publish(subject, b"by hand")
    assert [r.data for r in await read_count(bus, stream, (subject,), 1)] == [b"by hand"]


async def test_a_message_beyond_a_limit_of_its_stream_is_published_and_not_kept(contract: ContractWorld) -> None:
    """A core publish has no answer: only an append says that nothing was stored."""
    strategy, gate, place = await intents(contract)
    await append_at_once(strategy, place.intent, INTENTS_MAX)
    before = await last_sequence(gate, "INTENT")
    await strategy.publish(place.intent, b"too many")
    await strategy.append(place.other_intent, b"marker")
    assert await last_sequence(gate, "INTENT") == before + 1
