"""Clients of others, unmodified but for their addresses, trade on the venue: each in an environment of its own.

The environments are made once, from the package registry, under `.pitwire/cache`, by `make test-clients`; without them
these tests are skipped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".pitwire" / "cache" / "clients"
SESSIONS = Path(__file__).parent / "clients"
CLIENTS = {
    "ccxt": "ccxt==4.5.90",
    "python_binance": "python-binance==1.0.37",
    "binance_sdk_spot": "binance-sdk-spot==13.2.0",
    "binance_connector": "binance-connector==3.13.0",
}
INSTALL_S = 240
SESSION_S = 90
pytestmark = [pytest.mark.integration, pytest.mark.timeout(INSTALL_S + SESSION_S)]


def environment(client: str) -> Path:
    """The interpreter of a client's environment, made when it is not there."""
    requirement = CLIENTS[client]
    folder = CACHE / requirement
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return python
    if not os.environ.get("PITWIRE_TEST_CLIENTS"):
        pytest.skip(f"no environment with {requirement}; `make test-clients` makes it and runs this")
    uv = [sys.executable, "-m", "uv", "-q"]
    made = subprocess.run(
        [*uv, "venv", "--clear", "--python", sys.executable, str(folder)], capture_output=True, text=True
    )
    if made.returncode == 0:
        command = [*uv, "pip", "install", "--python", str(python), requirement]
        made = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
    if made.returncode:
        pytest.skip(f"{requirement} cannot be installed here: {made.stderr.strip()[-200:]}")
    ready.touch()
    return python


@pytest.mark.parametrize("client", CLIENTS)
def test_a_real_client_trades_unmodified(client: str, start_venue: Callable[..., Any]) -> None:
    python = environment(client)
    venue = start_venue("--speed", "20")
    session = subprocess.run(
        [str(python), str(SESSIONS / f"{client}_session.py")],
        env={**os.environ, "VENUE": json.dumps(venue.info), "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=SESSION_S,
    )
    assert session.returncode == 0, session.stderr[-3000:]
    seen: dict[str, bool] = json.loads(session.stdout.splitlines()[-1])
    assert {name: was for name, was in seen.items() if was is not True} == {}
    assert len(seen) > 8
