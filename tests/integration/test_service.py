"""The shell on a real bus: heartbeats, quarantine, a failing task, an order to stop."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest
from tests.integration.bus_world import NatsWorld

from pitwire.common import codec, service, subjects
from pitwire.common.bus.port import Record
from pitwire.common.config import ServiceSettings
from pitwire.common.errors import InvariantBroken
from pitwire.common.schemas.control import DeadLetter, Heartbeat

pytestmark = [pytest.mark.integration, pytest.mark.timeout(60)]


def settings(world: NatsWorld, principal: str, folder: Path) -> ServiceSettings:
    return ServiceSettings(nats_url=world.server.url, nats_seed_file=world.seeds / f"{principal}.nk", data_dir=folder)


async def test_a_service_beats_and_says_how_far_it_is(real_world: NatsWorld, tmp_path: Path) -> None:
    operator = await real_world.connect("operator")
    heard: list[Heartbeat] = []
    arrived = asyncio.Event()

    def on_beat(record: Record) -> None:
        heard.append(codec.decode(Heartbeat, record.data, subject=record.subject))
        arrived.set()

    await operator.subscribe(subjects.pattern(subjects.HEARTBEAT), on_beat)
    async with service.Service("risk-gate", settings(real_world, "risk-gate", tmp_path)) as shell:
        shell.set_ready(True)
        shell.progress(ts_market_ns=60, cursor=7, now=True)
        async with asyncio.timeout(5):
            while not [beat for beat in heard if (beat.ts_market_ns, beat.cursor, beat.ready) == (60, 7, True)]:
                arrived.clear()
                await arrived.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await shell.run() == service.EXIT_OK


async def test_a_task_that_fails_ends_the_process(real_world: NatsWorld, tmp_path: Path) -> None:
    async def fail() -> None:
        raise InvariantBroken("planted")

    async with service.Service("risk-gate", settings(real_world, "risk-gate", tmp_path)) as shell:
        shell.spawn("work", fail())
        assert await asyncio.wait_for(shell.run(), 5) == service.EXIT_FAILED


async def test_a_quarantined_record_is_kept_whole_with_its_place(real_world: NatsWorld, tmp_path: Path) -> None:
    reader = await real_world.connect("persistence")
    async with service.Service("risk-gate", settings(real_world, "risk-gate", tmp_path)) as shell:
        await shell.quarantine(Record("int.1.a.b", b"\xff{", sequence=9), "not JSON", stream="INTENT")
        async with asyncio.timeout(5):
            batches = reader.read("DLQ", (subjects.EVERY_DEAD_LETTER,), after=0)
            batch = await anext(batch async for batch in batches if batch)
        letter = codec.decode(DeadLetter, batch[0].data, subject=batch[0].subject)
    assert (letter.sequence, letter.stream, letter.reason, letter.payload_base64) == (9, "INTENT", "not JSON", "/3s=")
