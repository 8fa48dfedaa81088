"""The table of flows is complete and contradicts neither topology nor itself."""

from __future__ import annotations

import pytest

from pitwire.common import registry, subjects, topology
from pitwire.common.bus.memory import subject_fits
from pitwire.common.schemas import base, control, deliveries, execution, ledger, market, orders, research

PRINCIPALS = {principal.name for principal in topology.PRINCIPALS}
MODULES = (market, orders, ledger, execution, control, research, deliveries)
ABSTRACT = {market.MarketMessage, orders.Intent, ledger.LedgerEvent, execution.ExecEvent, base.Message}


def test_every_message_belongs_to_a_flow() -> None:
    declared = {
        model
        for module in MODULES
        for model in vars(module).values()
        if isinstance(model, type) and issubclass(model, base.Message) and model not in ABSTRACT
    }
    assert declared == set(registry.SCHEMAS.values())


@pytest.mark.parametrize("flow", registry.FLOWS, ids=lambda flow: flow.subject)
def test_writers_and_readers_are_principals(flow: registry.Flow) -> None:
    assert {*flow.writers, *flow.readers} <= PRINCIPALS | {"*"}


@pytest.mark.parametrize("flow", registry.FLOWS, ids=lambda flow: flow.subject)
def test_the_stream_of_a_flow_takes_its_subject(flow: registry.Flow) -> None:
    if flow.stream is not None:
        concrete = subjects.pattern(flow.subject).replace("*", "x")
        assert any(subject_fits(pattern, concrete) for pattern in flow.stream.subjects)


def test_no_subject_is_taken_by_two_streams_of_one_account() -> None:
    for flow in registry.FLOWS:
        concrete = subjects.pattern(flow.subject).replace("*", "x")
        takers = [s.name for s in topology.STREAMS if any(subject_fits(p, concrete) for p in s.subjects)]
        assert len(takers) <= 1, (flow.subject, takers)


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (subjects.intent("main", "momentum"), subjects.INTENT),
        (subjects.ledger("main"), subjects.LEDGER),
        (subjects.exec_events("main"), subjects.EXEC),
        (subjects.halt("operator"), subjects.HALT),
        (subjects.RESUME, subjects.RESUME),
        (subjects.command("op", "risk-gate", "resume"), subjects.COMMAND),
        (subjects.candle("BTC-USDT.sim", "1m"), subjects.CANDLE),
        (subjects.quote("BTC-USDT.sim"), subjects.QUOTE),
        (subjects.trade("BTC-USDT.sim"), subjects.TRADE),
        (subjects.book("BTC-USDT.sim"), subjects.BOOK),
        (subjects.venue_status("sim"), subjects.VENUE_STATUS),
        (subjects.heartbeat("risk-gate", "0"), subjects.HEARTBEAT),
        (subjects.risk_metrics("main"), subjects.RISK_METRICS),
        (subjects.dead_letter("strategy"), subjects.DEAD_LETTER),
    ],
)
def test_a_concrete_subject_finds_its_flow(subject: str, expected: str) -> None:
    flow = registry.flow_of(subject)
    assert flow is not None
    assert flow.subject == expected


@pytest.mark.parametrize("subject", ["", "oms", "oms.1.risk", "md.sim.BTC-USDT", "int.1.a.b.c", "nobody.knows"])
def test_an_undeclared_subject_has_no_flow(subject: str) -> None:
    assert registry.flow_of(subject) is None


@pytest.mark.parametrize("message", list(registry.SCHEMAS.values()), ids=lambda m: m.schema_name())
def test_every_message_has_a_docstring_and_a_json_schema(message: type[base.Message]) -> None:
    assert message.__doc__
    assert message.model_json_schema()["type"] == "object"
