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
        words = ["record", "sim", "--out", str(tmp_path / "rec"), "-c", str(tmp_path / "pitwire.toml"), "--for"]
        recorded = [pitwire(*words, str(seconds)) for seconds in (RECORD_S, 1)]
    finally:
        venue.terminate()
        venue.communicate(timeout=20)
    assert [(code, found["malformed"]) for code, found in recorded] == [(0, 0), (0, 0)]
    found = recorded[0][1]
    assert found["frames"] > 100
    file = Path(found["file"])
    first, second = pitwire("replay", str(file)), pitwire("replay", str(file))
    assert first == second
    assert first[0] == 0
    told = first[1]
    assert (told["frames"], told["malformed"], told["faults_total"]) == (sum(f["frames"] for _, f in recorded), 0, 0)
    same = ("epoch", "frames", "messages", "sha256")
    made, again = [found for _, found in recorded], told["sessions"]
    assert [{name: each[name] for name in same} for each in again] == [
        {name: each[name] for name in same} for each in made
    ]
    assert found["messages"] > found["frames"] // 2
    lines = gzip.decompress(file.read_bytes()).splitlines()
    kinds = {json.loads(line.partition(b" ")[2]).get("record") for line in lines}
    assert {"session", "connected", "book", "history", None} <= kinds
    file.write_bytes(file.read_bytes()[:-5])
    code, told = pitwire("replay", str(file))
    assert (code, told["faults_total"]) == (1, 1)
