"""Trace context travels with every message; spans are recorded only where somebody collects them."""

from __future__ import annotations

import time

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from pitwire.common.spans import SPANS_OF_A_BATCH_MAX, Recorder, otlp_exporter
from pitwire.common.telemetry import Tracing, set_up_tracing

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MICROSECONDS_MAX = 5.0
MESSAGES = 20_000
CLOSE_S_MAX = 5.0


def traceparent(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"


def parent_id(span: ReadableSpan) -> str:
    return f"{span.parent.span_id:016x}" if span.parent else ""


class Recorded:
    """A recorder, and what it has exported once it is closed."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracing = Tracing(Recorder("test", self._exporter))

    def spans(self) -> list[ReadableSpan]:
        self.tracing.close()
        return list(self._exporter.get_finished_spans())


def test_without_a_collector_the_context_travels_on_as_it_came() -> None:
    with set_up_tracing("test", "").span("work", "", PARENT, strategy="momentum") as trace:
        assert trace == PARENT


def test_without_a_collector_a_trace_begins_where_there_is_none() -> None:
    tracing = Tracing()
    begun = set[str]()
    for _ in range(2):
        with tracing.span("work") as trace:
            begun.add(trace)
            assert (trace[:3], trace[35], trace[52:]) == ("00-", "-", "-01")
            assert len(bytes.fromhex(trace[3:35])) + len(bytes.fromhex(trace[36:52])) == 24
    assert len(begun) == 2


def test_without_a_collector_a_span_costs_next_to_nothing() -> None:
    tracing = Tracing()
    began = time.process_time()
    for number in range(MESSAGES):
        with tracing.span("work", PARENT, number=number):
            pass
    assert (time.process_time() - began) / MESSAGES * 1e6 < MICROSECONDS_MAX


def test_a_span_is_the_child_of_its_message_and_the_parent_of_the_next() -> None:
    recorded = Recorded()
    with recorded.tracing.span("decide", PARENT, account="main") as trace:
        pass
    (span,) = recorded.spans()
    assert traceparent(span) == trace
    assert (trace[3:35], parent_id(span)) == (PARENT[3:35], PARENT[36:52])
    assert (span.name, span.kind, dict(span.attributes or {})) == ("decide", SpanKind.CONSUMER, {"account": "main"})
    assert span.resource.attributes["service.name"] == "pitwire-test"


def test_a_batch_is_a_span_in_each_of_its_traces() -> None:
    recorded = Recorded()
    parents = [f"00-{number:032x}-{number:016x}-01" for number in range(1, SPANS_OF_A_BATCH_MAX + 50)]
    with recorded.tracing.span("store", *parents, *parents, "") as trace:
        pass
    spans = recorded.spans()
    assert [parent_id(span) for span in spans] == [parent[36:52] for parent in parents[:SPANS_OF_A_BATCH_MAX]]
    assert trace == traceparent(spans[0])


@pytest.mark.parametrize("parents", [(), ("",), ("00-garbage",)], ids=["none", "empty", "garbage"])
def test_what_names_no_trace_begins_one(parents: tuple[str, ...]) -> None:
    recorded = Recorded()
    with recorded.tracing.span("work", *parents):
        pass
    (span,) = recorded.spans()
    assert span.parent is None


def test_a_failure_is_in_its_span() -> None:
    recorded = Recorded()
    with pytest.raises(KeyError), recorded.tracing.span("work", PARENT):
        raise KeyError("lost")
    (span,) = recorded.spans()
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]


def test_a_collector_that_is_away_holds_up_no_stop() -> None:
    tracing = Tracing(Recorder("test", otlp_exporter("http://127.0.0.1:1/v1/traces")))
    with tracing.span("work", PARENT):
        pass
    began = time.monotonic()
    tracing.close()
    assert time.monotonic() - began < CLOSE_S_MAX
