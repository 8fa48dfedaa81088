"""A collector of spans on loopback: takes OTLP over HTTP as any collector does, and keeps what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from typing_extensions import override

SERVICE_NAME = "service.name"


@dataclass(frozen=True)
class Span:
    """One span as it arrived; ids in hex."""

    service: str
    name: str
    trace_id: str


class Collector:
    """`endpoint` is what PITWIRE_OTLP_ENDPOINT names."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}/v1/traces"
        self._spans: list[Span] = []
        self._lock = threading.Lock()

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self._spans += _spans_of(request)

    def trace(self, trace_id: str) -> list[Span]:
        """What has come so far of one trace."""
        with self._lock:
            return [span for span in self._spans if span.trace_id == trace_id]


def _spans_of(request: Any) -> Iterator[Span]:
    for resource in request.resource_spans:
        names = {attribute.key: attribute.value.string_value for attribute in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(names[SERVICE_NAME], span.name, span.trace_id.hex())


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that is there for the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: Any) -> None:
            """Nothing to the terminal of the tests."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector = Collector(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
