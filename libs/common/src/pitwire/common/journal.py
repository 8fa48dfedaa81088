"""Appending to one's own subject of the journal: compare-and-set, and after any doubt read back before going on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from pitwire.common import codec, topology
from pitwire.common.bus.port import Bus
from pitwire.common.errors import AppendRefused, BusUnavailable, InvariantBroken, LostRace, OutcomeUnknown
from pitwire.common.schemas.base import Message

READ_BACK_WAIT_S: Final = 0.05
READ_BACK_TRIES_MAX: Final = 1_200
"""One minute without an answer from the stream's leader: the process ends and its restart waits instead."""

REFUSED_WAIT_S: Final = 1.0
FOLD_WAIT_MAX_S: Final = 30.0
RACES_MAX: Final = 1_000
OWN_MAX: Final = 32
"""Own records that the reader has not brought yet; with more under way the oldest is decoded like anybody's."""


class Fold(Protocol):
    """The writer's view of its subject, kept by its reader."""

    @property
    def last_sequence(self) -> int:
        """Journal sequence of the newest record of the subject that is folded; 0 = none."""
        ...

    def written(self, sequence: int, message: Message, data: bytes) -> None:
        """Folds the own record that was just stored, unless the reader brought it first."""
        ...

    async def folded(self, sequence: int) -> None:
        """Returns when the reader has folded the subject up to `sequence`."""
        ...


class FencedWriter:
    """The one writer of one literal subject in this process. Correct with any number of processes on the subject."""

    def __init__(
        self,
        bus: Bus,
        subject: str,
        fold: Fold,
        *,
        on_refused: Callable[[AppendRefused], Awaitable[None]] | None = None,
    ) -> None:
        """`on_refused` is told when the stream takes nothing (full, or not there yet); the write then waits for it."""
        self._bus = bus
        self._subject = subject
        self._fold = fold
        self._on_refused = on_refused
        self._lock = asyncio.Lock()
        self._own: dict[bytes, Message] = {}
        self.races_lost = 0

    def own(self, data: bytes) -> Message | None:
        """The message that this process wrote as exactly these bytes: it need not be decoded to be known. Once."""
        return self._own.pop(data, None)

    async def write(self, make: Callable[[], Message | None], *, trace: str = "") -> int:
        """Stores what `make` says, made anew from the current fold after each lost race or unknown outcome.

        Returns the sequence, or 0 when `make` found that nothing is left to write. `make` must put the place of
        the record in its chain (number, previous hash, cursors) itself, from the same fold.
        """
        async with self._lock:
            races = 0
            while races < RACES_MAX:
                message = make()
                if message is None:
                    return 0
                data = self._remember(message)
                try:
                    sequence = await self._bus.append(
                        self._subject,
                        data,
                        codec.headers_for(message, trace),
                        expected_last=self._fold.last_sequence,
                    )
                except (LostRace, OutcomeUnknown, BusUnavailable):
                    races += 1
                    self.races_lost += 1
                    await self._read_back()
                    continue
                except AppendRefused as refused:
                    if self._on_refused is None:
                        raise
                    await self._on_refused(refused)
                    await asyncio.sleep(REFUSED_WAIT_S)
                    continue
                self._fold.written(sequence, message, data)
                return sequence
        raise InvariantBroken(f"{self._subject}: {RACES_MAX} races in one write stored nothing")

    def _remember(self, message: Message) -> bytes:
        data = codec.encode(message)
        self._own[data] = message
        if len(self._own) > OWN_MAX:
            del self._own[next(iter(self._own))]
        return data

    async def _read_back(self) -> None:
        """Waits until everything that stands on the subject is folded; the error itself is never interpreted."""
        for _ in range(READ_BACK_TRIES_MAX):
            try:
                newest = await self._bus.last(topology.OMS.name, self._subject)
            except BusUnavailable:
                await asyncio.sleep(READ_BACK_WAIT_S)
                continue
            if newest is not None and newest.sequence > self._fold.last_sequence:
                async with asyncio.timeout(FOLD_WAIT_MAX_S):
                    await self._fold.folded(newest.sequence)
            return
        raise BusUnavailable(f"{self._subject}: no answer in {READ_BACK_TRIES_MAX * READ_BACK_WAIT_S:.0f} s")
