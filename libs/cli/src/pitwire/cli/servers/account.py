"""Which account PostgreSQL runs as. The server refuses root, so root has to become somebody else first.

| we are | way | what it needs |
|---|---|---|
| an ordinary user | as ourselves | nothing |
| root | `unshare --user --map-user`: the same files, seen as an ordinary user's | user namespaces |
| root | `setpriv` to nobody with the one capability to search closed folders, such as root's own home | setpriv |
| root | `setpriv` to nobody with no capability | setpriv, and every folder on the way open to all |

The first way that can run the binary on the data directory is taken. No user is created and no folder is opened.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pitwire.cli.servers.process import ServerError

NOBODY: Final = 65534
MAPPED_USER: Final = 1000
PROBE_TIMEOUT_S: Final = 10


@dataclass(frozen=True, slots=True)
class Account:
    """How a command is run: words to put before it, and the owner that its files need (None: whoever makes them)."""

    prefix: tuple[str, ...]
    owner: int | None

    def give(self, path: Path) -> None:
        """Make this account the owner of `path` and of all below it, where that is not so yet."""
        owner = os.geteuid() if self.owner is None else self.owner
        if path.stat().st_uid == owner or os.geteuid() != 0:
            return
        for folder, folders, files in os.walk(path):
            for name in (*folders, *files):
                with contextlib.suppress(FileNotFoundError):
                    os.chown(Path(folder, name), owner, owner, follow_symlinks=False)
        # Last, so that a run that was cut short is taken up again: the top tells whether all below it is done.
        os.chown(path, owner, owner)


ORDINARY: Final = Account((), None)


def account_for(binary: Path, parent: Path) -> Account:
    """The account that can run `binary` and reach the folder `parent`; `ServerError` when there is none."""
    if os.geteuid() != 0:
        return ORDINARY
    for account in root_ways():
        if _works(account.prefix, str(binary), str(parent)):
            return account
    raise ServerError(
        f"PostgreSQL refuses to run as root, and no other account of this machine can run {binary} below {parent}: "
        "user namespaces are off, and nobody cannot get there. Run as an ordinary user, move the checkout to a folder "
        "that is open to all, or set PITWIRE_DATABASE_URL"
    )


def root_ways() -> Iterator[Account]:
    """What root can do here, best first."""
    unshare, setpriv = shutil.which("unshare"), shutil.which("setpriv")
    if unshare:
        yield Account((unshare, "--user", f"--map-user={MAPPED_USER}"), 0)
    if setpriv:
        change = (setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        for capability in ("dac_read_search", "dac_override"):
            yield Account((*change, f"--inh-caps=+{capability}", f"--ambient-caps=+{capability}"), NOBODY)
        yield Account(change, NOBODY)


@cache
def _works(prefix: tuple[str, ...], binary: str, folder: str) -> bool:
    """Whether the account starts the binary and reaches the folder; the server needs both."""
    script = '"$1" --version && cd "$2"'
    try:
        done = subprocess.run(
            [*prefix, "/bin/sh", "-c", script, "probe", binary, folder],
            capture_output=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
