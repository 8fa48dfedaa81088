"""Keeps one WebSocket API connection alive: reconnects with bounded backoff, changes over before the venue ends it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.errors import VenueTrouble
from pitwire.execution.adapters.binance.socket import ApiSocket
from pitwire.execution.core.backoff import Backoff

OVERLAP_MAX_S: Final = 10.0
STABLE_AFTER_NS: Final = 3 * NS_PER_S
"""A connection that lived this long was a good one: the next failure waits little. Two links that each time end after
as long open 200 connections in five minutes; the venue allows 300."""


class Link:
    """`current` is the connection to use, None while there is none. `set_up` runs on each new one before it counts."""

    def __init__(
        self,
        name: str,
        *,
        connect: Callable[[], Awaitable[ApiSocket]],
        set_up: Callable[[ApiSocket], Awaitable[None]],
        on_up: Callable[[bool], None],
        on_down: Callable[[str], None],
        backoff: Backoff,
        clock: Clock,
        life_s: float,
    ) -> None:
        self.name = name
        self.current: ApiSocket | None = None
        self._connect = connect
        self._set_up = set_up
        self._on_up = on_up
        self._on_down = on_down
        self._backoff = backoff
        self._clock = clock
        self._life_s = life_s
        self._renew = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[ApiSocket] = set()
        self._failure: Exception | None = None

    def renew(self) -> None:
        """Change over to a new connection now: the venue announced its end, or a test wants to see it."""
        self._renew.set()

    async def run(self) -> None:
        """For ever. `on_up(gap)` when a connection is there: `gap` unless it took over from one still alive."""
        try:
            while True:
                await self._one_life()
        finally:
            for task in self._tasks:
                task.cancel()

    async def close(self) -> None:
        """Ends every connection there is."""
        for socket in list(self._sockets):
            await socket.close()
        self._sockets.clear()

    async def _one_life(self) -> None:
        try:
            socket, ended = await self._open()
        except VenueTrouble as trouble:
            if self.current is None:
                self._on_down(str(trouble))
            await asyncio.sleep(self._backoff.wait_after_s(trouble))
            return
        opened_ns = self._clock.monotonic_ns()
        old, self.current = self.current, socket
        if old is not None:
            self._spawn(self._retire(old))
        self._renew.clear()
        self._on_up(old is None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._life_s):
                await self._until_renewal_or(ended)
        if self._clock.monotonic_ns() - opened_ns >= STABLE_AFTER_NS:
            self._backoff.reset()
        if self._failure is not None:
            raise self._failure
        if ended.is_set():
            await asyncio.sleep(self._backoff.next_wait_s())

    async def _open(self) -> tuple[ApiSocket, asyncio.Event]:
        """A connection that is read and set up; the event is set when it has ended."""
        socket = await self._connect()
        self._sockets.add(socket)
        ended = asyncio.Event()
        self._spawn(self._read(socket, ended))
        try:
            await self._set_up(socket)
        except VenueTrouble:
            await socket.close()
            raise
        return socket, ended

    async def _read(self, socket: ApiSocket, ended: asyncio.Event) -> None:
        reason = "failed"
        try:
            reason = await socket.read()
            self._sockets.discard(socket)
        except Exception as error:  # noqa: BLE001 - whatever a handler of events raised ends `run`, not this task unseen
            self._failure = error
        finally:
            ended.set()
            if self.current is socket:
                self.current = None
                self._on_down(reason)

    async def _until_renewal_or(self, ended: asyncio.Event) -> None:
        waits = [asyncio.ensure_future(ended.wait()), asyncio.ensure_future(self._renew.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _retire(self, socket: ApiSocket) -> None:
        """The old connection ends when everything asked on it is answered, or after a while."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(OVERLAP_MAX_S):
                await socket.idle()
        await socket.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
