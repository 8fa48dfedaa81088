"""The `pitwire` command as a process of its own, forked from one that has imported it: it need not start anew."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

TIMEOUT_S = 60.0
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [
        "pitwire.cli.app",
        "pitwire.cli.database",
        "pitwire.cli.operator",
        "pitwire.cli.views.status",
        "pitwire.cli.verify.verification",
    ]
)


def answer_of(folder: Path, *words: str) -> tuple[int, Any]:
    """Exit code and the one document of `pitwire WORDS -o json`, given in `folder`, with no setting of Pitwire."""
    with tempfile.TemporaryDirectory() as place:
        out, err = Path(place) / "out", Path(place) / "err"
        process = FORKS.Process(target=_command, args=([*words, "-o", "json"], folder, out, err))
        process.start()
        process.join(TIMEOUT_S)
        if process.exitcode is None:
            process.kill()
            process.join()
        said, told = out.read_text(), err.read_text()
    lines = said.splitlines()
    assert len(lines) == 1, f"not one document: {said!r} {told} (exit code {process.exitcode})"
    assert process.exitcode is not None
    return process.exitcode, json.loads(lines[0])


def _command(words: list[str], folder: Path, out: Path, err: Path) -> None:
    from pitwire.cli.app import app

    os.chdir(folder)
    for name in [name for name in os.environ if name.startswith("PITWIRE_")]:
        del os.environ[name]
    with out.open("w") as stdout, err.open("w") as stderr:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            sys.argv = ["pitwire", *words]
            app()
