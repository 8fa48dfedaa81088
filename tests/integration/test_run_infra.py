"""The bus and the database of a run: kept alive, or taken as they are when somebody else runs them."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import nats
import psycopg
import pytest

from pitwire.cli.database import plain_url
from pitwire.cli.run.infra import Infra
from pitwire.common.clock import SystemClock
from pitwire.common.config import load_config
from pitwire.common.permissions import make_identities

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CONFIG = load_config(ROOT / "pitwire.toml")


async def test_killed_servers_come_back_at_their_old_addresses(tmp_path: Path) -> None:
    events: list[str] = []
    back = asyncio.Semaphore(0)
    infra = Infra(tmp_path, cache=ROOT / ".pitwire" / "cache", clock=SystemClock(), on_event=events.append)
    await infra.start(CONFIG, make_identities(tmp_path / "identities"))
    keeping = asyncio.create_task(infra.keep_alive(back.release))
    try:
        before, addresses = infra.pids(), (infra.nats_url, infra.database_url)
        for name in ("nats", "postgres"):
            os.kill(before[name], signal.SIGKILL)
            await asyncio.wait_for(back.acquire(), 30)
        assert set(infra.pids()) == set(before)
        assert not set(infra.pids().values()) & set(before.values())
        assert (infra.nats_url, infra.database_url) == addresses
        seed = (tmp_path / "identities" / "operator.nk").read_text().strip()
        client = await nats.connect(infra.nats_url, nkeys_seed_str=seed)
        await client.close()
        with psycopg.connect(plain_url(infra.database_url)) as connection:
            assert connection.execute("select 1").fetchone() == (1,)
        assert [event.split(" ended")[0] for event in events] == ["nats", "postgres"]
    finally:
        keeping.cancel()
        await infra.stop()
    assert infra.pids() == {}


async def test_servers_that_the_environment_names_are_not_ours_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITWIRE_NATS_URL", "nats://elsewhere:4222")
    monkeypatch.setenv("PITWIRE_DATABASE_URL", "postgresql://elsewhere/trading")
    infra = Infra(tmp_path, cache=tmp_path, clock=SystemClock(), on_event=lambda _: None)
    await infra.start(CONFIG, {})
    await infra.keep_alive(lambda: None)
    assert (infra.nats_url, infra.database_url) == (
        "nats://elsewhere:4222",
        "postgresql+psycopg://elsewhere/trading",
    )
    assert (infra.pids(), infra.log_paths()) == ({}, {})
    await infra.stop()
