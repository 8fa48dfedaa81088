"""What a heartbeat says about a service."""

from __future__ import annotations

import pytest

from pitwire.cli.run.health import SILENT_AFTER_S, Health
from pitwire.cli.views.status import NEVER, Seen, at_odds, iso, service_state
from pitwire.common.clock import NS_PER_MS, NS_PER_S
from pitwire.common.schemas.control import Heartbeat

NOW_NS = 1_722_016_800 * NS_PER_S


def beat(age_ms: int, *, ready: bool = True, service: str = "strategy") -> Heartbeat:
    ts_ns = NOW_NS - age_ms * NS_PER_MS
    return Heartbeat(service=service, slot="0", instance="i", ts_ns=ts_ns, ts_market_ns=NOW_NS, ready=ready, cursor=5)


def seen(*beats: Heartbeat) -> Seen:
    return Seen(beats, (), (), 0, NOW_NS, {}, "")


@pytest.mark.parametrize(
    ("beats", "state"),
    [
        ((), NEVER),
        ((beat(100),), "ready"),
        ((beat(100, ready=False),), "not ready"),
        ((beat(SILENT_AFTER_S * 1000 + 1),), "silent"),
        ((beat(9000), beat(100)), "ready"),
    ],
)
def test_state_follows_from_the_newest_heartbeat(beats: tuple[Heartbeat, ...], state: str) -> None:
    assert service_state("strategy", seen(*beats))["state"] == state


def test_processes_at_odds_are_named_unless_they_fell_silent() -> None:
    old = beat(100, service="execution").model_copy(update={"config_hash": "old"})
    new = [beat(100, service=name).model_copy(update={"config_hash": "new"}) for name in ("strategy", "risk-gate")]
    assert at_odds(seen(*new, old)) == "execution 0 (no build): other configuration"
    silent = old.model_copy(update={"ts_ns": NOW_NS - (SILENT_AFTER_S + 1) * NS_PER_S})
    assert at_odds(seen(*new, silent)) == ""


def test_market_time_is_utc() -> None:
    assert iso(NOW_NS) == "2024-07-26T18:00:00.000Z"
    assert iso(0) == ""


def test_health_counts_silence_by_its_own_clock_whatever_the_sender_says() -> None:
    health = Health(("strategy", "execution"))
    health.observe(beat(10_000), now_ns=1)
    assert health.not_ready(now_ns=2) == ("execution",)
    assert health.not_ready(now_ns=1 + SILENT_AFTER_S * NS_PER_S) == ("strategy", "execution")


def test_a_process_that_is_not_ready_is_not_ready() -> None:
    health = Health(("strategy",))
    health.observe(beat(0, ready=False), now_ns=1)
    assert health.not_ready(now_ns=2) == ("strategy",)
    found = health.beat_of("strategy")
    assert found is not None
    assert found.cursor == 5
