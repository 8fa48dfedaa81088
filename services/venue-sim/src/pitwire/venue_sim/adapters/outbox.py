"""A client's sending side: a bounded queue and one task that empties it into the socket."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from aiohttp import WSMsgType, web

from pitwire.venue_sim.adapters.lane import Lane

SEND_QUEUE_MAX = 20_000
"""Frames waiting for one client; one more and the client is cut off."""
log = logging.getLogger("venue.outbox")


class SocketOutbox:
    """Sends frames in order without ever blocking who produces them."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        *,
        peer: str,
        abort: Callable[[], None],
        settle: Callable[[], None],
        latency_ms: int = 0,
    ) -> None:
        self._lane = Lane(latency_ms, self._queue_frame)
        self._socket = socket
        self._abort = abort
        self._settle = settle
        self._peer = peer
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._cut = False

    def send(self, frame: bytes) -> None:
        """Queue one text frame; a client too slow for its bounded queue is cut off."""
        if self._cut:
            return
        if len(self._queue) + len(self._lane) >= SEND_QUEUE_MAX:
            self.cut(f"it does not read; {SEND_QUEUE_MAX} frames wait")
            return
        self._lane.put(frame)

    def _queue_frame(self, frame: bytes) -> None:
        if not self._cut:
            self._queue.append(frame)
            self._wake.set()

    def cut(self, reason: str) -> None:
        """End the connection: the client does what a client may not do."""
        self.mute()
        log.warning("client cut off: %s", reason, extra={"peer": self._peer})
        # The sending task may itself be waiting for this client, so the connection is ended from here.
        self._abort()

    def send_later(self, frame: bytes, delay_ms: int) -> None:
        """Queue one text frame after a while."""
        asyncio.get_running_loop().call_later(delay_ms / 1000, self.send, frame)

    def mute(self) -> None:
        """Send nothing any more, without telling the client."""
        self._cut = True
        self._queue.clear()

    async def run(self) -> None:
        """Send until the socket closes."""
        while not self._socket.closed:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                self._settle()
                await self._socket.send_frame(self._queue.popleft(), WSMsgType.TEXT)
