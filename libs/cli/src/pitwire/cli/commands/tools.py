"""Commands about the system itself: verify, logs, doctor, docs, topology."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import ConfigOption, DataDirOption, OutputOption
from pitwire.cli.output import Format, Reply, finish

topology = typer.Typer(help="Streams, accounts and permissions of the bus.", no_args_is_help=True)


def verify(
    *,
    timeout: Annotated[float, typer.Option(help="Seconds to wait until every reader has caught up.", min=0)] = 20.0,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Compare journal, PostgreSQL and venue, and check every invariant that can be seen from outside.

    Prints each check with its figure; exit code 0 only if all hold, 1 if one does not.
    """

    def work() -> Reply:
        from pitwire.cli.views.verified import verify_running

        return verify_running(data_dir, timeout_s=timeout)

    finish(work, output)


golive = typer.Typer(help="From paper to a testnet, from a testnet to real money.", no_args_is_help=True)


@golive.command("check")
def golive_check(
    *,
    config: ConfigOption = Path("pitwire.toml"),
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Every reason not to take the next step: the key, the limits and the clock of the configuration that is given.

    Of what runs here, which has to be the step before: services, quality of data, halts that were tried, verify and
    reconcile. Exit code 1 with the reasons.
    """

    def work() -> Reply:
        from pitwire.cli.views.golive import check

        return check(data_dir, config)

    finish(work, output)


def logs(
    services: Annotated[list[str] | None, typer.Argument(help="Only these; none named: all.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is written from now on.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Lines from the end of each log.", min=0)] = 20,
    level: Annotated[
        str, typer.Option("--level", "-l", help="At least this severe: debug, info, warning, error.")
    ] = "info",
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """The logs of the running system, or of the newest run, in the order of time."""

    def work() -> Reply:
        from pitwire.cli.views.logs import show_logs

        return show_logs(
            data_dir, tuple(services or ()), follow=follow, lines=lines, level=level, plain=output is Format.TEXT
        )

    finish(work, output)


def doctor(
    *,
    config: ConfigOption = Path("pitwire.toml"),
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Check what Pitwire needs on this machine, and what runs here; says what to do about each trouble."""

    def work() -> Reply:
        from pitwire.cli.views.doctor import examine

        return examine(config, data_dir)

    finish(work, output)


def docs(
    *,
    folder: Annotated[Path, typer.Option(help="Where the generated pages stand.")] = Path("docs/reference"),
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 if anything differs.")] = False,
    config: ConfigOption = Path("pitwire.toml"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Generate the reference pages from registry, enums, configuration and commands."""

    def work() -> Reply:
        from pitwire.cli.app import app
        from pitwire.cli.reference.build import build_docs

        return build_docs(folder, config, app, check=check)

    finish(work, output)


@topology.command()
def apply(
    *,
    seeds: Annotated[
        Path | None, typer.Option(help="Folder with the identities; default: those of the running system.")
    ] = None,
    replicas: Annotated[
        int | None,
        typer.Option(help="Replicas of every stream; default: as many as it has, 1 on a new bus.", min=1, max=5),
    ] = None,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Create or update every stream and its copies. Safe to repeat; `pitwire up` does it by itself.

    Where a database is named, what the journal lost is put back from its rows first, as `pitwire up --keep` does it.
    """

    def work() -> Reply:
        from pitwire.cli.views.topology import apply_to_running

        return apply_to_running(data_dir, seeds, replicas)

    finish(work, output)


@topology.command("server-config")
def server_config(
    *,
    seeds: Annotated[Path, typer.Option(help="Folder for the identities; made where missing, kept where there.")],
    file: Annotated[Path, typer.Option(help="The nats-server configuration to write; it holds public keys only.")],
    host: Annotated[str, typer.Option(help="Address the server listens on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port the server listens on.", min=1, max=65_535)] = 4222,
    store: Annotated[str, typer.Option(help="Folder of the streams, as the server sees it.")] = "/data",
    config: ConfigOption = Path("pitwire.toml"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Write identities and the server's configuration for a bus that somebody else runs."""

    def work() -> Reply:
        from pitwire.cli.views.topology import write_server_config

        return write_server_config(config, seeds, file, host=host, port=port, store=store)

    finish(work, output)
