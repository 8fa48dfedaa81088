"""Makes the data directory of a PostgreSQL server: from a template kept per version, which is many times quicker.

target/
  data/       PostgreSQL's own files
  password    of the only role, `pitwire`; generated, readable by the owner alone
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from pitwire.cli.servers.account import Account
from pitwire.cli.servers.binaries import PostgresBinaries
from pitwire.cli.servers.process import ServerError
from pitwire.common.clock import random_token

ROLE: Final = "pitwire"
DATABASE: Final = "pitwire"
COMMAND_TIMEOUT_S: Final = 120
PASSWORD_BYTES: Final = 24
INITDB_OPTIONS: Final = (
    *("-U", ROLE, "-A", "scram-sha-256", "-E", "UTF8"),
    *("--no-locale", "--no-instructions", "--no-sync"),
)
SERVER_ENV: Final = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Filling:
    """What a new database holds from the beginning; made once into a template, then copied."""

    key: str
    """Names the contents: another key, another template."""

    fill: Callable[[str], None]
    """Is given the address of an empty database; raises `ServerError` when it cannot fill it."""


@dataclass(frozen=True, slots=True)
class Template:
    """A data directory to copy, and whether our database is in it already."""

    data: Path
    filled: bool


def make_cluster(
    target: Path, binaries: PostgresBinaries, account: Account, *, template: Template | None, durable: bool
) -> None:
    """Make the folder `target`; it appears whole or not at all, and what a cut-short attempt left is made anew.

    `durable` says that the files must survive a power cut, not only a crash of the server.
    """
    fresh = target.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    account.give(fresh)
    data = fresh / "data"
    if template:
        _copy(template.data, data)
    else:
        _initdb(data, binaries, account, random_token(PASSWORD_BYTES))
    account.give(data)
    password = random_token(PASSWORD_BYTES)
    statements = [f"ALTER ROLE {ROLE} PASSWORD '{password}';\n"]
    if template is None or not template.filled:
        statements.append(f"CREATE DATABASE {DATABASE};\n")
    _single_user(data, binaries, account, "".join(statements))
    secret = fresh / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    if durable:
        run(
            [*account.prefix, binaries.folder / "initdb", "--sync-only", "-D", data],
            fresh,
            what="syncing the new database",
        )
    fresh.rename(target)


def empty_template(cache: Path, binaries: PostgresBinaries, account: Account) -> Template | None:
    """What initdb makes, kept per version and account; None where the cache cannot be used."""

    def make(folder: Path) -> Path:
        _initdb(folder / "data", binaries, account, random_token(PASSWORD_BYTES))
        return folder / "data"

    data = _kept(_place(cache, binaries, account), account, make)
    return Template(data, filled=False) if data else None


def filled_template(
    cache: Path, binaries: PostgresBinaries, account: Account, key: str, make: Callable[[Path], Path]
) -> Template | None:
    """What `make` leaves in the folder it is given, a data directory at rest; kept per version, account and `key`."""
    data = _kept(_place(cache, binaries, account, key), account, make)
    return Template(data, filled=True) if data else None


def _place(cache: Path, binaries: PostgresBinaries, account: Account, *more: str) -> Path:
    text = " ".join((str(binaries.version), str(binaries.folder), *INITDB_OPTIONS, *more))
    return cache / f"postgres-{os.geteuid()}-{account.owner or 0}-{sha256(text.encode()).hexdigest()[:16]}"


def _kept(place: Path, account: Account, make: Callable[[Path], Path]) -> Path | None:
    """The data directory kept in `place`, made at most once however many ask; None where nothing can be kept."""
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        kept = place / "data"
        if not kept.exists():
            fresh = place / "new"
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(mode=0o700)
            account.give(place)
            account.give(fresh)
            make(fresh).rename(kept)
            shutil.rmtree(fresh)
        return kept
    finally:
        os.close(lock)


def run(argv: list[str | Path], cwd: Path, *, what: str, text: str = "") -> str:
    """Run one command of PostgreSQL to its end; `ServerError` with what it said when it fails."""
    try:
        done = subprocess.run(
            argv,
            input=text,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_S,
            env=SERVER_ENV,
            cwd=cwd,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ServerError(f"{what} in {cwd}: {error}") from error
    if done.returncode != 0:
        raise ServerError(f"{what} in {cwd} failed with code {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def _initdb(data: Path, binaries: PostgresBinaries, account: Account, password: str) -> None:
    data.mkdir(mode=0o700)
    account.give(data)
    secret = data.with_suffix(".pw")
    secret.touch(mode=0o600)
    try:
        secret.write_text(password)
        account.give(secret)
        argv: list[str | Path] = [*account.prefix, binaries.folder / "initdb", "-D", data, *INITDB_OPTIONS]
        run([*argv, f"--pwfile={secret}"], data.parent, what="initdb")
    finally:
        secret.unlink()


def _single_user(data: Path, binaries: PostgresBinaries, account: Account, statements: str) -> None:
    """Run statements with no server and no network; one statement a line."""
    argv: list[str | Path] = [*account.prefix, binaries.folder / "postgres", "--single", "-D", data]
    said = run([*argv, "-c", "exit_on_error=on", "postgres"], data.parent, what="postgres --single", text=statements)
    if "ERROR:" in said:
        raise ServerError(f"postgres --single in {data}: {said.strip()}")


def _copy(source: Path, target: Path) -> None:
    """Copy with shared blocks where the file system can (a copy then costs nothing), else plainly."""
    if shutil.which("cp"):
        done = subprocess.run(
            ["cp", "-a", "--reflink=auto", source, target],
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return
        shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, symlinks=True)
