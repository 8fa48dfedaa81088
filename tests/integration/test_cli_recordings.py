"""`pitwire record` on the simulated venue as a process, and `pitwire replay` of what it wrote."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

CONFIG = Path(__file__).parents[2] / "pitwire.toml"
RECORD_S = 8
PROCESS_TIMEOUT_S = 90


def pitwire(*words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "pitwire.cli", *words, "-o", "json"],
        capture_output=True,
        text=True,
        timeout=PROCESS_TIMEOUT_S,
    )
    return done.returncode, json.loads(done.stdout)


def test_a_recording_of_a_running_venue_is_replayed_to_equal_messages_twice_and_damage_is_told(tmp_path: Path) -> None:
    words = ["--port", "0", "--speed", "60", "--data-dir", str(tmp_path / "venue")]
    venue = subprocess.Popen(
        [sys.executable, "-m", "pitwire.venue_sim", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert venue.stdout is not None
        addresses = json.loads(venue.stdout.readline())
        text = CONFIG.read_text().replace("http://127.0.0.1:8480", addresses["http"])
        text = text.replace('"ws://127.0.0.1:8480"', f'"{addresses["ws"]}"')
        (tmp_path / "pitwire.toml").write_text(text)
        code, found = pitwire(
            "record",
            "sim",
            "--for",
            str(RECORD_S),
            "--out",
            str(tmp_path / "rec"),
            "-c",
            str(tmp_path / "pitwire.toml"),
        )
    finally:
        venue.terminate()
        venue.communicate(timeout=20)
    assert (code, found["malformed"]) == (0, 0)
    assert found["frames"] > 100
    file = Path(found["file"])
    first, second = pitwire("replay", str(file)), pitwire("replay", str(file))
    assert first == second
    assert first[0] == 0
    told = first[1]
    assert (told["frames"], told["malformed"], told["faults_total"]) == (found["frames"], 0, 0)
    assert told["messages"] > found["frames"] // 2
    lines = gzip.decompress(file.read_bytes()).splitlines()
    kinds = {json.loads(line.partition(b" ")[2]).get("record") for line in lines}
    assert {"session", "connected", "book", "history", None} <= kinds
    file.write_bytes(file.read_bytes()[:-5])
    code, told = pitwire("replay", str(file))
    assert (code, told["faults_total"]) == (1, 1)
