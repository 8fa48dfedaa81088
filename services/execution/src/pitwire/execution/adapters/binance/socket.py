"""One WebSocket API connection, for one life: requests and their answers by id, events to a callback."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import aiohttp
import orjson

from pitwire.common.errors import AnswerTimeout, ConnectionLost

FRAME_BYTES_MAX: Final = 1_048_576
CONNECT_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 1.0
UNANSWERED_MAX: Final = 64
"""Requests without an answer. Together they stay below what a socket takes without blocking, so that a peer that does
not read cannot hold up whoever sends."""

FRAME_MAX: Final = 900
"""Bytes of one request."""

ANSWER_TIMEOUT_S: Final = 10.0
Answer = dict[str, Any]


class ApiSocket:
    """An open connection. `read` has to run; when it returns the connection is over and every open request fails."""

    def __init__(
        self,
        socket: aiohttp.ClientWebSocketResponse,
        *,
        on_event: Callable[[Answer], None],
        on_malformed: Callable[[bytes, str], None],
    ) -> None:
        self._socket = socket
        self._on_event = on_event
        self._on_malformed = on_malformed
        self._unanswered: dict[int, asyncio.Future[Answer]] = {}
        self._is_over = False

    @classmethod
    async def open(
        cls,
        session: aiohttp.ClientSession,
        url: str,
        *,
        ping_s: float,
        on_event: Callable[[Answer], None],
        on_malformed: Callable[[bytes, str], None],
    ) -> ApiSocket:
        """Connects. A silent peer is asked for a sign of life every `ping_s`, and given up half that later."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                socket = await session.ws_connect(
                    url,
                    heartbeat=ping_s,
                    max_msg_size=FRAME_BYTES_MAX,
                    compress=0,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_TIMEOUT_S),  # pyright: ignore[reportCallIssue] # an attrs class
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ConnectionLost(place=url, reason=f"{type(error).__name__}: {error}") from None
        return cls(socket, on_event=on_event, on_malformed=on_malformed)

    @property
    def has_room(self) -> bool:
        return not self._is_over and len(self._unanswered) < UNANSWERED_MAX

    async def idle(self) -> None:
        """Returns when nothing asked here is without an answer."""
        while self._unanswered:
            await asyncio.wait(list(self._unanswered.values()))

    async def send(self, request_id: int, frame: bytes) -> asyncio.Future[Answer]:
        """Writes the request without waiting for anything; the future gets the answer, or `ConnectionLost`.

        Raises `ConnectionLost` only when certainly nothing was written.
        """
        if self._is_over or not self.has_room or len(frame) > FRAME_MAX:
            raise ConnectionLost(place=f"request {request_id}", reason="no room on the connection")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._unanswered[request_id] = future
        try:
            await self._socket.send_frame(frame, aiohttp.WSMsgType.TEXT)
        except (aiohttp.ClientError, OSError, RuntimeError) as error:
            reason = f"{type(error).__name__}: {error}"
            self._fail(request_id, ConnectionLost(place=f"request {request_id}", reason=reason))
        return future

    async def ask(self, request_id: int, frame: bytes) -> Answer:
        """Sends and waits, bounded; `AnswerTimeout` when there is no answer."""
        future = await self.send(request_id, frame)
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                return await future
        except TimeoutError:
            self._unanswered.pop(request_id, None)
            raise AnswerTimeout(place=f"request {request_id}", after_s=ANSWER_TIMEOUT_S) from None

    async def read(self) -> str:
        """Hands out answers and events until the connection ends; returns why it did."""
        reason = "closed by the venue"
        try:
            async for message in self._socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._on_text(message.data)
        finally:
            self._is_over = True
            failed = self._socket.exception()
            if failed is not None:
                reason = f"{type(failed).__name__}: {failed}"
            for request_id in list(self._unanswered):
                self._fail(request_id, ConnectionLost(place=f"request {request_id}", reason=reason))
        return reason

    async def close(self) -> None:
        self._is_over = True
        await self._socket.close()

    def _on_text(self, text: str) -> None:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            self._on_malformed(text.encode(), f"not JSON: {error}")
            return
        if not isinstance(message, dict):
            self._on_malformed(text.encode(), "not an object")
        elif "event" in message:
            self._on_event(message)
        else:
            self._on_answer(message, text)

    def _on_answer(self, message: Answer, text: str) -> None:
        request_id = message.get("id")
        future = self._unanswered.pop(request_id, None) if isinstance(request_id, int) else None
        if future is None:
            self._on_malformed(text.encode(), f"answer to {request_id!r}, which nobody waits for")
        elif not future.done():
            future.set_result(message)

    def _fail(self, request_id: int, error: ConnectionLost) -> None:
        future = self._unanswered.pop(request_id, None)
        if future is not None and not future.done():
            future.set_exception(error)
