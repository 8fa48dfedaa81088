"""Options that many commands share, spelled once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pitwire.cli.output import Format

OutputOption = Annotated[
    Format, typer.Option("--output", "-o", help="`json`: one JSON document on standard output, nothing else.")
]
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", envvar="PITWIRE_CONFIG", help="The configuration file.", metavar="FILE")
]
DataDirOption = Annotated[
    Path,
    typer.Option("--data-dir", envvar="PITWIRE_DATA_DIR", help="Where runs are kept on this machine.", metavar="DIR"),
]
AccountOption = Annotated[str, typer.Option("--account", "-a", help="The risk account.")]
ReasonOption = Annotated[str, typer.Option("--reason", "-r", help="Why; kept in the audit trail.")]
LimitOption = Annotated[
    int, typer.Option("--limit", "-n", help="At most so many rows, newest first.", min=1, max=10_000)
]
