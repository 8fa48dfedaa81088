"""The configuration a run really uses: the given file with the addresses and keys of the simulated venue filled in."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tomllib
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Final

import tomli_w

from pitwire.cli.discovery import VenueAddress
from pitwire.cli.run.plan import RunFolder
from pitwire.common.config import Mode, PitwireConfig, load_config
from pitwire.common.errors import ConfigError
from pitwire.market_data.config import intervals_of
from pitwire.strategy.adapters.loader import load_strategy
from pitwire.strategy.config import check_books

HEADER: Final = (
    "# Written by `pitwire up`: the configuration of this run. Changes belong in the file it was made from.\n\n"
)


def load_given(path: Path) -> tuple[PitwireConfig, dict[str, Any]]:
    """The validated configuration and its document, paths spelled out; `ConfigError` names file, key and reason."""
    config = load_config(path)
    return config, with_absolute_paths(tomllib.loads(path.read_text(encoding="utf-8")), path.resolve().parent)


def with_absolute_paths(document: dict[str, Any], base: Path) -> dict[str, Any]:
    """The document with every path meant from `base` spelled out, so that it can stand in another folder."""
    accounts = {
        name: account | {"key_file": str(base / account["key_file"])}
        for name, account in document["venue_accounts"].items()
    }
    strategies = {
        name: strategy | {"type": _absolute_type(strategy["type"], base)}
        for name, strategy in document.get("strategies", {}).items()
    }
    return document | {"venue_accounts": accounts, "strategies": strategies}


def _absolute_type(kind: str, base: Path) -> str:
    """`path/to/file.py:Class` with its path spelled out; a shipped name as it is."""
    path, colon, class_name = kind.rpartition(":")
    return f"{base / path}:{class_name}" if colon else kind


def check_given(config: PitwireConfig, path: Path) -> None:
    """`ConfigError` for what a service would refuse once it runs: instruments, intervals, strategies, parameters.

    What a strategy's file prints while it is loaded goes to standard error.
    """
    simulated_venue(config, path)
    intervals_of(config)
    with contextlib.redirect_stdout(sys.stderr):
        for name, strategy in config.strategies.items():
            made = load_strategy(name, strategy.type, strategy.params, folders=(path.resolve().parent,))
            if hasattr(made, "on_book"):
                check_books(config, name)


def simulated_venue(config: PitwireConfig, path: Path) -> str | None:
    """The name of the venue that `pitwire up` simulates; None outside paper mode."""
    if config.run.mode is not Mode.PAPER:
        return None
    if len(config.venues) != 1:
        raise ConfigError(where=f"{path}: venues", what=f"paper mode simulates one venue, not {len(config.venues)}")
    if len(config.venue_accounts) != 1:
        what = f"the simulated venue opens one account, not {len(config.venue_accounts)}"
        raise ConfigError(where=f"{path}: venue_accounts", what=what)
    return next(iter(config.venues))


def write_effective(
    given: Mapping[str, Any],
    folder: RunFolder,
    *,
    venue: str | None,
    address: VenueAddress | None,
    keys: Mapping[str, str],
) -> None:
    """Writes `pitwire.toml` and the key files of this run; both replace what an earlier start left."""
    document = deepcopy(dict(given))
    if venue is not None and address is not None:
        document["venues"][venue] |= {"rest": address.http, "ws": address.ws, "ws_api": address.ws_api}
        for name, account in document["venue_accounts"].items():
            if account["venue"] == venue:
                account["key_file"] = os.path.relpath(folder.key_file(name), folder.root)
                write_secret(folder.key_file(name), json.dumps(keys))
    folder.config.write_text(HEADER + tomli_w.dumps(document), encoding="utf-8")


def write_secret(path: Path, text: str) -> None:
    """A file for its owner alone, anew."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
