"""`pitwire replay` without a file: what gate and strategies decided, decided again from what is kept."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pitwire.cli.discovery import find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.identities import connect_as
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.verify.journal import JournalReader
from pitwire.cli.verify.repeated import Repeater
from pitwire.cli.verify.strategies_repeated import Decided, StrategyRepeater
from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus, Record
from pitwire.common.config import PitwireConfig, load_config
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.deliveries import Deliveries
from pitwire.common.schemas.market import Instrument

PRINCIPAL: Final = "auditor"
SETTLE_S: Final = 1.0
"""Strategies write down what they were given four times a second."""


@dataclass(frozen=True, slots=True)
class Strategies:
    """What became of the decisions of each, and which processes left too little to be lived again."""

    decided: dict[str, Decided]
    incomplete: tuple[str, ...] = ()


def replay_journal(data_dir: Path) -> Reply:
    """Every decision made again and compared byte for byte; exit code 1 where one differs."""
    running = find_running(data_dir)
    config = load_config(running.config)

    async def ask() -> Reply:
        bus = await connect_as(PRINCIPAL, running)
        try:
            repeater = await repeat(bus, config)
            strategies = await repeat_strategies(bus, config, (running.config.resolve().parent, Path.cwd()))
        finally:
            await bus.close()
        return reply(repeater, strategies)

    return asyncio.run(ask())


@dataclass(frozen=True, slots=True)
class Kept:
    """What the bus holds of a run, by the sequences of each stream; `upto` is as far as deliveries are surely there."""

    journal: dict[int, Record]
    candles: dict[int, Record]
    deliveries: tuple[Deliveries, ...]
    instruments: dict[str, Instrument]
    upto: int


async def kept(bus: Bus) -> Kept:
    """Everything that is there now."""
    journal = await _records(bus, topology.OMS.name, topology.OMS.subjects)
    upto = max(journal, default=0)
    await asyncio.sleep(SETTLE_S)
    delivered = await _records(bus, topology.DELIVERED.name, topology.DELIVERED.subjects)
    later = await _records(bus, topology.OMS.name, topology.OMS.subjects, after=upto)
    definitions = await bus.last_of_each(topology.INSTRUMENTS.name, subjects.pattern(subjects.INSTRUMENT))
    found = [codec.decode(Instrument, each.data, subject=each.subject) for each in definitions]
    return Kept(
        {**journal, **later},
        await _records(bus, topology.CANDLES.name, topology.CANDLES.subjects),
        tuple(codec.decode(Deliveries, record.data, subject=record.subject) for record in delivered.values()),
        {each.instrument_id: each for each in found},
        upto,
    )


async def repeat_strategies(bus: Bus, config: PitwireConfig, folders: tuple[Path, ...]) -> Strategies:
    """Every intent that the gate has decided by now, made again by the strategies."""
    found = await kept(bus)
    repeater = StrategyRepeater(config, folders, found.journal, found.candles)
    await asyncio.to_thread(repeater.feed, found.deliveries)
    return Strategies(repeater.decided(upto=found.upto), tuple(repeater.incomplete))


async def _records(bus: Bus, stream: str, filters: tuple[str, ...], *, after: int = 0) -> dict[int, Record]:
    """Everything that is there now, by its sequence, in order."""
    found: dict[int, Record] = {}
    async with contextlib.aclosing(bus.read(stream, filters, after=after)) as batches:
        async for batch in batches:
            found.update((record.sequence, record) for record in batch)
            if not batch:
                break
    return found


async def repeat(bus: Bus, config: PitwireConfig) -> Repeater:
    """The whole journal as it is now, decided again."""
    definitions = await bus.last_of_each(topology.INSTRUMENTS.name, subjects.pattern(subjects.INSTRUMENT))
    repeater = Repeater(
        {name: account.quote for name, account in config.accounts.items()},
        {name: {key: found.venue for key, found in config.venue_accounts_of(name).items()} for name in config.accounts},
        InstrumentRegistry(tuple(codec.decode(Instrument, each.data, subject=each.subject) for each in definitions)),
    )
    end = (await bus.state(topology.OMS.name)).last_sequence
    async with contextlib.aclosing(JournalReader(bus)) as journal:
        async for records in journal.upto(end):
            repeater.feed(records)
    return repeater


def reply(repeater: Repeater, strategies: Strategies) -> Reply:
    """Both tables, and every difference."""
    accounts = {
        name: {
            "decisions": found.decisions,
            "verdicts": found.verdicts,
            "not_repeatable": found.not_repeatable,
            "differing": found.differing.count,
            "differences": found.differing.told,
        }
        for name, found in repeater.accounts.items()
    }
    intents = {
        name: {
            "intents": found.intents,
            "same": found.same,
            "not_repeatable": found.not_repeatable,
            "differing": found.differing.count,
            "differences": found.differing.told,
        }
        for name, found in strategies.decided.items()
    }
    findings = [each.differing for each in repeater.accounts.values()]
    findings += [each.differing for each in strategies.decided.values()]
    told = tuple(text for each in findings for text in each.told)
    verdict = "some decisions differ" if told else "every decision is the same, byte for byte"
    document = {"accounts": accounts, "strategies": intents, "incomplete": list(strategies.incomplete)}
    tables = (
        _table("account", ("decisions", "verdicts", "not_repeatable", "differing"), accounts),
        _table("strategy", ("intents", "same", "not_repeatable", "differing"), intents),
    )
    return Reply(document, (*tables, *strategies.incomplete, *told, verdict), ExitCode.NO if told else ExitCode.OK)


def _table(of: str, names: tuple[str, ...], found: dict[str, dict[str, Any]]) -> Table:
    rows = tuple((name, *(f"{row[key]:,}" for key in names)) for name, row in found.items())
    columns = (Column(of), *(Column(name.replace("_", " "), right=True) for name in names))
    return Table("", columns, rows, f"no {of}")
