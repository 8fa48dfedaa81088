"""The bus and the database of a run: kept alive, or taken as they are when somebody else runs them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

import nats
import psycopg
import pytest
from tests.integration.run_world import running

from pitwire.cli.addresses import plain_url
from pitwire.cli.run.infra import Infra, outside_seeds
from pitwire.cli.servers import NatsServer, Postgres
from pitwire.cli.views.topology import write_server_config
from pitwire.common.clock import SystemClock
from pitwire.common.config import load_config
from pitwire.common.errors import UsageError
from pitwire.common.permissions import make_identities

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".pitwire" / "cache"
CONFIG = load_config(ROOT / "pitwire.toml")


async def test_killed_servers_come_back_at_their_old_addresses(tmp_path: Path) -> None:
    events: list[str] = []
    back = asyncio.Semaphore(0)
    infra = Infra(tmp_path, cache=CACHE, clock=SystemClock(), on_event=events.append)
    await asyncio.gather(infra.start_nats(CONFIG, make_identities(tmp_path / "identities")), infra.start_postgres())
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


@pytest.mark.timeout(240)
def test_a_run_on_servers_of_somebody_else_starts_none_and_leaves_them_running(tmp_path: Path) -> None:
    seeds, file = tmp_path / "seeds", tmp_path / "nats.json"
    write_server_config(ROOT / "pitwire.toml", seeds, file, host="127.0.0.1", port=1, store=str(tmp_path / "store"))
    settings = json.loads(file.read_text())
    del settings["host"], settings["port"]
    with NatsServer(settings, tmp_path / "nats") as bus, Postgres(tmp_path / "pg", cache=CACHE) as database:
        env = {
            "PITWIRE_NATS_URL": bus.url,
            "PITWIRE_NATS_SEEDS": str(seeds),
            "PITWIRE_DATABASE_URL": database.dsn.replace("+psycopg", ""),
        }
        with running(tmp_path / "run", "--for", "8", "--speed", "600", env=env) as run:
            run.until_trading()
            assert not {"nats", "postgres"} & set(run.current()["pids"])
            code, summary = run.wait(timeout_s=120)
            assert code == 0, (summary, run.said())
        assert (bus.returncode, database.returncode) == (None, None)
    assert summary["candles"] > 0


def test_an_outside_bus_without_identities_is_refused_with_the_way_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="topology server-config"):
        outside_seeds({"PITWIRE_NATS_URL": "nats://h:1"})
    with pytest.raises(UsageError, match="operator"):
        outside_seeds({"PITWIRE_NATS_URL": "nats://h:1", "PITWIRE_NATS_SEEDS": str(tmp_path)})
    assert outside_seeds({}) is None


async def test_servers_that_the_environment_names_are_not_ours_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PITWIRE_NATS_URL", "nats://elsewhere:4222")
    monkeypatch.setenv("PITWIRE_DATABASE_URL", "postgresql://elsewhere/trading")
    infra = Infra(tmp_path, cache=tmp_path, clock=SystemClock(), on_event=lambda _: None)
    await infra.start_nats(CONFIG, {})
    await infra.start_postgres()
    await infra.keep_alive(lambda: None)
    assert (infra.nats_url, infra.database_url) == (
        "nats://elsewhere:4222",
        "postgresql+psycopg://elsewhere/trading",
    )
    assert (infra.pids(), infra.log_paths()) == ({}, {})
    await infra.stop()
