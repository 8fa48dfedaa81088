"""The control port: pacing, health and metrics, apart from the port that clients trade on."""

from collections.abc import Callable

import orjson
from aiohttp import web

HOST = "127.0.0.1"

Status = Callable[[], dict[str, object]]
Hold = Callable[[int | None], None]
"""Holds the market, or raises ValueError where that cannot be."""
Metrics = Callable[[], bytes]
Fault = Callable[[dict[str, object]], str | None]
"""Arms a fault; the text of what is wrong with the wish, or None."""


class Control:
    """Serves the control port until stopped."""

    def __init__(self, *, status: Status, hold: Hold, metrics: Metrics, fault: Fault) -> None:
        self._fault = fault
        self._status = status
        self._hold = hold
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    async def start(self, port: int, host: str = HOST) -> int:
        """Listen on a port of `host` (0 = any free one); the port.

        Raises:
            OSError: the port cannot be had.
        """
        app = web.Application()
        app.router.add_get("/status", self._on_status)
        app.router.add_post("/hold", self._on_hold)
        app.router.add_post("/fault", self._on_fault)
        app.router.add_get("/healthz", self._on_health)
        app.router.add_get("/readyz", self._on_health)
        app.router.add_get("/metrics", self._on_metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _on_status(self, _request: web.Request) -> web.Response:
        return _json(self._status())

    async def _on_hold(self, request: web.Request) -> web.Response:
        wish = await _read(request)
        until_ms = wish.get("until_ms") if wish is not None else False
        if until_ms is not None and (isinstance(until_ms, bool) or not isinstance(until_ms, int)):
            return _json({"error": 'send {"until_ms": <market milliseconds>}, or {} to let the market run'}, status=400)
        try:
            self._hold(until_ms)
        except ValueError as problem:
            return _json({"error": str(problem)}, status=400)
        return _json(self._status())

    async def _on_fault(self, request: web.Request) -> web.Response:
        wish = await _read(request)
        problem = "the body is not a JSON object" if wish is None else self._fault(wish)
        return _json({"error": problem}, status=400) if problem else _json({"armed": wish})

    async def _on_health(self, _request: web.Request) -> web.Response:
        return _json({"status": "ok"})

    async def _on_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


async def _read(request: web.Request) -> dict[str, object] | None:
    """The JSON object of a request's body, {} for an empty body, None for anything else."""
    body = await request.read()
    try:
        wish = orjson.loads(body) if body else {}
    except orjson.JSONDecodeError:
        return None
    return wish if isinstance(wish, dict) else None


def _json(value: dict[str, object], *, status: int = 200) -> web.Response:
    return web.Response(status=status, body=orjson.dumps(value), content_type="application/json")
