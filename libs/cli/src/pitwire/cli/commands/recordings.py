"""Commands about recordings: of market data, and the journal as one of decisions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import ConfigOption, DataDirOption, OutputOption
from pitwire.cli.output import Format, Reply, finish


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
