"""Gate and execution start on a journal of a million records with a thousand working orders: one JSON line.

    .venv/bin/python benchmarks/recovery.py

The journal is built once, by the same folds and bytes as in production, and stored without waiting for each record; the
snapshots are those that the services would have kept up to `TAIL` records before the end. Measured: from the start of
the gate until it says that it is ready, from its death until a standby that has folded everything does, and from the
start of execution until it leads (its venue is not there).
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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import uvloop

from pitwire.cli.servers import NatsServer
from pitwire.common import codec, permissions, subjects, topology
from pitwire.common.bus.nats import NatsBus
from pitwire.common.config import load_config
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.provisioning import apply_topology
from pitwire.common.schemas.ledger import Cursors, MarksRecorded
from pitwire.common.snapshots import SnapshotStore
from pitwire.common.testing.journal import Journal, limits, mark, order_intent
from pitwire.common.testing.market import definition
from pitwire.common.topology import STREAMS, Durability
from pitwire.execution.core.approvals import Setup
from pitwire.execution.core.fold import ExecutionCore

CONFIG: Final = Path(__file__).parents[1] / "pitwire.toml"
ACCOUNT: Final = "main"
BTC: Final = "BTC-USDT.sim"
LEDGER: Final = subjects.ledger(ACCOUNT)
EVENTS: Final = subjects.exec_events(ACCOUNT)
ORDERS: Final = 1_000
TAIL: Final = 900
READY_MAX_S: Final = 5.0
TAKEOVER_MAX_S: Final = 2.0
START_TIMEOUT_S: Final = 120.0
HEALTH_PORT: Final = 18_733
FLUSH_EVERY: Final = 2_000
POLL_S: Final = 0.02


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


async def connect(url: str, seeds: Path, principal: str) -> NatsBus:
    return await NatsBus.connect(
        url,
        principal=principal,
        name="builder",
        seed_file=seeds / f"{principal}.nk",
        on_trouble=lambda _: None,
        on_closed=lambda: None,
    )


def opening() -> Journal:
    """The opening records and `ORDERS` orders that work at the venue."""
    journal = Journal()
    journal.start(capital="100000000", account_limits=limits())
    for number in range(1, ORDERS + 1):
        verdict = journal.approve(order_intent(number, "BUY", "0.01", limit_price="100"))
        journal.submitting(verdict)
        journal.report(verdict, "NEW", venue_order_id=str(number))
    journal.marks(mark(BTC, "100"))
    return journal


def execution_fold() -> ExecutionCore:
    """The fold of a process that does not lead."""
    instruments = InstrumentRegistry()
    instruments.put(definition(BTC))
    return ExecutionCore(Setup(ACCOUNT, {"sim-main": "sim"}, instruments, codec.encode), leader="nobody")


async def build(gate: NatsBus, execution: NatsBus, records: int) -> None:
    """The journal: opening and orders, then marks up to `records`; a snapshot of each service before the tail."""
    journal, core = opening(), execution_fold()
    for entry in journal.entries:
        bus, subject = (gate, LEDGER) if entry.is_ledger else (execution, EVENTS)
        await bus.append(subject, entry.raw, {codec.SCHEMA_HEADER: type(entry.event).schema_name()})
        core.observe(entry.sequence, entry.event, journal.ts_ns)
    state, at = journal.state, len(journal.entries)
    schema = {codec.SCHEMA_HEADER: MarksRecorded.schema_name()}
    template: dict[str, Any] = {
        "account": ACCOUNT,
        "epoch": state.epoch,
        "ts_ns": journal.ts_ns,
        "marks": (mark(BTC, "100"),),
    }
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
        core.observe(sequence, event, journal.ts_ns)
        await gate.publish(LEDGER, raw, schema)
        if sequence % FLUSH_EVERY == 0:
            await gate.state(topology.OMS.name)
        if sequence == records - TAIL:
            for bus, service, fold in ((gate, "risk-gate", state), (execution, "execution", core)):
                store = SnapshotStore(bus, service=service, account=ACCOUNT)
                await store.save(
                    fold, oms_sequence=sequence, record_hash=state.prev_hash, ts_ns=journal.ts_ns, read_to=sequence
                )
    stored = (await gate.state(topology.OMS.name)).last_sequence
    assert stored == records, f"{stored} of {records} stored"


async def until_execution_leads(bus: NatsBus, url: str, folder: Path) -> float:
    """Seconds from the start of an execution process until its leadership stands in the journal."""
    key = folder / "key.json"
    key.write_text(json.dumps({"api_key": "k" * 64, "api_secret": "s" * 64}))
    key.chmod(0o600)
    config = folder / "pitwire.toml"
    config.write_text(CONFIG.read_text().replace('".pitwire/keys/sim-main.json"', json.dumps(str(key))))
    env = os.environ | {
        "PITWIRE_CONFIG": str(config),
        "PITWIRE_NATS_URL": url,
        "PITWIRE_NATS_SEED_FILE": str(folder / "keys" / "execution.nk"),
        "PITWIRE_DATA_DIR": str(folder / "execution"),
    }
    before = await bus.last(topology.OMS.name, EVENTS)
    began = time.perf_counter()
    with (folder / "execution.log").open("w") as log:
        process = await asyncio.create_subprocess_exec(sys.executable, "-m", "pitwire.execution", env=env, stderr=log)
    try:
        while await bus.last(topology.OMS.name, EVENTS) == before:
            if time.perf_counter() - began > START_TIMEOUT_S:
                raise TimeoutError((folder / "execution.log").read_text()[-2_000:])
            await asyncio.sleep(POLL_S)
        return time.perf_counter() - began
    finally:
        process.kill()
        await process.wait()


class Gate:
    """One gate process, started at once."""

    def __init__(self, url: str, folder: Path, name: str, port: int) -> None:
        env = os.environ | {
            "PITWIRE_CONFIG": str(CONFIG),
            "PITWIRE_NATS_URL": url,
            "PITWIRE_NATS_SEED_FILE": str(folder / "keys" / "risk-gate.nk"),
            "PITWIRE_DATA_DIR": str(folder / name),
            "PITWIRE_HEALTH_PORT": str(port),
        }
        self._url = f"http://127.0.0.1:{port}"
        self._log = folder / f"{name}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, "-m", "pitwire.risk_gate"], env=env, stderr=log)

    def until_ready(self) -> float:
        """Waits until it leads and can decide; the seconds that took."""
        return self._until(lambda: bool(self._get("/readyz")))

    def until_folded(self, sequence: int) -> float:
        """Waits until it has read the journal up to `sequence`; the seconds that took."""
        return self._until(lambda: self._cursor() >= sequence)

    def cpu_s(self) -> float:
        """Processor time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def _cursor(self) -> float:
        found = [line for line in self._get("/metrics").splitlines() if line.startswith("pitwire_cursor{")]
        return float(found[0].split()[-1]) if found else 0.0

    def _get(self, path: str) -> str:
        """The page; empty while there is none."""
        try:
            with urllib.request.urlopen(self._url + path, timeout=1) as answer:
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""

    def _until(self, holds: Callable[[], bool]) -> float:
        began = time.perf_counter()
        while not holds():
            if time.perf_counter() - began > START_TIMEOUT_S:
                raise TimeoutError(self._log.read_text()[-2_000:])
            time.sleep(POLL_S)
        return time.perf_counter() - began


def start_and_take_over(url: str, folder: Path, records: int) -> dict[str, float]:
    """Seconds until a first gate is ready, and from its death until its warm standby is; each with processor time."""
    leader = Gate(url, folder, "leader", HEALTH_PORT)
    try:
        ready, ready_cpu = leader.until_ready(), leader.cpu_s()
        standby = Gate(url, folder, "standby", HEALTH_PORT + 1)
        try:
            standby.until_folded(records)
            before = standby.cpu_s()
            leader.end()
            return {
                "seconds_until_ready": ready,
                "cpu_seconds_until_ready": ready_cpu,
                "seconds_to_take_over": standby.until_ready(),
                "cpu_seconds_to_take_over": standby.cpu_s() - before,
            }
        finally:
            standby.end()
    finally:
        leader.end()


async def measure(records: int, folder: Path) -> None:
    async with journal_server(folder) as server:
        seeds = folder / "keys"
        gate, execution = [await connect(server.url, seeds, name) for name in ("risk-gate", "execution")]
        began = time.perf_counter()
        if (await gate.state(topology.OMS.name)).last_sequence < records:
            await build(gate, execution, records)
        built = time.perf_counter() - began
        leads = await until_execution_leads(execution, server.url, folder)
        for bus in (gate, execution):
            await bus.close()
        gates = await asyncio.to_thread(start_and_take_over, server.url, folder, records)
    starts = max(gates["seconds_until_ready"], leads)
    result = {
        "benchmark": "recovery",
        "ledger_records": records,
        "working_orders": ORDERS,
        **{name: round(value, 2) for name, value in gates.items()},
        "seconds_until_execution_leads": round(leads, 2),
        "ready_at_most": READY_MAX_S,
        "take_over_at_most": TAKEOVER_MAX_S,
        "holds": starts <= READY_MAX_S and gates["seconds_to_take_over"] <= TAKEOVER_MAX_S,
        "seconds_to_build": round(built, 1),
        "load_1m": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(result))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="keep the journal here, and go on with one that is here")
    asked = parser.parse_args()
    if asked.folder is not None:
        uvloop.run(measure(asked.records, asked.folder))
        return
    with tempfile.TemporaryDirectory() as name:
        uvloop.run(measure(asked.records, Path(name)))


if __name__ == "__main__":
    main()
