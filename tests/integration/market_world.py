"""A simulated venue and services of ours as processes, on a bus of the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
from tests.integration.bus_world import NatsWorld

READY_TIMEOUT_S = 90.0


class Venue:
    """The simulated venue as a process."""

    def __init__(self, folder: Path, *, speed: int, name: str = "venue", words: tuple[str, ...] = ()) -> None:
        words = ("--port", "0", "--speed", str(speed), "--data-dir", str(folder / name), *words)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pitwire.venue_sim", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.addresses: dict[str, str] = json.loads(self.process.stdout.readline())

    async def fault(self, kind: str, **wish: object) -> None:
        """Something goes wrong at the venue, by its control port."""
        async with aiohttp.ClientSession() as session:
            url = f"{self.addresses['control']}/fault"
            async with session.post(url, json={"kind": kind} | wish) as answer:
                assert answer.status == 200, await answer.text()

    async def klines(self, symbol: str) -> list[list[Any]]:
        """Every candle so far, the last one perhaps still open."""
        found: list[list[Any]] = []
        async with aiohttp.ClientSession() as session:
            while True:
                start = found[-1][0] + 60_000 if found else 1
                query = {"symbol": symbol, "interval": "1m", "limit": "1000", "startTime": str(start)}
                async with session.get(f"{self.addresses['http']}/api/v3/klines", params=query) as answer:
                    rows: list[list[Any]] = await answer.json()
                found += rows
                if len(rows) < 1_000:
                    return found

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=10)


class Services:
    """Service processes of one test, each under its own identity."""

    def __init__(self, world: NatsWorld, config: Path, folder: Path) -> None:
        self._world = world
        self._config = config
        self._folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, service: str, slot: str = "0") -> subprocess.Popen[bytes]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PITWIRE_")}
        environment = clean | {
            "PITWIRE_CONFIG": str(self._config),
            "PITWIRE_NATS_URL": self._world.server.url,
            "PITWIRE_NATS_SEED_FILE": str(self._world.seeds / f"{service}.nk"),
            "PITWIRE_SLOT": slot,
        }
        words = [sys.executable, "-m", f"pitwire.{service.replace('-', '_')}"]
        with (self._folder / f"{service}.log").open("ab") as log:
            process = subprocess.Popen(words, env=environment, stderr=log)
        self.running.append(process)
        return process

    def log(self, service: str) -> str:
        return (self._folder / f"{service}.log").read_text()

    def stop(self) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(30)
