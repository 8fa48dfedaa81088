"""`pitwire doctor`: is this machine fit, and is what runs here well? Each trouble comes with what to do."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pitwire.cli.database import database_of
from pitwire.cli.discovery import NotRunning, find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.run.health import SILENT_AFTER_S
from pitwire.cli.servers.binaries import find_nats, find_postgres
from pitwire.common.agreement import disagreement
from pitwire.common.clock import NS_PER_MS, NS_PER_S, SystemClock
from pitwire.common.config import load_config
from pitwire.common.errors import PitwireError
from pitwire.common.schemas.control import Heartbeat

PYTHON_MIN: Final = (3, 11)
DISK_FREE_MIN_GB: Final = 2.0
MEMORY_MIN_MB: Final = 800
CLOCK_STEP_MAX_MS: Final = 50
CLOCK_WATCH_S: Final = 0.2
YEAR_2024_NS: Final = 1_704_067_200 * NS_PER_S
GIGABYTE: Final = 1024**3


class Level(StrEnum):
    """How a check stands; only `bad` keeps Pitwire from running."""

    OK = "ok"
    WARNING = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: what was looked at, how it stands, the figure, and what to do when it is not well."""

    name: str
    level: Level
    figure: str
    advice: str = ""


def examine(config: Path, data_dir: Path) -> Reply:
    """Every check, also after one failed; exit code 1 if any is bad."""
    checks: tuple[Callable[[], Finding], ...] = (
        python_version,
        nats_server,
        postgres,
        free_port,
        lambda: disk_space(data_dir),
        memory,
        clock,
        lambda: configuration(config),
        lambda: running_bus(data_dir),
        lambda: running_agreement(data_dir),
        lambda: running_database(data_dir),
    )
    findings = [check() for check in checks]
    columns = (Column("check"), Column("state"), Column("figure"), Column("what to do"))
    rows = tuple((f.name, f.level.value, f.figure, f.advice) for f in findings)
    bad = any(f.level is Level.BAD for f in findings)
    document = {
        "healthy": not bad,
        "checks": [{"name": f.name, "state": f.level.value, "figure": f.figure, "advice": f.advice} for f in findings],
    }
    return Reply(document, (Table("", columns, rows, ""),), ExitCode.NO if bad else ExitCode.OK)


def python_version() -> Finding:
    """The interpreter this runs on."""
    version = sys.version.split()[0]
    if sys.version_info < PYTHON_MIN:
        return Finding("python", Level.BAD, version, "install Python 3.11 or newer")
    return Finding("python", Level.OK, version)


def nats_server() -> Finding:
    """The binary an embedded bus would use."""
    try:
        return Finding("nats-server", Level.OK, str(find_nats()))
    except PitwireError as error:
        return Finding("nats-server", Level.BAD, "none found", str(error))


def postgres() -> Finding:
    """The binaries an embedded database would use."""
    try:
        found = find_postgres()
    except PitwireError as error:
        return Finding("postgresql", Level.BAD, "none found", str(error))
    return Finding("postgresql", Level.OK, f"{found.version} from {found.source}")


def free_port() -> Finding:
    """Whether this user may listen on the loopback address at all."""
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            probe.listen(1)
            port = probe.getsockname()[1]
    except OSError as error:
        return Finding("ports", Level.BAD, str(error), "allow this user to listen on 127.0.0.1")
    return Finding("ports", Level.OK, f"127.0.0.1:{port} was free")


def disk_space(data_dir: Path) -> Finding:
    """Room for journal, database and logs."""
    place = next(path for path in (data_dir.resolve(), *data_dir.resolve().parents) if path.exists())
    if not os.access(place, os.W_OK):
        return Finding("disk", Level.BAD, f"{place} cannot be written", "choose another --data-dir")
    free = shutil.disk_usage(place).free / GIGABYTE
    figure = f"{free:.1f} GB free in {place}"
    if free < DISK_FREE_MIN_GB:
        advice = f"free {DISK_FREE_MIN_GB:g} GB: `make clean-data` removes old runs"
        return Finding("disk", Level.BAD, figure, advice)
    return Finding("disk", Level.OK, figure)


def memory() -> Finding:
    """Room for all processes."""
    available_mb = _available_mb()
    if available_mb is None:
        return Finding("memory", Level.OK, "this system does not say")
    if available_mb < MEMORY_MIN_MB:
        advice = f"a whole system wants {MEMORY_MIN_MB} MB; close something"
        return Finding("memory", Level.WARNING, f"{available_mb} MB available", advice)
    return Finding("memory", Level.OK, f"{available_mb} MB available")


def _available_mb() -> int | None:
    """What could be used without swapping, as Linux reckons it; None elsewhere."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return int(found[0]) // 1024 if found else None


def clock() -> Finding:
    """The wall clock must be plausible and must not jump: it signs requests and drives time-outs."""
    system = SystemClock()
    if system.wall_ns() < YEAR_2024_NS:
        return Finding(
            "clock", Level.BAD, "before 2024", "set the clock; venues refuse requests signed at a wrong time"
        )
    wall, monotonic = system.wall_ns(), system.monotonic_ns()
    asyncio.run(asyncio.sleep(CLOCK_WATCH_S))
    step_ms = abs((system.wall_ns() - wall) - (system.monotonic_ns() - monotonic)) / NS_PER_MS
    if step_ms > CLOCK_STEP_MAX_MS:
        return Finding(
            "clock", Level.WARNING, f"jumped by {step_ms:.0f} ms", "is something setting the clock by steps?"
        )
    return Finding("clock", Level.OK, f"steady within {step_ms:.2f} ms")


def configuration(path: Path) -> Finding:
    """Whether the configuration file can be used."""
    try:
        config = load_config(path)
    except PitwireError as error:
        return Finding("configuration", Level.BAD, str(path), str(error))
    figure = (
        f"{path}: {len(config.accounts)} account, {len(config.strategies)} strategies, mode {config.run.mode.value}"
    )
    return Finding("configuration", Level.OK, figure)


def running_bus(data_dir: Path) -> Finding:
    """Whether the bus of what runs here answers."""
    try:
        running = find_running(data_dir)
    except NotRunning:
        return Finding("bus", Level.OK, "nothing runs here", "`make run` or `pitwire up` starts it")
    except PitwireError as error:
        return Finding("bus", Level.BAD, "unknown", str(error))

    async def ask() -> int:
        async with await Operator.connect(running, SystemClock()) as operator:
            return (await operator.bus.state("OMS")).last_sequence

    try:
        return Finding("bus", Level.OK, f"{running.nats_url}, journal at {asyncio.run(ask())}")
    except PitwireError as error:
        return Finding("bus", Level.BAD, running.nats_url, str(error))


def running_agreement(data_dir: Path) -> Finding:
    """Whether what runs here was configured, built and released together."""
    try:
        running = find_running(data_dir)
    except NotRunning:
        return Finding("agreement", Level.OK, "nothing runs here")
    except PitwireError as error:
        return Finding("agreement", Level.BAD, "unknown", str(error))

    async def ask() -> tuple[Heartbeat, ...]:
        async with await Operator.connect(running, SystemClock()) as operator:
            return await operator.heartbeats()

    try:
        beats = asyncio.run(ask())
    except PitwireError as error:
        return Finding("agreement", Level.BAD, "unknown", str(error))
    now_ns = SystemClock().wall_ns()
    lately = [beat for beat in beats if now_ns - beat.ts_ns <= SILENT_AFTER_S * NS_PER_S]
    if odd := disagreement(lately):
        return Finding("agreement", Level.BAD, odd, "start every process with the same configuration and release")
    return Finding("agreement", Level.OK, f"{len(lately)} processes with one configuration and release")


def running_database(data_dir: Path) -> Finding:
    """Whether the database of what runs here answers."""
    try:
        with database_of(find_running(data_dir)) as database:
            version = database.row("show server_version")["server_version"]
    except NotRunning:
        return Finding("database", Level.OK, "nothing runs here")
    except PitwireError as error:
        return Finding("database", Level.BAD, "not reached", str(error))
    return Finding("database", Level.OK, f"PostgreSQL {version}")
