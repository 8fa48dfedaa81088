"""`pitwire status`: what runs, how far each part is, which halts hold."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pitwire.cli.database import database_of
from pitwire.cli.discovery import Running, find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.run.health import SILENT_AFTER_S
from pitwire.cli.run.plan import SERVICES
from pitwire.cli.run.summary import money
from pitwire.cli.run.venue_control import VenueControl
from pitwire.cli.views.halting import halt_document, halts_table
from pitwire.common.agreement import disagreement
from pitwire.common.clock import NS_PER_MS, NS_PER_S, SystemClock
from pitwire.common.errors import TransientError
from pitwire.common.schemas.control import Heartbeat, RiskMetrics
from pitwire.common.schemas.ledger import Halt

NEVER = "never heard"


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was found at one moment."""

    beats: tuple[Heartbeat, ...]
    metrics: tuple[RiskMetrics, ...]
    halts: tuple[Halt, ...]
    journal: int
    wall_ns: int
    venue: dict[str, Any]
    database: str


def show_status(data_dir: Path) -> Reply:
    """One look at everything; exit code 1 if a service is silent, not ready or at odds, or the database is away."""
    running = find_running(data_dir)
    seen = asyncio.run(_look(running))
    services = [service_state(name, seen) for name in SERVICES]
    odd = at_odds(seen)
    well = all(service["state"] == "ready" for service in services) and not seen.database and not odd
    document = {
        "ready": well,
        "services": services,
        "disagreement": odd,
        "accounts": [_account(metrics) for metrics in seen.metrics],
        "doubts": doubts_of(seen.metrics),
        "halts": [halt_document(halt) for halt in seen.halts],
        "journal_sequence": seen.journal,
        "venue": seen.venue,
        "database": seen.database or "ok",
        "run": str(running.run or ""),
        "market": running.market,
    }
    tables = (_services_table(services), _accounts_table(seen.metrics), _doubts_table(seen), halts_table(seen.halts))
    return Reply(document, (*_warning(odd), *tables, _footer(running, seen)), ExitCode.OK if well else ExitCode.NO)


def service_state(name: str, seen: Seen) -> dict[str, Any]:
    """What is known of one service, from the newest heartbeat of its processes."""
    beats = [beat for beat in seen.beats if beat.service == name]
    if not beats:
        return {
            "service": name,
            "state": NEVER,
            "age_ms": None,
            "market_time": "",
            "cursor": 0,
            "lag": 0,
            "leader": False,
        }
    beat = max(beats, key=lambda candidate: candidate.ts_ns)
    age_ms = _age_ms(beat, seen)
    silent = age_ms > SILENT_AFTER_S * 1_000
    return {
        "service": name,
        "state": "silent" if silent else "ready" if beat.ready else "not ready",
        "age_ms": age_ms,
        "market_time": iso(beat.ts_market_ns),
        "cursor": beat.cursor,
        "lag": beat.lag,
        "leader": beat.leader,
    }


def at_odds(seen: Seen) -> str:
    """Which processes may not trade together; empty when all that were heard lately may."""
    return disagreement(beat for beat in seen.beats if _age_ms(beat, seen) <= SILENT_AFTER_S * 1_000)


def doubts_of(accounts: tuple[RiskMetrics, ...]) -> dict[str, str]:
    """Instruments whose market data lets only reductions pass, and why, as the gate of any account says."""
    return {doubt.instrument_id: doubt.reason for metrics in accounts for doubt in metrics.doubts}


def _age_ms(beat: Heartbeat, seen: Seen) -> int:
    return max(0, (seen.wall_ns - beat.ts_ns) // NS_PER_MS)


def _warning(odd: str) -> tuple[str, ...]:
    if not odd:
        return ()
    return (f"NOTHING IS APPROVED: {odd}; start every process with the same configuration and release",)


def iso(ts_ns: int) -> str:
    """UTC with milliseconds; empty for no time."""
    if not ts_ns:
        return ""
    return datetime.fromtimestamp(ts_ns / NS_PER_S, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def _look(running: Running) -> Seen:
    clock = SystemClock()
    async with await Operator.connect(running, clock) as operator:
        beats, metrics = await operator.heartbeats(), await operator.risk_metrics()
        halts = await operator.active_halts()
        journal = (await operator.bus.state("OMS")).last_sequence
    return Seen(beats, metrics, halts, journal, clock.wall_ns(), await _venue(running), _database(running))


async def _venue(running: Running) -> dict[str, Any]:
    if running.venue is None:
        return {}
    try:
        return await VenueControl(running.venue.control).status()
    except TransientError as error:
        return {"error": str(error)}


def _database(running: Running) -> str:
    """Empty when it answers, else why not."""
    try:
        with database_of(running) as database:
            database.row("select 1 as one")
    except TransientError as error:
        return str(error)
    return ""


def _account(metrics: RiskMetrics) -> dict[str, Any]:
    return {
        "account": metrics.account,
        "trading_state": metrics.trading_state,
        "equity": metrics.equity,
        "daily_pnl": metrics.daily_pnl,
        "drawdown_percent": metrics.drawdown_percent,
        "open_positions": metrics.open_positions,
        "working_orders": metrics.working_orders,
    }


def _services_table(services: list[dict[str, Any]]) -> Table:
    names = ("service", "state", "last heard", "market time", "journal", "lag")
    columns = tuple(Column(name, right=name in ("last heard", "journal", "lag")) for name in names)
    rows = tuple(
        (
            service["service"] + (" *" if service["leader"] else ""),
            service["state"],
            "-" if service["age_ms"] is None else f"{service['age_ms']} ms",
            service["market_time"] or "-",
            str(service["cursor"] or "-"),
            str(service["lag"]),
        )
        for service in services
    )
    return Table("services (* leads)", columns, rows, "")


def _accounts_table(accounts: tuple[RiskMetrics, ...]) -> Table:
    names = ("account", "trading", "equity", "day", "drawdown", "positions", "working")
    columns = tuple(Column(name, right=name not in ("account", "trading")) for name in names)
    rows = tuple(
        (
            m.account,
            m.trading_state,
            money(m.equity),
            money(m.daily_pnl),
            f"{m.drawdown_percent:.2f} %",
            str(m.open_positions),
            str(m.working_orders),
        )
        for m in accounts
    )
    return Table("accounts", columns, rows, "no account has reported yet: is the risk gate ready?")


def _doubts_table(seen: Seen) -> Table:
    rows = tuple(doubts_of(seen.metrics).items())
    return Table("market data in doubt", (Column("instrument"), Column("reason")), rows, "all market data is trusted")


def _footer(running: Running, seen: Seen) -> str:
    lines = [f"journal at {seen.journal}; database {seen.database or 'ok'}"]
    if seen.venue:
        lines.append(
            "venue: " + str(seen.venue["error"])
            if "error" in seen.venue
            else f"venue at {iso(int(seen.venue['market_ms']) * NS_PER_MS)}, speed {seen.venue['speed_reached']} of "
            f"{seen.venue['speed']}, {seen.venue['bars']} bars" + (", ended" if seen.venue["ended"] else "")
        )
    if running.run:
        lines.append(f"run {running.run} on {running.market}")
    return "\n".join(lines)
