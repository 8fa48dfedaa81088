"""`/healthz`, `/readyz` and `/metrics` of one process: a few lines of HTTP, since a framework costs 15 MB in each."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Final

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

REQUEST_BYTES_MAX: Final = 8 * 1024
REQUEST_TIMEOUT_S: Final = 5.0
HEADERS_END: Final = b"\r\n\r\n"
JSON_TYPE: Final = "application/json"
REASONS: Final = {
    200: "OK",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


class HealthServer:
    """Liveness = the event loop answers; readiness = what the service says of itself."""

    def __init__(self, registry: CollectorRegistry, is_ready: Callable[[], bool]) -> None:
        self._registry = registry
        self._is_ready = is_ready
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def start(self, host: str, port: int) -> None:
        """Listens on `host`:`port` (0 = any free one, then `self.port` tells)."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=REQUEST_BYTES_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is None:
            return
        self._server.close()
        for writer in self._open:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request a connection; who sends none in time, or none at all, is left."""
        self._open.add(writer)
        try:
            async with asyncio.timeout(REQUEST_TIMEOUT_S):
                writer.write(await self._answer(reader))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        try:
            head = await reader.readuntil(HEADERS_END)
        except asyncio.LimitOverrunError:
            return _response(431)
        method, _, rest = head.partition(b"\r\n")[0].partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in {b"GET", b"HEAD"}:
            return _response(405)
        status, kind, body = self._page(path)
        return _response(status, kind, body, with_body=method == b"GET")

    def _page(self, path: bytes) -> tuple[int, str, bytes]:
        if path == b"/healthz":
            return 200, JSON_TYPE, orjson.dumps({"status": "ok"})
        if path == b"/readyz":
            ready = self._is_ready()
            return 200 if ready else 503, JSON_TYPE, orjson.dumps({"ready": ready})
        if path == b"/metrics":
            return 200, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        return 404, JSON_TYPE, orjson.dumps({"error": "here are /healthz, /readyz and /metrics"})


def _response(status: int, kind: str = JSON_TYPE, body: bytes = b"", *, with_body: bool = True) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode("ascii") + (body if with_body else b"")
