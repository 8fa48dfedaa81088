"""The halts of the README and of the first lines of a run, as they are written: they reach the run that is there."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from pitwire.cli.discovery import write_current
from pitwire.cli.run.plan import EXECUTION, RunFolder, service_plan
from pitwire.cli.run.session import where_to_look
from pitwire.cli.run.system import System, UpOptions
from pitwire.common.clock import SystemClock
from pitwire.execution.adapters.halt_command import EXIT_USAGE, EXIT_WAITING, halt_command
from pitwire.execution.adapters.latch import LatchFiles

ROOT = Path(__file__).parents[4]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODULE = "python -m pitwire.execution halt"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> System:
    """A run in the third folder of `.pitwire` of the working folder, as far as other commands can see it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PITWIRE_DATA_DIR", raising=False)
    monkeypatch.setattr("pitwire.execution.adapters.halt_command.OBEY_WAIT_NS", 0)
    options = UpOptions(ROOT / "pitwire.toml", Path(".pitwire"))
    folder = RunFolder((tmp_path / ".pitwire/runs/3").resolve())
    folder.root.mkdir(parents=True)
    system = System(options, folder, clock=SystemClock(), tell=lambda _: None)
    system.infra.nats_url, system.infra.database_url = "nats://127.0.0.1:4333", "postgresql://pitwire@127.0.0.1/pitwire"
    write_current(options.data_dir, system.running())
    return system


def execution_is_halted(system: System) -> bool:
    """Whether a halt lies where the execution of this run was told to look."""
    told = service_plan(EXECUTION, system.folder, nats_url="", database_url="").env["PITWIRE_DATA_DIR"]
    return [halt.scope for halt in LatchFiles(Path(told)).read()] == ["ALL"]


def run_line(line: str) -> int:
    return halt_command(shlex.split(line.removeprefix(MODULE)))


def readme_halt() -> str:
    found = re.search(rf"`({MODULE} [^`]*)`", README)
    assert found is not None
    return found.group(1)


def test_the_halt_without_a_bus_in_the_readme_reaches_the_run(system: System) -> None:
    assert run_line(readme_halt()) == EXIT_WAITING
    assert execution_is_halted(system)


def test_it_reaches_the_run_too_where_runs_are_kept_elsewhere(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PITWIRE_DATA_DIR", os.path.abspath(".pitwire"))  # noqa: PTH100 - from another folder
    monkeypatch.chdir("/")
    assert run_line(readme_halt()) == EXIT_WAITING
    assert execution_is_halted(system)


def test_the_halt_without_a_bus_that_a_run_prints_reaches_it_from_anywhere(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = re.search(rf"{MODULE} .*", where_to_look(system, seconds=1))
    assert found is not None
    monkeypatch.chdir("/")
    assert run_line(found.group()) == EXIT_WAITING
    assert execution_is_halted(system)


def test_a_halt_that_cannot_tell_which_run_this_is_says_so_and_is_not_put_where_nobody_looks(
    system: System, capsys: pytest.CaptureFixture[str]
) -> None:
    (system.options.data_dir / "current.json").write_text("{")
    assert run_line(readme_halt()) == EXIT_USAGE
    assert "give --data-dir" in capsys.readouterr().err
    assert not list(Path(".pitwire").rglob("halts"))


def test_the_message_in_the_readme_names_server_and_key_as_a_run_prints_them(system: System) -> None:
    written = re.search(r"^ +(nats .*) \\\n +pub ", README, re.MULTILINE)
    printed = re.search(r"^ +(nats .*) sub ", where_to_look(system, seconds=1), re.MULTILINE)
    assert written is not None
    assert printed is not None
    here = f"{Path.cwd().resolve()}/"
    filled = written.group(1).replace("PORT", "4333").replace("runs/N", "runs/3")
    assert printed.group(1).replace(here, "") == filled
