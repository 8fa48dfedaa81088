"""`pitwire up` and `pitwire venue`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.commands.options import ConfigOption, DataDirOption, OutputOption
from pitwire.cli.output import Format, Reply, finish

SPEED_DEFAULT = 60.0


def up(
    *,
    data: Annotated[
        str,
        typer.Option(help="'generated', or a file or folder of recorded candles or captured frames.", metavar="MARKET"),
    ] = "generated",
    speed: Annotated[float, typer.Option(help="Market seconds per second of wall time.", min=0.01)] = SPEED_DEFAULT,
    for_seconds: Annotated[
        float | None,
        typer.Option("--for", help="Trade so many seconds, verify, print a JSON summary and end.", min=1),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Go on with the newest run instead of a fresh one.")] = False,
    config: ConfigOption = Path("pitwire.toml"),
    data_dir: DataDirOption = Path(".pitwire"),
    output: OutputOption = Format.TEXT,
) -> None:
    """Start everything on this machine and trade until Ctrl-C.

    Starts a bus and a database (unless PITWIRE_NATS_URL and PITWIRE_DATABASE_URL name some), the simulated venue and
    every service as its own process; keeps them alive; stops all of them in order. Progress goes to standard error.
    With --for the last line of standard output is the JSON summary; the exit code is 0 only if `pitwire verify` held.
    """

    def work() -> Reply:
        from pitwire.cli.run.session import run_up
        from pitwire.cli.run.system import UpOptions, check_market

        options = UpOptions(config, data_dir, check_market(data), speed, for_seconds, keep)
        return run_up(options)

    finish(work, output)


def venue(
    *,
    port: Annotated[int, typer.Option(help="Port for clients; 0 takes any free one.", min=0, max=65_535)],
    venue_config: Annotated[
        Path | None,
        typer.Option("--config", help="The venue's own TOML file: instruments, fees, latency, offset (its README)."),
    ] = None,
    market: Annotated[
        str | None, typer.Option(help="'generated', or a file or folder of recorded candles or captured frames.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="Market seconds per second of wall time; 1 unless told otherwise.", min=0.01)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the generated market.", min=1)] = None,
    data_dir: Annotated[Path, typer.Option(help="Where the venue keeps its log, keys and position.")] = Path(
        ".pitwire/venue"
    ),
    output: OutputOption = Format.TEXT,
) -> None:
    """Run the simulated venue alone, until interrupted.

    Prints, in either format, one JSON line with `http`, `ws`, `ws_api`, `control`, `api_key` and `api_secret`, then
    serves `/api/v3`, `/ws`, `/stream` and `/ws-api/v3` as Binance spot does.
    """

    def work() -> Reply:
        import os
        import sys

        argv = [sys.executable, "-m", "pitwire.venue_sim", "--port", str(port), "--data-dir", str(data_dir)]
        given = {"config": venue_config, "market": market, "speed": speed, "seed": seed}
        # What is not given is for the venue's file to say, or for the venue.
        argv += [f"--{name}={value}" for name, value in given.items() if value is not None]
        os.execv(sys.executable, argv)  # noqa: S606 - the venue takes this process over: one pid, one set of signals

    finish(work, output)
