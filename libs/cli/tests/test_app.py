"""The command line itself: quick, lazy, the same options everywhere."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer.main

from pitwire.cli.app import app
from pitwire.cli.commands import look, operate, options, run, tools

HELP_RATIO_MAX = 2.5
HELP_TRIES = 12
FIXED = {
    "up", "venue", "status", "verify", "positions", "orders", "fills", "pnl", "strategies", "limits", "order", "halt",
    "resume", "flatten", "cancel", "logs", "doctor",
}  # fmt: skip
"""Commands that stay: scripts rely on them."""


def commands() -> dict[str, Any]:
    found: dict[str, Any] = dict(typer.main.get_group(app).commands)
    return found


def pitwire(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pitwire.cli", *words], cwd=cwd, capture_output=True, text=True, check=False
    )


def test_the_commands_that_scripts_rely_on_are_there() -> None:
    assert set(commands()) >= FIXED


def test_every_command_can_answer_as_json() -> None:
    every = {name: getattr(command, "commands", {name: command}) for name, command in commands().items()}
    without = [
        name
        for group in every.values()
        for name, command in group.items()
        if not any("-o" in parameter.opts for parameter in command.params)
    ]
    assert without == []


def test_shared_options_are_spelled_the_same_everywhere() -> None:
    assert {options.__name__, look.__name__, operate.__name__, run.__name__, tools.__name__} <= set(sys.modules)
    for name, command in commands().items():
        for parameter in getattr(command, "params", ()):
            if "--data-dir" in parameter.opts and name != "venue":
                assert parameter.envvar == "PITWIRE_DATA_DIR", name


def test_help_costs_little_more_than_the_library_that_prints_it(tmp_path: Path) -> None:
    """Processor time beside a floor in the same run: neither the clock nor the machine's speed decides."""
    ratios: list[float] = []
    for _ in range(HELP_TRIES):
        began = own_seconds_of_children()
        subprocess.run([sys.executable, "-c", "import click"], check=True)
        between = own_seconds_of_children()
        assert pitwire("--help", cwd=tmp_path).returncode == 0
        ratios.append((own_seconds_of_children() - between) / (between - began))
        if ratios[-1] < HELP_RATIO_MAX:
            return
    pytest.fail(f"the best of {HELP_TRIES} took {min(ratios):.2f} times the floor")


def own_seconds_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


HEAVY = ("pydantic", "nats", "aiohttp", "psycopg", "rich.table")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom pitwire.cli.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"sys.stderr.write(' '.join(m for m in {HEAVY} if m in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    "words", [("status",), ("positions",), ("orders",), ("pnl",), ("limits",), ("halt",), ("verify",), ("logs",)]
)
def test_without_a_running_system_the_answer_says_how_to_start_one(words: tuple[str, ...], tmp_path: Path) -> None:
    done = pitwire(*words, "-o", "json", cwd=tmp_path)
    assert done.returncode == 3
    error = json.loads(done.stdout)["error"]
    assert error["code"] == "NOT_RUNNING"
    assert "pitwire up" in error["text"]


def test_a_wrong_option_is_a_usage_error(tmp_path: Path) -> None:
    assert pitwire("status", "--no-such-option", cwd=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("BUY", "-1", "BTC-USDT.sim"), "quantity '-1' must be above zero"),
        (("BUY", "NaN", "BTC-USDT.sim"), "quantity 'NaN' must be above zero"),
        (("BYU", "1", "BTC-USDT.sim"), "side 'BYU': give one of BUY, SELL"),
        (("BUY", "--prise", "BTC-USDT.sim"), "quantity '--prise' is not a number"),
    ],
)
def test_a_mistyped_order_is_a_usage_error_also_where_nothing_runs(
    words: tuple[str, ...], what: str, tmp_path: Path
) -> None:
    done = pitwire("order", *words, "-o", "json", cwd=tmp_path)
    assert done.returncode == 2
    assert what in json.loads(done.stdout)["error"]["text"]


def test_up_without_a_configuration_names_the_file_and_starts_nothing(tmp_path: Path) -> None:
    done = pitwire("up", cwd=tmp_path)
    assert done.returncode == 2
    assert "pitwire.toml: cannot be read" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_up_with_a_market_that_is_not_there_starts_nothing(tmp_path: Path) -> None:
    done = pitwire("up", "--data", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "nowhere is not there" in done.stderr
    assert list(tmp_path.iterdir()) == []
