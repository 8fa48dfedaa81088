"""`pitwire verify`: the checks of the verify library as a table and as a document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pitwire.cli.discovery import Running
from pitwire.cli.output import Reply


async def verify_document(running: Running) -> dict[str, Any]:
    raise NotImplementedError


def verify_running(data_dir: Path, *, timeout_s: float) -> Reply:
    raise NotImplementedError
