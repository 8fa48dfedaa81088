"""Who won how many of its compare-and-sets, read from the metrics of the processes while they live."""

from __future__ import annotations

import asyncio
import urllib.request
from dataclasses import dataclass
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from tests.chaos.system import DOUBLED, TWIN, MortalSystem

PERIOD_S = 0.5
ANSWER_MAX_S = 2.0
WON = frozenset({"pitwire_risk_gate_records_total", "pitwire_execution_events_total"})
LOST = frozenset({"pitwire_risk_gate_races_lost_total", "pitwire_execution_races_lost_total"})


@dataclass
class Score:
    """Of one process in one life, or of several added up."""

    won: float = 0.0
    lost: float = 0.0

    @property
    def share(self) -> float:
        return self.won / (self.won + self.lost) if self.won else 0.0


class Races:
    """Looks at every gate and execution twice a second; what a process did after the last look is not counted."""

    def __init__(self, system: MortalSystem) -> None:
        self._system = system
        self._lives: dict[tuple[str, int], Score] = {}

    async def watch(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(PERIOD_S)
            for name, url in self._system.running().health.items():
                if name.removesuffix(TWIN) in DOUBLED:
                    score = await asyncio.to_thread(read, f"{url}/metrics")
                    if score is not None:
                        self._lives[name, self._system.workers[name].pid] = score

    def shares(self) -> dict[str, Any]:
        """By process: won, lost, and the share won."""
        found: dict[str, Score] = {}
        for (name, _), score in self._lives.items():
            total = found.setdefault(name, Score())
            total.won += score.won
            total.lost += score.lost
        return {
            name: {"won": int(score.won), "lost": int(score.lost), "share": round(score.share, 3)}
            for name, score in sorted(found.items())
        }


def read(url: str) -> Score | None:
    """The counters of one process; None when it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_MAX_S) as answer:
            text = answer.read().decode()
    except OSError:
        return None
    score = Score()
    for metric in text_string_to_metric_families(text):
        for sample in metric.samples:
            score.won += sample.value if sample.name in WON else 0
            score.lost += sample.value if sample.name in LOST else 0
    return score
