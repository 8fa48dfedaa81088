"""Processes trade together only when they were configured, built and released together."""

from __future__ import annotations

import pytest

from pitwire.common.agreement import BUILD, disagreement
from pitwire.common.schemas.control import Heartbeat


def beat(service: str, *, config: str = "c1", schema: str = "s1", build: str = BUILD, slot: str = "0") -> Heartbeat:
    return Heartbeat(
        service=service, slot=slot, instance="i", ts_ns=1, config_hash=config, schema_hash=schema, build=build
    )


TOGETHER = [beat("market-data"), beat("strategy"), beat("risk-gate"), beat("execution")]


def test_processes_of_one_deployment_agree() -> None:
    assert disagreement(TOGETHER) == ""
    assert disagreement([]) == ""


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        (beat("execution", config="c2"), f"execution 0 ({BUILD}): other configuration"),
        (beat("strategy", schema="s2", slot="b"), f"strategy b ({BUILD}): other message schemas"),
        (
            beat("market-data", build="9.9.9"),
            f"market-data 0 (9.9.9): a build that was not released together with {BUILD}",
        ),
    ],
    ids=["configuration", "schemas", "build"],
)
def test_who_differs_is_named_with_what_it_differs_in(odd: Heartbeat, said: str) -> None:
    assert disagreement([*TOGETHER, odd]) == said
    assert disagreement([odd, *TOGETHER]) == said


def test_several_that_differ_are_all_named() -> None:
    odd = [beat("execution", config="c2"), beat("strategy", config="c3")]
    assert disagreement([*TOGETHER, *odd]) == f"execution 0 ({BUILD}), strategy 0 ({BUILD}): other configuration"


def test_what_only_watches_or_stores_may_differ() -> None:
    assert disagreement([*TOGETHER, beat("persistence", config="c2", schema="s2", build="9.9.9")]) == ""


def test_a_process_that_states_nothing_is_not_compared() -> None:
    assert disagreement([*TOGETHER, beat("execution", config="", schema="", build="", slot="b")]) == ""
