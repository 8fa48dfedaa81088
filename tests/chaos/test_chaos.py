"""kill -9 at every named point, paused leaders, dead servers, all at once: afterwards both judges find nothing."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.chaos.conftest import KILLED, KeptRun

from pitwire.cli.run.plan import SERVICES
from pitwire.common.crashpoints import CrashPoint

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

OPEN_SHARE_MIN = 0.3


def test_every_named_point_is_reached_and_those_chosen_kill(kept_run: KeptRun) -> None:
    kills = [kill for made in kept_run.cycles for kill in made.kills]
    killed = {kill["point"] for kill in kills if kill["point"]}
    assert killed == {point for points in KILLED.values() for point in points}
    assert [point for point in CrashPoint if point not in killed | kept_run.passed] == []
    assert [point for made in kept_run.cycles for point in made.missed] == []


def test_each_service_and_server_died_and_everything_recovered(kept_run: KeptRun) -> None:
    killed = Counter(kill["name"] for made in kept_run.cycles for kill in made.kills)
    assert {*SERVICES, "nats", "postgres", "venue-sim"} <= set(killed)
    assert [made.stuck for made in kept_run.cycles if made.stuck] == []
    assert any(kill["how"] == "paused" for made in kept_run.cycles for kill in made.kills)


def test_verify_and_the_independent_checker_find_nothing(kept_run: KeptRun) -> None:
    last = kept_run.cycles[-1]
    assert last.verified["violated"] == []
    assert last.checked["faults"] == []
    assert last.checked["venue_trades"] > 0
    assert last.checked["approvals"] > last.checked["venue_trades"] / 4


def test_many_kills_fell_between_an_approval_and_the_end_of_its_order(kept_run: KeptRun) -> None:
    share = kept_run.summary["kills_with_an_order_open"]
    assert isinstance(share, float)
    assert share >= OPEN_SHARE_MIN, kept_run.summary
