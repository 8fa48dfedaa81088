"""The venue's one port: REST and both kinds of WebSocket, as thin as aiohttp allows."""

import asyncio
import contextlib
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from aiohttp import WSCloseCode, WSMsgType, web

from pitwire.venue_sim.adapters.lane import Lane
from pitwire.venue_sim.adapters.outbox import SocketOutbox
from pitwire.venue_sim.ports import Outbox, RestApi, RestRequest, WsSession

BODY_BYTES_MAX = 64 * 1024
MESSAGE_BYTES_MAX = 64 * 1024
HEARTBEAT_S = 20.0
HOST = "127.0.0.1"
CLOSE_WAIT_S = 1.0
WS_API_PATH = "/ws-api/v3"

MakeStreams = Callable[[Outbox, list[str], bool], WsSession]
Admit = Callable[[str], int]
"""The status a new connection of an address is refused with, 0 when it is welcome."""
MakeWsApi = Callable[[Outbox, str], WsSession]


class DropMode(StrEnum):
    """How a connection ends: with a close frame, with a reset, or not at all although nobody is there any more.

    A half-open connection stays silent until the venue's own heartbeat gives it up, after 20 to 30 seconds.
    """

    GRACEFUL = "graceful"
    HARD = "hard"
    HALF_OPEN = "half_open"


class DropWho(StrEnum):
    """Which connections end."""

    ALL = "all"
    STREAMS = "streams"
    WS_API = "ws_api"


class Connection(NamedTuple):
    """What the server knows of a WebSocket client."""

    path: str
    transport: asyncio.WriteTransport
    outbox: SocketOutbox


class Server:
    """Serves clients until stopped. What no refusal explains is a broken venue: `on_failure` has to end it."""

    def __init__(
        self,
        rest: RestApi,
        make_streams: MakeStreams,
        make_ws_api: MakeWsApi,
        *,
        admit: Admit,
        settle: Callable[[], None],
        on_failure: Callable[[Exception], None],
        latency_ms: int = 0,
    ) -> None:
        """`settle` is called before anything leaves: by then, what it tells of has to survive this process.

        Requests are heard `latency_ms` after they came, and what is said leaves so much later too.
        """
        self._latency_ms = latency_ms
        self._admit = admit
        self._settle = settle
        self._on_failure = on_failure
        self._rest = rest
        self._make_streams = make_streams
        self._make_ws_api = make_ws_api
        self._connections: dict[web.WebSocketResponse, Connection] = {}
        self._closing: set[asyncio.Future[bool]] = set()
        self._runner: web.AppRunner | None = None

    @property
    def connections(self) -> int:
        return len(self._connections)

    async def start(self, port: int, host: str = HOST) -> int:
        """Listen on a port of `host` (0 = any free one); the port.

        Raises:
            OSError: the port cannot be had.
        """
        app = web.Application(client_max_size=BODY_BYTES_MAX)
        app.router.add_get(WS_API_PATH, self._on_ws_api)
        app.router.add_get("/stream", self._on_combined)
        app.router.add_get("/ws", self._on_raw)
        app.router.add_get("/ws/{streams:.+}", self._on_raw)
        app.router.add_get("/stream/ws", self._on_raw)
        app.router.add_route("*", "/{path:.*}", self._on_rest)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_WAIT_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Close every connection and stop listening."""
        sockets = list(self._connections)
        closing = [asyncio.ensure_future(socket.close(code=WSCloseCode.GOING_AWAY)) for socket in sockets]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_WAIT_S)
        if self._runner is not None:
            await self._runner.cleanup()

    async def _on_rest(self, request: web.Request) -> web.Response:
        body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
        path, _, query = request.raw_path.partition("?")
        api_key, address = request.headers.get("X-MBX-APIKEY"), request.remote or ""
        if self._latency_ms:
            await asyncio.sleep(self._latency_ms / 1000)
        try:
            answer = self._rest.answer(RestRequest(request.method, path, query, body, api_key, address))
        except Exception as failure:
            self._on_failure(failure)
            raise
        self._settle()
        if delay_ms := answer.delay_ms + self._latency_ms:
            await asyncio.sleep(delay_ms / 1000)
        if answer.is_lost and request.transport is not None:
            request.transport.abort()
        return web.Response(
            status=answer.status, body=answer.body, headers=answer.headers, content_type="application/json"
        )

    async def _on_raw(self, request: web.Request) -> web.StreamResponse:
        streams = [name for name in request.match_info.get("streams", "").split("/") if not name.isdigit() and name]
        return await self._serve(request, lambda outbox: self._make_streams(outbox, streams, False))

    async def _on_combined(self, request: web.Request) -> web.StreamResponse:
        streams = [name for name in request.query.get("streams", "").split("/") if name]
        return await self._serve(request, lambda outbox: self._make_streams(outbox, streams, True))

    async def _on_ws_api(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, lambda outbox: self._make_ws_api(outbox, request.remote or ""))

    async def _serve(self, request: web.Request, make: Callable[[Outbox], WsSession]) -> web.StreamResponse:
        refusal = self._admit(request.remote or "")
        if refusal:
            return web.Response(status=refusal)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, compress=False, max_msg_size=MESSAGE_BYTES_MAX)
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        outbox = SocketOutbox(
            socket,
            peer=str(transport.get_extra_info("peername")),
            abort=transport.abort,
            settle=self._settle,
            latency_ms=self._latency_ms,
        )
        self._connections[socket] = Connection(request.path, transport, outbox)
        session = make(outbox)
        requests = Lane(self._latency_ms, partial(self._hear, session))
        sender = asyncio.create_task(_send(outbox))
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    requests.put(message.data)
            # What was sent before the connection ended arrives all the same.
            await requests.emptied()
        finally:
            session.on_close()
            self._connections.pop(socket, None)
            sender.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender
        return socket

    def _hear(self, session: WsSession, text: str) -> None:
        try:
            session.on_text(text)
        except Exception as failure:
            self._on_failure(failure)
            raise

    def drop(self, how: str, whose: str) -> int:
        """End WebSocket connections as a network or a server would; how many.

        Raises:
            ValueError: a word that is no `DropMode` or `DropWho`.
        """
        mode, who = DropMode(how), DropWho(whose)
        chosen = [
            (socket, connection)
            for socket, connection in self._connections.items()
            if who is DropWho.ALL or (who is DropWho.WS_API) == (connection.path == WS_API_PATH)
        ]
        for socket, connection in chosen:
            if mode is DropMode.HARD:
                connection.transport.abort()
            elif mode is DropMode.HALF_OPEN:
                connection.outbox.mute()
                if isinstance(connection.transport, asyncio.Transport):
                    connection.transport.pause_reading()
            else:
                self._closing.add(task := asyncio.ensure_future(socket.close(code=WSCloseCode.GOING_AWAY)))
                task.add_done_callback(self._closing.discard)
        return len(chosen)


async def _send(outbox: SocketOutbox) -> None:
    with contextlib.suppress(ConnectionError):
        await outbox.run()
