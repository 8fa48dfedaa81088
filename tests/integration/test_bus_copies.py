"""Readers where a record is elsewhere than expected: on a replica that lags, behind a hole, in a copy of two lives."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.bus_world import ACCOUNT, Cluster, NatsWorld, sample_config
from tests.integration.contract_steps import append_many, eventually, read_until_caught_up

from pitwire.common import subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.errors import StreamLost
from pitwire.common.provisioning import ensure_stream, provisioner_of
from pitwire.common.topology import INSTRUMENTS, OMS, NatsAccount

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

LEDGER = subjects.ledger(ACCOUNT)
MISSED = 3_000
IN_FLIGHT = 64
WATCHED_S = 4.0
COPIED_ANEW_S = 60.0
"""A copy notices after ten to twenty-five seconds that its original began again."""


@pytest.fixture
async def cluster(infra: str, tmp_path: Path) -> AsyncIterator[Cluster]:
    found = Cluster(tmp_path, sample_config())
    try:
        await found.until_applied()
        yield found
    finally:
        found.stop()


async def connect(cluster: Cluster, principal: str) -> NatsBus:
    return await NatsBus.connect(
        cluster.url,
        principal=principal,
        name=principal,
        seed_file=cluster.seeds / f"{principal}.nk",
        on_trouble=lambda _: None,
        on_closed=lambda: None,
    )


async def test_a_reader_has_caught_up_when_it_has_what_the_leader_has_not_what_its_own_replica_has(
    cluster: Cluster,
) -> None:
    gate = await connect(cluster, "risk-gate")
    leader = (await gate.api(f"STREAM.INFO.{OMS.name}", {}))["cluster"]["leader"]
    behind = next(server for place, server in enumerate(cluster.servers) if place and f"n{place}" != leader)
    turn = asyncio.Semaphore(IN_FLIGHT)

    async def append() -> int:
        async with turn:
            return await gate.append(LEDGER, b"x" * 300)

    os.kill(behind.pid, signal.SIGSTOP)
    try:
        last = max(await asyncio.gather(*(append() for _ in range(MISSED))))
    finally:
        os.kill(behind.pid, signal.SIGCONT)
    over = asyncio.get_running_loop().time() + WATCHED_S
    read = 0
    while asyncio.get_running_loop().time() < over:
        found = await read_until_caught_up(gate, OMS.name, (LEDGER,), last - 1)
        assert [record.sequence for record in found] == [last], f"reader {read} was told that it has everything"
        read += 1
    assert read > 10
    await gate.close()


async def test_what_waits_behind_a_hole_of_a_copy_is_read(real_world: NatsWorld) -> None:
    """Of each instrument the newest definition stays: a copy has holes where the older ones were."""
    market, reader = await real_world.connect("market-data"), await real_world.connect("persistence")
    kept = [subjects.instrument(f"{base}-USDT.sim") for base in ("BTC", "ETH", "XRP")]
    changing = subjects.instrument("SOL-USDT.sim")
    for subject in (*kept, *[changing] * 8):
        newest = await market.append(subject, b"as it is now")

        async def copied(at: int = newest) -> bool:
            return (await reader.state(INSTRUMENTS.name)).last_sequence == at

        await eventually(copied)
    found = await read_until_caught_up(reader, INSTRUMENTS.name, INSTRUMENTS.subjects, 1)
    assert [record.subject for record in found] == [*kept[1:], changing]


async def test_a_copy_that_begins_again_ends_its_readers(real_world: NatsWorld) -> None:
    """A journal made anew is copied behind what the copy holds already, and that is no continuation of it."""
    gate, reader = await real_world.connect("risk-gate"), await real_world.connect("persistence")
    await append_many(gate, LEDGER, 5)

    async def read_for_ever() -> None:
        async with asyncio.timeout(COPIED_ANEW_S):
            async for _ in reader.read(OMS.name, OMS.subjects, after=0):
                pass

    reading = asyncio.create_task(read_for_ever())
    await asyncio.sleep(0.5)
    async with provisioner_of(real_world.server.url, real_world.seeds, NatsAccount.TRADING) as admin:
        await admin.api(f"STREAM.DELETE.{OMS.name}", {})
        await ensure_stream(admin, OMS.config())
    await append_many(gate, LEDGER, 3)
    with pytest.raises(StreamLost, match="a copy of two lives"):
        await reading
