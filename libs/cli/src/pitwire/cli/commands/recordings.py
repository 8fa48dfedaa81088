"""Commands about recordings of market data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import ConfigOption, OutputOption
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
    file: Annotated[Path, typer.Argument(help="A recording.", exists=True, dir_okay=False)],
    *,
    output: OutputOption = Format.TEXT,
) -> None:
    """Make market data of a recording again: the same messages, byte for byte. Tells what is wrong in it."""

    def work() -> Reply:
        from pitwire.cli.views.recordings import replay_recording

        return replay_recording(file)

    finish(work, output)
