"""A gate that starts on a journal of a million ledger records with a thousand working orders: one JSON line.

    .venv/bin/python benchmarks/recovery.py

The journal is built once, by the same folds and bytes as in production, and stored without waiting for each record; the
snapshot is the one a gate would have kept up to `TAIL` records before the end. Measured: from the start of the process
until it says that it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import uvloop

from pitwire.cli.servers import NatsServer
from pitwire.common import codec, permissions, subjects, topology
from pitwire.common.bus.nats import NatsBus
from pitwire.common.clock import SystemClock
from pitwire.common.config import load_config
from pitwire.common.provisioning import apply_topology
from pitwire.common.schemas.ledger import Cursors, MarksRecorded
from pitwire.common.snapshots import SnapshotStore
from pitwire.common.testing.journal import Journal, limits, mark, order_intent
from pitwire.common.topology import STREAMS, Durability

CONFIG: Final = Path(__file__).parents[1] / "pitwire.toml"
ACCOUNT: Final = "main"
BTC: Final = "BTC-USDT.sim"
ORDERS: Final = 1_000
TAIL: Final = 900
READY_MAX_S: Final = 5.0
START_TIMEOUT_S: Final = 120.0
HEALTH_PORT: Final = 18_733
FLUSH_EVERY: Final = 2_000


@asynccontextmanager
async def journal_server(folder: Path) -> AsyncIterator[NatsServer]:
    config = load_config(CONFIG)
    settings = permissions.server_config(config, permissions.make_identities(folder / "keys"))
    for key in ("host", "port"):
        settings.pop(key)
    async with NatsServer(settings, folder / "nats") as server:
        quick = tuple(replace(s, durability=Durability.ASYNC) if s is topology.OMS else s for s in STREAMS)
        await apply_topology(server.url, folder / "keys", streams=quick)
        yield server


async def connect(url: str, seeds: Path) -> NatsBus:
    return await NatsBus.connect(
        url,
        principal="risk-gate",
        name="builder",
        seed_file=seeds / "risk-gate.nk",
        on_trouble=lambda _: None,
        on_closed=lambda: None,
    )


async def build(bus: NatsBus, records: int) -> None:
    """The ledger: opening, `ORDERS` approvals, then marks up to `records`; a snapshot before the tail."""
    journal = Journal()
    journal.start(capital="100000000", account_limits=limits())
    for number in range(1, ORDERS + 1):
        journal.approve(order_intent(number, "BUY", "0.01", limit_price="100"))
    subject = subjects.ledger(ACCOUNT)
    for entry in journal.entries:
        await bus.publish(subject, entry.raw, {codec.SCHEMA_HEADER: type(entry.event).schema_name()})
    state, at = journal.state, len(journal.entries)
    schema = {codec.SCHEMA_HEADER: MarksRecorded.schema_name()}
    template: dict[str, Any] = {
        "account": ACCOUNT,
        "epoch": state.epoch,
        "ts_ns": journal.ts_ns,
        "marks": (mark(BTC, "100"),),
    }
    store = SnapshotStore(bus, service="risk-gate", account=ACCOUNT)
    for sequence in range(at + 1, records + 1):
        event = MarksRecorded.model_construct(
            **template,
            ledger_no=state.ledger_no + 1,
            prev_hash=state.prev_hash,
            cursors=Cursors.model_construct(
                intent_epoch="", intent_sequence=0, oms_sequence=state.cursors.oms_sequence, control_sequence=0
            ),
            ts_market_ns=journal.ts_market_ns + sequence,
        )
        raw = codec.encode(event)
        state.apply_ledger(sequence, event, raw)
        await bus.publish(subject, raw, schema)
        if sequence % FLUSH_EVERY == 0:
            await bus.state(topology.OMS.name)
        if sequence == records - TAIL:
            await store.save(state, oms_sequence=sequence, record_hash=state.prev_hash, ts_ns=SystemClock().wall_ns())
    stored = (await bus.state(topology.OMS.name)).last_sequence
    assert stored == records, f"{stored} of {records} stored"


def seconds_until_ready(url: str, folder: Path) -> float:
    env = os.environ | {
        "PITWIRE_CONFIG": str(CONFIG),
        "PITWIRE_NATS_URL": url,
        "PITWIRE_NATS_SEED_FILE": str(folder / "keys" / "risk-gate.nk"),
        "PITWIRE_DATA_DIR": str(folder / "data"),
        "PITWIRE_HEALTH_PORT": str(HEALTH_PORT),
    }
    began = time.perf_counter()
    with (folder / "gate.log").open("w") as log:
        gate = subprocess.Popen([sys.executable, "-m", "pitwire.risk_gate"], env=env, stderr=log)
    try:
        while time.perf_counter() - began < START_TIMEOUT_S:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{HEALTH_PORT}/readyz", timeout=1):
                    return time.perf_counter() - began
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise TimeoutError((folder / "gate.log").read_text()[-2_000:])
    finally:
        gate.terminate()
        gate.wait()


async def measure(records: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with journal_server(folder) as server:
            bus = await connect(server.url, folder / "keys")
            began = time.perf_counter()
            await build(bus, records)
            built = time.perf_counter() - began
            await bus.close()
            took = await asyncio.to_thread(seconds_until_ready, server.url, folder)
    result = {
        "benchmark": "recovery",
        "ledger_records": records,
        "working_orders": ORDERS,
        "seconds_until_ready": round(took, 2),
        "at_most": READY_MAX_S,
        "holds": took <= READY_MAX_S,
        "seconds_to_build": round(built, 1),
        "load_1m": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    uvloop.run(measure(parser.parse_args().records))


if __name__ == "__main__":
    main()
