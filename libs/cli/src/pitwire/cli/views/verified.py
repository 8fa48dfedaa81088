"""`pitwire verify`: the checks of the verify library as a table and as a document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from pitwire.cli.discovery import NotRunning, Running, find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table, note
from pitwire.cli.verify import WAIT_DEFAULT_S, Outcome, verify
from pitwire.cli.verify.running import sources_of
from pitwire.common.bus.port import Bus
from pitwire.common.clock import Clock, SystemClock
from pitwire.common.config import load_config


async def verify_system(
    running: Running, bus: Bus, clock: Clock, *, wait_s: float = WAIT_DEFAULT_S, say: Callable[[str], None] = note
) -> Outcome:
    """Judges a running system over an operator's connection."""
    if not running.database_url:
        raise NotRunning("no database is named: set PITWIRE_DATABASE_URL, or start a system with `pitwire up`")
    sources = sources_of(load_config(running.config), bus=bus, database_url=running.database_url, clock=clock)
    return await verify(sources, wait_s=wait_s, say=say)


def verify_running(data_dir: Path, *, timeout_s: float) -> Reply:
    """Every check with its figure; exit code 0 only if all hold."""
    running = find_running(data_dir)

    async def ask() -> Outcome:
        async with await Operator.connect(running, SystemClock()) as operator:
            return await verify_system(running, operator.bus, SystemClock(), wait_s=timeout_s)

    return outcome_reply(asyncio.run(ask()))


def outcome_reply(outcome: Outcome) -> Reply:
    """The checks as rows; what does not hold is told below, one by one."""
    columns = (Column("check"), Column("what must hold"), Column("holds"), Column("judged on"))
    rows = tuple((c.id, c.name, "yes" if c.holds else "NO", c.figure) for c in outcome.checks)
    broken = tuple(f"{check.id} {check.name}: {check.detail}" for check in outcome.checks if not check.holds)
    verdict = "everything holds" if outcome.holds else f"{len(broken)} of {len(outcome.checks)} checks do not hold"
    code = ExitCode.OK if outcome.holds else ExitCode.NO
    return Reply(outcome.document(), (Table("", columns, rows, ""), *broken, verdict), code)
