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


def make_cluster(
    target: Path, binaries: PostgresBinaries, account: Account, *, cache: Path | None, durable: bool
) -> None:
    """Make the folder `target`; it appears whole or not at all, and what a cut-short attempt left is made anew.

    `durable` says that the files must survive a power cut, not only a crash of the server.
    """
    fresh = target.with_suffix(".new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700)
    account.give(fresh)
    data = fresh / "data"
    template = _template(cache, binaries, account) if cache else None
    if template:
        _copy(template, data)
    else:
        _initdb(data, binaries, account, random_token(PASSWORD_BYTES))
    account.give(data)
    password = random_token(PASSWORD_BYTES)
    _single_user(data, binaries, account, f"ALTER ROLE {ROLE} PASSWORD '{password}';\nCREATE DATABASE {DATABASE};\n")
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


def _template(cache: Path, binaries: PostgresBinaries, account: Account) -> Path | None:
    """A data directory to copy, made at most once per version and account; None where the cache cannot be used."""
    key = sha256(f"{binaries.version} {binaries.folder} {' '.join(INITDB_OPTIONS)}".encode()).hexdigest()[:16]
    place = cache / f"postgres-{os.geteuid()}-{account.owner or 0}-{key}"
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = os.open(place / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        template = place / "data"
        if not template.exists():
            fresh = place / "data.new"
            shutil.rmtree(fresh, ignore_errors=True)
            account.give(place)
            _initdb(fresh, binaries, account, random_token(PASSWORD_BYTES))
            fresh.rename(template)
        return template
    finally:
        os.close(lock)


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
