"""`pitwire venue` alone, and a run that trades on a venue which somebody else runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.integration.run_world import CONFIG, plain_env, running

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]


@pytest.fixture
def venue(tmp_path: Path) -> Iterator[tuple[dict[str, Any], subprocess.Popen[bytes]]]:
    """A venue as `pitwire venue` starts it, and what its one line says."""
    (tmp_path / "venue.toml").write_text('name = "elsewhere"\n')
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pitwire.cli",
            "venue",
            "--port",
            "0",
            "--speed",
            "600",
            "--config",
            "venue.toml",
            "--data-dir",
            "venue",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=plain_env(),
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline()), process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_venue_prints_where_it_is_serves_and_ends_on_interrupt(
    venue: tuple[dict[str, Any], subprocess.Popen[bytes]],
) -> None:
    said, process = venue
    assert set(said) >= {"http", "ws", "ws_api", "control", "api_key", "api_secret"}
    assert said["name"] == "elsewhere"
    with urllib.request.urlopen(f"{said['http']}/api/v3/time", timeout=10) as answer:
        assert "serverTime" in json.loads(answer.read())
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0


def test_a_run_outside_paper_mode_trades_on_the_configured_venue_with_the_given_key(
    venue: tuple[dict[str, Any], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    said, process = venue
    key = tmp_path / "key.json"
    key.touch(mode=0o600)
    key.write_text(json.dumps({"api_key": said["api_key"], "api_secret": said["api_secret"]}))
    text = CONFIG.read_text()
    for old, new in (
        ('mode = "paper" ', 'mode = "testnet" '),
        ("ws://127.0.0.1:8480", said["ws"]),
        ("http://127.0.0.1:8480", said["http"]),
        (".pitwire/keys/sim-main.json", "key.json"),
    ):
        assert old in text
        text = text.replace(old, new)
    (tmp_path / "pitwire.toml").write_text(text)
    with running(tmp_path / "run", "--for", "12", config=tmp_path / "pitwire.toml") as run:
        run.until_trading()
        assert "venue-sim" not in run.current()["pids"]
        code, summary = run.wait(timeout_s=120)
        assert code == 0, (summary, run.said())
    assert summary["candles"] > 0
    assert process.poll() is None
