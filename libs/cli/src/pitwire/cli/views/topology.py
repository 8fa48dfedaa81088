"""`pitwire topology`: streams on a running bus, and the configuration of one that somebody else runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from pitwire.cli.discovery import NotRunning, Running, find_running
from pitwire.cli.output import Column, Reply, Table, note
from pitwire.cli.restoring import restore_journal
from pitwire.common import topology
from pitwire.common.clock import SystemClock
from pitwire.common.config import load_config
from pitwire.common.permissions import make_identities, server_config
from pitwire.common.provisioning import apply_topology


def apply_to_running(data_dir: Path, seeds: Path | None, replicas: int | None = None) -> Reply:
    """One line per stream: `ready` (made, or already so), `updated`, or `made anew` for a copy of a lost life."""
    running = find_running(data_dir)
    folder = seeds or (running.operator_seed.parent if running.operator_seed else None)
    if not running.nats_url or folder is None:
        raise NotRunning("which bus, and who am I there? set PITWIRE_NATS_URL and give --seeds")
    report = asyncio.run(_applied(running, running.nats_url, folder, replicas))
    rows = [line.partition(": ")[::2] for line in report]
    table = Table("", (Column("stream"), Column("result")), tuple(rows), "no streams are declared")
    return Reply([{"stream": name, "result": result} for name, result in rows], (table,))


async def _applied(running: Running, url: str, seeds: Path, replicas: int | None) -> list[str]:
    """Where a database is named, first what the journal lost: afterwards anybody may write there."""
    report: list[str] = []
    if running.database_url:
        restored = await restore_journal(url, seeds, running.database_url, SystemClock(), replicas=replicas, tell=note)
        report += [f"{topology.OMS.name}: {restored}"] if restored is not None else []
    return report + await apply_topology(url, seeds, replicas=replicas)


def write_server_config(config: Path, seeds: Path, file: Path, *, host: str, port: int, store: str) -> Reply:
    """Identities (secret, 0600) into `seeds`, the server's configuration (public keys only) into `file`."""
    identities = make_identities(seeds)
    settings = server_config(load_config(config), identities, host=host, port=port)
    settings["jetstream"] |= {"store_dir": store}
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    text = f"{file} written; {len(identities)} identities in {seeds}"
    return Reply({"file": str(file), "seeds": str(seeds), "identities": sorted(identities)}, (text,))
