"""`pitwire docs`: writes the reference, or says where it differs from its sources."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import typer

from pitwire.cli.exit_codes import ExitCode
from pitwire.cli.output import Reply
from pitwire.cli.reference import bus_pages, code_pages, settings_pages
from pitwire.cli.reference.alerts_page import alerts_page
from pitwire.cli.reference.indicators_page import indicators_page
from pitwire.cli.reference.metrics_page import metrics_page
from pitwire.cli.reference.strategies_page import strategies_page
from pitwire.cli.reference.types_page import types_page
from pitwire.common.config import load_config

OWNED: Final = ("*.md", "asyncapi.json", "messages/*.json")
"""Files of the folder that are ours: one that no source makes any more is removed."""


def all_pages(config: Path, app: typer.Typer) -> dict[str, str]:
    """Path below the folder -> text; a function of the sources alone."""
    found = bus_pages.pages(load_config(config))
    found |= {
        "denial-codes.md": code_pages.denial_codes_page(),
        "errors.md": code_pages.errors_page(),
        "venue-errors.md": code_pages.venue_errors_page(),
        "config.md": settings_pages.config_page(),
        "commands.md": settings_pages.commands_page(app),
        "metrics.md": metrics_page(),
        "strategies.md": strategies_page(),
        "invariants.md": code_pages.invariants_page(),
        "alerts.md": alerts_page(),
        "types.md": types_page(),
        "indicators.md": indicators_page(),
    }
    return found


def differences(folder: Path, pages: dict[str, str]) -> list[str]:
    """One line per file that is missing, different, or there without a source."""
    found: list[str] = []
    for name, text in sorted(pages.items()):
        path = folder / name
        if not path.exists():
            found.append(f"{name} is missing")
        elif path.read_text(encoding="utf-8") != text:
            found.append(f"{name} differs from its source")
    return found + [f"{name} has no source" for name in _strays(folder, pages)]


def build_docs(folder: Path, config: Path, app: typer.Typer, *, check: bool) -> Reply:
    """Writes what differs; with `check` only says so."""
    pages = all_pages(config, app)
    found = differences(folder, pages)
    if check:
        code = ExitCode.NO if found else ExitCode.OK
        lines = found or [f"{folder} is current: {len(pages)} files"]
        return Reply({"current": not found, "differences": found}, (*lines,), code)
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for name in _strays(folder, pages):
        (folder / name).unlink()
    return Reply({"written": sorted(pages), "changed": found}, (f"{folder}: {len(pages)} files, {len(found)} changed",))


def _strays(folder: Path, pages: dict[str, str]) -> list[str]:
    there = {path.relative_to(folder).as_posix() for glob in OWNED for path in folder.glob(glob)}
    return sorted(there - set(pages))
