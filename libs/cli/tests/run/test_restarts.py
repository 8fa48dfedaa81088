"""When a service that died is started again."""

from __future__ import annotations

import pytest

from pitwire.cli.run.restarts import (
    DEATHS_IN_A_ROW_MAX,
    FIRST_WAIT_MS,
    STEADY_AFTER_S,
    WAIT_MAX_MS,
    GiveUp,
    Restarts,
    StartAgain,
)
from pitwire.common.clock import NS_PER_S


def started() -> Restarts:
    restarts = Restarts()
    restarts.on_started(now_ns=0)
    return restarts


def test_first_death_is_followed_by_a_start_almost_at_once() -> None:
    assert started().on_died(exit_code=-9, now_ns=NS_PER_S) == StartAgain(FIRST_WAIT_MS)


def test_each_further_death_waits_longer_up_to_a_bound() -> None:
    restarts = started()
    waits = [restarts.on_died(exit_code=1, now_ns=NS_PER_S) for _ in range(DEATHS_IN_A_ROW_MAX)]
    found = [wait.wait_ms for wait in waits if isinstance(wait, StartAgain)]
    assert found[:3] == [100, 200, 400]
    assert found == sorted(found)
    assert found[-1] == WAIT_MAX_MS


def test_gives_up_after_the_named_number_of_deaths_in_a_row() -> None:
    restarts = started()
    for _ in range(DEATHS_IN_A_ROW_MAX):
        assert isinstance(restarts.on_died(exit_code=1, now_ns=NS_PER_S), StartAgain)
    assert isinstance(restarts.on_died(exit_code=1, now_ns=NS_PER_S), GiveUp)


def test_a_steady_life_forgets_earlier_deaths() -> None:
    restarts = started()
    for _ in range(DEATHS_IN_A_ROW_MAX):
        restarts.on_died(exit_code=1, now_ns=NS_PER_S)
    assert restarts.on_died(exit_code=1, now_ns=STEADY_AFTER_S * NS_PER_S) == StartAgain(FIRST_WAIT_MS)
    assert restarts.total == DEATHS_IN_A_ROW_MAX + 1


@pytest.mark.parametrize("exit_code", [2, 3])
def test_a_service_that_says_a_restart_will_not_help_is_not_started_again(exit_code: int) -> None:
    assert isinstance(started().on_died(exit_code=exit_code, now_ns=NS_PER_S), GiveUp)
