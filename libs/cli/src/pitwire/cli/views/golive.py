"""`pitwire golive check`: from paper to a testnet, from a testnet to real money; every reason not to, at once.

What the next step is configured with is asked of its venue; how the step before it went is asked of what runs here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from pitwire.cli.discovery import Running, find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.run.health import SILENT_AFTER_S
from pitwire.cli.views.reconciling import differences
from pitwire.cli.views.verified import verify_system
from pitwire.common import codec, subjects, topology
from pitwire.common.clock import NS_PER_S, SystemClock
from pitwire.common.config import Mode, PitwireConfig, load_config
from pitwire.common.errors import DecodeError, PitwireError
from pitwire.common.schemas.ledger import Halt, Resume
from pitwire.execution.adapters.binance.probe import AccountProbe, Probe
from pitwire.execution.adapters.keys import load_key

BEFORE: Final = {Mode.TESTNET: Mode.PAPER, Mode.LIVE: Mode.TESTNET}
"""What has to have run before a mode."""

CLOCK_AHEAD_MAX_MS: Final = 500
LOSS_MAX_PERCENT: Final = Decimal(10)
"""A daily loss limit above it is none."""

OWN_SOURCES: Final = frozenset({"execution", "risk-gate", "restore", "unreadable"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; without `reason` it is as it has to be."""

    name: str
    figure: str
    reason: str = ""


def check(data_dir: Path, candidate: Path) -> Reply:
    """Every check, also after one failed; exit code 1 with the reasons where any speaks against the next step."""
    config = load_config(candidate)
    running = find_running(data_dir)
    findings = asyncio.run(_examine(config, running))
    rows = tuple((each.name, "NO" if each.reason else "ok", each.figure, each.reason) for each in findings)
    reasons = [f"{each.name}: {each.reason}" for each in findings if each.reason]
    columns = (Column("check"), Column("state"), Column("figure"), Column("why not"))
    mode = config.run.mode.value
    verdict = f"{len(reasons)} reasons not to go {mode}" if reasons else f"nothing speaks against {mode}"
    document = {
        "mode": mode,
        "go": not reasons,
        "checks": [{"name": f.name, "ok": not f.reason, "figure": f.figure, "reason": f.reason} for f in findings],
    }
    return Reply(document, (Table("", columns, rows, ""), verdict), ExitCode.NO if reasons else ExitCode.OK)


async def _examine(config: PitwireConfig, running: Running) -> list[Finding]:
    before = load_config(running.config)
    found = [step(config.run.mode, before.run.mode), *limits(config)]
    for name in config.venue_accounts:
        found += await account(config, name)
    async with await Operator.connect(running, SystemClock()) as operator:
        checks: tuple[tuple[str, Callable[[], Awaitable[Finding]]], ...] = (
            ("services", lambda: services(operator)),
            ("data quality", lambda: quality(operator)),
            ("halts", lambda: halts(operator)),
            ("reconcile", lambda: agrees(operator, before)),
            ("verify", lambda: verified(operator, running)),
        )
        for title, ask in checks:
            try:
                found.append(await ask())
            except PitwireError as error:
                found.append(Finding(title, "not known", str(error)))
    return found


# -- what the next step is configured with ---------------------------------------------------------------------------


def step(wanted: Mode, runs: Mode) -> Finding:
    """Nobody jumps: what runs here is the step before."""
    figure = f"{runs} runs, {wanted} is wanted"
    if wanted not in BEFORE:
        return Finding("step", figure, "paper needs no leave; give the configuration of a testnet or of live: --config")
    reason = "" if runs in (wanted, BEFORE[wanted]) else f"let it run in {BEFORE[wanted]} first"
    return Finding("step", figure, reason)


def limits(config: PitwireConfig) -> list[Finding]:
    """Limits that limit something: below what is there, and only what the venue really trades."""
    found: list[Finding] = []
    for name, each in config.accounts.items():
        capital, limit = each.capital.get(each.quote, Decimal(0)), each.limits
        where = f"accounts.{name}.limits"
        reasons = [
            (
                limit.order_value_max > capital,
                f"order_value_max {limit.order_value_max} is above the capital {capital}",
            ),
            (
                limit.daily_loss_max_percent > LOSS_MAX_PERCENT,
                f"daily_loss_max_percent {limit.daily_loss_max_percent} is above {LOSS_MAX_PERCENT}",
            ),
            (not limit.instruments_allowed, "instruments_allowed names nothing"),
        ]
        why = "; ".join(text for is_wrong, text in reasons if is_wrong)
        figure = f"one order {limit.order_value_max}, a day {limit.daily_loss_max_percent} % of {capital} {each.quote}"
        found.append(Finding(where, figure, why))
    return found


async def account(config: PitwireConfig, name: str) -> list[Finding]:
    """Key, clock and money of one venue account."""
    mine = config.venue_accounts[name]
    venue = config.venues[mine.venue]
    try:
        key = load_key(mine.key_file, where=f"venue_accounts.{name}.key_file")
        if not venue.rest:
            return [Finding(f"{name} key", "not known", f"{venue.exchange} cannot be asked about a key from here")]
        async with AccountProbe(mine.venue, venue, key, SystemClock()) as probe:
            told = await probe.look()
    except PitwireError as error:
        return [Finding(f"{name} key", f"at {venue.network}", str(error))]
    return [
        Finding(f"{name} key", f"may trade at {venue.network}, and nothing worse"),
        _clock(name, told),
        *_money(config, name, told),
    ]


def _clock(name: str, told: Probe) -> Finding:
    is_off = abs(told.clock_ahead_ms) > CLOCK_AHEAD_MAX_MS
    reason = f"more than {CLOCK_AHEAD_MAX_MS} ms apart: set this machine's clock (NTP)" if is_off else ""
    return Finding(f"{name} clock", f"the venue's is {told.clock_ahead_ms:+} ms ahead", reason)


def _money(config: PitwireConfig, name: str, told: Probe) -> list[Finding]:
    """The first venue account of a risk account is the one whose capital is configured."""
    risk_account = config.venue_accounts[name].account
    if next(iter(config.venue_accounts_of(risk_account))) != name:
        return []
    found: list[Finding] = []
    for asset, amount in config.accounts[risk_account].capital.items():
        has = told.balances.get(asset, Decimal(0))
        reason = "" if has == amount else f"accounts.{risk_account}.capital says {amount}: the books would not agree"
        found.append(Finding(f"{name} {asset}", f"{has.normalize():f} at the venue", reason))
    return found


# -- how the step before it went -------------------------------------------------------------------------------------


async def services(operator: Operator) -> Finding:
    """Of each service the process heard last is ready; one that fell silent long ago, beside another, is gone."""
    now_ns = SystemClock().wall_ns()
    beats = {beat.service: beat for beat in sorted(await operator.heartbeats(), key=lambda beat: beat.ts_ns)}
    late = [b.service for b in beats.values() if now_ns - b.ts_ns > SILENT_AFTER_S * NS_PER_S or not b.ready]
    reason = f"not ready or not heard: {', '.join(late)}" if late else ""
    return Finding("services", f"{len(beats)} services", reason if beats else "nothing is heard")


async def quality(operator: Operator) -> Finding:
    """No instrument whose data lets only reductions pass."""
    doubts = [doubt for metrics in await operator.risk_metrics() for doubt in metrics.doubts]
    named = ", ".join(sorted({doubt.instrument_id for doubt in doubts}))
    return Finding("data quality", f"{len(doubts)} instruments in doubt", f"in doubt now: {named}" if doubts else "")


async def halts(operator: Operator) -> Finding:
    """An operator has halted and resumed here at least once, and nothing is halted now."""
    tried, resumed = 0, 0
    for record in await operator.records(topology.OMS.name, (subjects.pattern(subjects.HALT), subjects.RESUME)):
        try:
            message = codec.decode_known(record.subject, record.schema, record.data)
        except DecodeError:
            continue
        tried += isinstance(message, Halt) and message.source not in OWN_SOURCES
        resumed += isinstance(message, Resume)
    active = await operator.active_halts()
    reasons: Sequence[tuple[bool, str]] = (
        (not tried, "no operator has tried a halt here: pitwire halt --reason drill"),
        (bool(tried) and not resumed, "no halt was resumed yet"),
        (bool(active), f"halted now: {', '.join(halt.halt_id for halt in active)}"),
    )
    why = "; ".join(text for holds, text in reasons if holds)
    return Finding("halts", f"{tried} by operators, {resumed} resumes", why)


async def agrees(operator: Operator, before: PitwireConfig) -> Finding:
    """The books of the step before are the venue's."""
    found = [line for name in before.accounts for line in await differences(operator, before, name)]
    return Finding("reconcile", f"{len(found)} differences", "pitwire reconcile shows them" if found else "")


async def verified(operator: Operator, running: Running) -> Finding:
    """Every invariant that can be seen from outside, now."""
    outcome = await verify_system(running, operator.bus, SystemClock(), say=lambda _: None)
    broken = [check.id for check in outcome.checks if not check.holds]
    return Finding("verify", f"{len(outcome.checks)} checks", f"do not hold: {', '.join(broken)}" if broken else "")
