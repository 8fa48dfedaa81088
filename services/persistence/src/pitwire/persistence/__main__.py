"""Persistence: everything on the bus becomes rows in PostgreSQL, rows and cursor in one transaction."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import Final

from pitwire.common import topology
from pitwire.common.config import ServiceSettings
from pitwire.common.enums import AlertSeverity
from pitwire.common.errors import StoreUnavailable
from pitwire.common.service import EXIT_FAILED, Service, run
from pitwire.persistence.adapters.postgres import PostgresStore
from pitwire.persistence.adapters.schema import ensure_schema
from pitwire.persistence.config import Config, database_url_of
from pitwire.persistence.core.journal import Notice
from pitwire.persistence.handlers.release import release_stopped
from pitwire.persistence.handlers.report import ShellReport
from pitwire.persistence.handlers.watch import JournalLost
from pitwire.persistence.handlers.writer import GATHER_S, Source, StreamWriter, journal_source, other_source

EXIT_JOURNAL_LOST: Final = 3
"""The journal is not the one whose rows are stored; a restart will not mend that."""

OTHERS: Final = (
    topology.CONTROL,
    topology.CANDLES,
    topology.INSTRUMENTS,
    topology.ALERTS,
    topology.TRACES,
    topology.DEAD_LETTERS,
)


async def main() -> int:
    """Every stream into its tables, until it is told to stop."""
    config = Config.from_env()
    sources = [journal_source(topology.OMS.subjects, config.quotes)]
    sources += [
        # a fast replay goes on when a candle is stored
        other_source(stream.name, stream.subjects, gather_s=0.0 if stream is topology.CANDLES else GATHER_S)
        for stream in OTHERS
    ]
    lost: list[JournalLost] = []
    async with Service("persistence", config.service, config_hash=config.config_hash) as service:

        async def write(source: Source) -> None:
            try:
                await StreamWriter(source, service.bus, store, report, service.clock, service.tracing).run()
            except JournalLost as error:
                lost.append(error)
                await report.notice(Notice(AlertSeverity.CRITICAL, error.code, str(error)))
                service.fail(str(error))

        def waits(reason: str) -> None:
            service.log.warning("waits", reason=reason)

        async def start() -> None:
            await ensure_schema(store, on_trouble=waits)
            await release_stopped(store, config.quotes, report)
            for source in sources:
                service.spawn(source.stream, write(source))

        report = ShellReport(service, tuple(source.stream for source in sources))
        store = PostgresStore(config.database_url)
        service.spawn("start", start())
        code = await service.run()
        await store.close()
    return EXIT_JOURNAL_LOST if lost else code


def migrate_main(arguments: argparse.Namespace) -> int:
    """Moves the schema; prints the revision it reached."""
    from pitwire.persistence.adapters.migrate import migrate  # noqa: PLC0415 - SQLAlchemy is for this command alone

    url = database_url_of(ServiceSettings.from_env())
    try:
        reached = migrate(url, arguments.to, downgrade=arguments.down)
    except StoreUnavailable as error:
        sys.stderr.write(f"{error.code}: {error}\n")
        return EXIT_FAILED
    sys.stdout.write(f"schema {reached}\n")
    return 0


def parse(argv: list[str]) -> argparse.Namespace:
    """No command serves; `migrate` moves the schema and ends."""
    parser = argparse.ArgumentParser(prog="python -m pitwire.persistence", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    moving = commands.add_parser("migrate", help="bring the schema to this build, then end")
    moving.add_argument("--to", default="head", help="revision; base = nothing at all (with --down)")
    moving.add_argument("--down", action="store_true", help="go back to --to: tables and their rows are dropped")
    return parser.parse_args(argv)


def start() -> None:
    """The entry point; exit code 0 stopped, 1 failed (restart me), 2 configuration or schema wrong, 3 journal lost."""
    arguments = parse(sys.argv[1:])

    async def migrate_only() -> int:
        return await asyncio.to_thread(migrate_main, arguments)

    run(migrate_only if arguments.command == "migrate" else main)


if __name__ == "__main__":
    start()
