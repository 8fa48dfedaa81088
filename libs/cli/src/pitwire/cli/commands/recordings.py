"""Commands about recordings: of market data, and the journal as one of decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import ConfigOption, DataDirOption, OutputOption
from pitwire.cli.output import Format, Reply, finish

history = typer.Typer(help="Candles of the past.", no_args_is_help=True)


@history.command("fetch")
def history_fetch(
    instrument: Annotated[str, typer.Argument(help="SYMBOL.VENUE, as in BTC-USDT.sim")],
    *,
    since: Annotated[str, typer.Option(help="First open time, UTC: 2024-01-31 or 2024-01-31T12:30.")],
    until: Annotated[str, typer.Option(help="First open time that is not wanted any more; none: now.")] = "",
    interval: Annotated[str, typer.Option("--interval", "-i", help="1m 5m 1h 1d ...")] = "1m",
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Fetch candles from a venue into the database of the running system; what is there already stays as it is.

    Can be broken off and called again: whole pages are not asked for twice. Tells every gap; exit code 1 if there is
    one.
    """

    def work() -> Reply:
        from pitwire.cli.views.history import fetch_history

        return fetch_history(data_dir, instrument=instrument, interval=interval, since=since, until=until)

    finish(work, output)


def record(
    venue: Annotated[str, typer.Argument(help="One of `venues` in the configuration.")],
    *,
    out: Annotated[Path, typer.Option(help="Folder of the recordings: one file a venue and UTC day.")] = Path(
        ".pitwire/recordings"
    ),
    seconds: Annotated[float, typer.Option("--for", help="How many seconds.", min=0.1)] = 60.0,
    config: ConfigOption = Path("pitwire.toml"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Record a venue's raw frames, books and candles with their receive time, compressed."""

    def work() -> Reply:
        from pitwire.cli.views.recordings import record_venue

        return record_venue(config, venue, out, seconds)

    finish(work, output)


def replay(
    file: Annotated[
        Path | None, typer.Argument(help="A recording; none: the journal of the running system.", exists=True)
    ] = None,
    *,
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Make what was recorded again, byte for byte, and tell what differs or is wrong; then the exit code is 1.

    With a file, the market data of that recording. Without, every decision in the journal of the running system: the
    gate's from the journal, those of strategies from what their processes were given (stream `DELIVERED`).
    """

    def work() -> Reply:
        from pitwire.cli.views.recordings import replay_recording
        from pitwire.cli.views.replayed import replay_journal

        return replay_journal(data_dir) if file is None else replay_recording(file)

    finish(work, output)
