"""A client's sending side: a bounded queue and one task that empties it into the socket."""

import asyncio
import logging
from collections import deque

from aiohttp import WSMsgType, web

SEND_QUEUE_MAX = 20_000
"""Frames waiting for one client; one more and the client is cut off."""
log = logging.getLogger("venue.outbox")


class SocketOutbox:
    """Sends frames in order without ever blocking who produces them."""

    def __init__(self, socket: web.WebSocketResponse, *, peer: str) -> None:
        self._socket = socket
        self._peer = peer
        self._queue: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self.cut = False

    def send(self, frame: bytes) -> None:
        """Queue one text frame; a client too slow for its bounded queue is cut off."""
        if self.cut:
            return
        if len(self._queue) >= SEND_QUEUE_MAX:
            self.cut = True
            self._queue.clear()
            log.warning("client cut off: it does not read", extra={"peer": self._peer, "waiting": SEND_QUEUE_MAX})
        else:
            self._queue.append(frame)
        self._wake.set()

    async def run(self) -> None:
        """Send until the socket closes or the client is cut off."""
        while not self._socket.closed:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and not self.cut:
                await self._socket.send_frame(self._queue.popleft(), WSMsgType.TEXT)
            if self.cut:
                break
