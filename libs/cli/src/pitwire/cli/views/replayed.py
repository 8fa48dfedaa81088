"""`pitwire replay` without a file: the decisions of the running system made again from its journal."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from pitwire.cli.discovery import find_running
from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.operator import Operator
from pitwire.cli.output import Column, Reply, Table
from pitwire.cli.verify.journal import JournalReader
from pitwire.cli.verify.repeated import Repeater
from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Bus
from pitwire.common.clock import SystemClock
from pitwire.common.config import PitwireConfig, load_config
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.market import Instrument


def replay_journal(data_dir: Path) -> Reply:
    """Every risk decision made again and compared byte for byte; exit code 1 where one differs."""
    running = find_running(data_dir)

    async def ask() -> Repeater:
        async with await Operator.connect(running, SystemClock()) as operator:
            return await repeat(operator.bus, load_config(running.config))

    return reply(asyncio.run(ask()))


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


def reply(repeater: Repeater) -> Reply:
    """The table, and every difference."""
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
    rows = tuple(
        (name, *(f"{row[key]:,}" for key in ("decisions", "verdicts", "not_repeatable", "differing")))
        for name, row in accounts.items()
    )
    names = ("decisions", "verdicts", "not repeatable", "differing")
    columns = (Column("account"), *(Column(name, right=True) for name in names))
    told = tuple(text for found in repeater.accounts.values() for text in found.differing.told)
    code = ExitCode.NO if told else ExitCode.OK
    verdict = "some decisions differ" if told else "every decision is the same, byte for byte"
    return Reply({"accounts": accounts}, (Table("", columns, rows, "no account"), *told, verdict), code)
