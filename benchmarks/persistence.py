"""How fast persistence catches up with a journal, and what it weighs while doing so.

A real nats-server holds a journal of one account (decision, submission, acknowledgement, fill, marks ...), a real
PostgreSQL is empty, and the service is started as a process. `python benchmarks/persistence.py` prints one JSON line
per figure. The floor of the same run: reading the records and copying their bytes into one table, no logic.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
import psycopg

from pitwire.cli.servers import NatsServer, Postgres
from pitwire.common import codec, permissions, subjects
from pitwire.common.bus.nats import NatsBus
from pitwire.common.config import PitwireConfig, load_config
from pitwire.common.provisioning import apply_topology
from pitwire.common.testing.journal import BTC, ETH, Journal, limits, mark, order_intent

ROOT: Final = Path(__file__).parents[1]
WAIT_MAX_S: Final = 300.0
FLUSH_EVERY: Final = 500
ORDERS_PER_MARK: Final = 2


def records(orders: int) -> Iterator[tuple[str, dict[str, str], bytes]]:
    """Subject, headers and bytes of a journal with so many orders, each with its decision, acknowledgement and fill."""
    journal = Journal()
    journal.start(account_limits=limits())
    given = 0
    for number in range(1, orders + 1):
        instrument, side = (BTC, ETH)[number % 2], ("BUY", "SELL")[(number // 2) % 2]
        journal.ts_market_ns += 400_000_000
        journal.ts_ns += 400_000_000
        if number % ORDERS_PER_MARK == 0:
            journal.marks(mark(BTC, str(60_000 + number % 100)), mark(ETH, str(3_000 + number % 100)))
        intent = order_intent(number, side, "0.01", instrument_id=instrument, limit_price="60000")
        verdict = journal.approve(intent, worst_price="60000")
        journal.submitting(verdict)
        venue_order_id = str(number)
        journal.report(verdict, "NEW", venue_order_id=venue_order_id)
        journal.fill(verdict, "0.01", "59990.5", fee="0.59990", fee_currency="USDT", venue_order_id=venue_order_id)
        for entry in journal.entries:
            given += 1
            subject = subjects.ledger(journal.account) if entry.is_ledger else subjects.exec_events(journal.account)
            yield subject, codec.headers_for(entry.event), entry.raw
        journal.entries.clear()


def server_config(config: PitwireConfig, keys: Path) -> dict[str, Any]:
    """As `pitwire up` makes it, but one identity may write the whole journal, and writing it need not be durable."""
    identities = permissions.make_identities(keys)
    found = permissions.server_config(config, identities)
    for user in found["accounts"]["TRADING"]["users"]:
        if user["nkey"] == identities["risk-gate"].public_key:
            user["permissions"]["publish"]["allow"].append(subjects.LEDGER.split(".")[0] + ".>")
    return found | {"jetstream": True}


async def connect(url: str, keys: Path, principal: str) -> NatsBus:
    return await NatsBus.connect(
        url,
        principal=principal,
        name=f"bench-{principal}",
        seed_file=keys / f"{principal}.nk",
        on_trouble=lambda _: None,
        on_closed=lambda: None,
    )


async def write_journal(url: str, keys: Path, orders: int) -> int:
    """Publishes the journal; returns how many records it has, once the copy for readers has them all."""
    bus = await connect(url, keys, "risk-gate")
    count = 0
    for subject, headers, raw in records(orders):
        await bus.publish(subject, raw, headers)
        count += 1
        if count % FLUSH_EVERY == 0:
            await bus.state("OMS")
    reader = await connect(url, keys, "persistence")
    until = time.monotonic() + WAIT_MAX_S
    while (await reader.state("OMS")).last_sequence < count:
        if time.monotonic() > until:
            raise SystemExit(f"the copy holds {(await reader.state('OMS')).last_sequence} of {count} records")
        await asyncio.sleep(0.1)
    await reader.close()
    await bus.close()
    return count


async def floor(url: str, keys: Path, dsn: str, count: int) -> float:
    """Records per second: read in order, bytes copied into one table, a transaction per batch."""
    bus = await connect(url, keys, "persistence")
    began, read = time.perf_counter(), 0
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE floor (sequence bigint PRIMARY KEY, payload json)")
        async for batch in bus.read("OMS", ("oms.>",), after=0):
            with connection.cursor().copy("COPY floor FROM STDIN") as copy:
                for record in batch:
                    copy.write_row((record.sequence, record.data.decode()))
            connection.commit()
            read += len(batch)
            if read >= count:
                break
    elapsed = time.perf_counter() - began
    await bus.close()
    return count / elapsed


def cursor_of(connection: psycopg.Connection[Any]) -> int:
    try:
        row = connection.execute("SELECT cursor FROM journal_cursor WHERE stream = 'OMS'").fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return int(row[0]) if row else 0


def catch_up(url: str, keys: Path, dsn: str, config: Path, count: int, profile: str) -> dict[str, Any]:
    """Starts the service and follows its cursor from the first row to the last record."""
    env = os.environ | {
        "PITWIRE_CONFIG": str(config),
        "PITWIRE_NATS_URL": url,
        "PITWIRE_NATS_SEED_FILE": str(keys / "persistence.nk"),
        "PITWIRE_DATABASE_URL": dsn,
    }
    started = time.perf_counter()
    argv = [sys.executable, "-m", "pitwire.persistence"]
    if profile:
        argv = [sys.executable, "-m", "cProfile", "-o", profile, "-m", "pitwire.persistence"]
    process = subprocess.Popen(argv, env=env, stderr=sys.stderr)
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            while (first := cursor_of(connection)) == 0 and time.perf_counter() - started < WAIT_MAX_S:
                time.sleep(0.01)
            began = time.perf_counter()
            while (last := cursor_of(connection)) < count and time.perf_counter() - started < WAIT_MAX_S:
                time.sleep(0.02)
            ended = time.perf_counter()
            status = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    finally:
        process.terminate()
        process.wait(timeout=30)
    memory = {line.split(":")[0]: round(int(line.split()[1]) / 1024, 1) for line in status if line.startswith("Vm")}
    return {
        "records": last,
        "records_per_s": round((last - first) / (ended - began)),
        "start_to_first_row_s": round(began - started, 2),
        "rss_mb": memory["VmRSS"],
        "rss_peak_mb": memory["VmHWM"],
    }


async def measure(orders: int, profile: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        home.chmod(0o755)  # noqa: ASYNC240  # once, before anything is measured
        path = Path(os.environ.get("PITWIRE_CONFIG", ROOT / "pitwire.toml"))
        with (
            NatsServer(server_config(load_config(path), home / "keys"), home / "nats") as nats,
            Postgres(home / "pg", cache=ROOT / ".pitwire" / "cache") as postgres,
        ):
            await apply_topology(nats.url, home / "keys")
            count = await write_journal(nats.url, home / "keys", orders)
            dsn = postgres.dsn.replace("+psycopg", "")
            lowest = await floor(nats.url, home / "keys", dsn, count)
            found = await asyncio.to_thread(catch_up, nats.url, home / "keys", dsn, path, count, profile)
            print(orjson.dumps({"figure": "persistence catch-up", **found, "floor_per_s": round(lowest)}).decode())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--profile", default="", help="write cProfile statistics of the service here")
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.orders, arguments.profile))
