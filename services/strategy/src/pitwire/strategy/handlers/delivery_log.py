"""Writes down what the strategies were given, in batches: a replay gives it again."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Final

from pitwire.common import codec, subjects
from pitwire.common.bus.port import Record
from pitwire.common.enums import AlertSeverity, DeliveryKind
from pitwire.common.errors import AppendRefused, BusUnavailable, OutcomeUnknown
from pitwire.common.schemas.deliveries import DATA_MAX, Deliveries, Delivery
from pitwire.common.shell import Shell

FLUSH_PERIOD_S: Final = 0.25
WAITING_MAX: Final = 20_000
"""Steps that wait for the bus; what comes beyond them is lost to the replay, and trading goes on."""

BATCH_MAX: Final = 500
BATCH_CHARACTERS_MAX: Final = 100_000
"""Of records that are kept whole, in one message."""


class DeliveryLog:
    """`note` never waits; `run` appends."""

    def __init__(self, shell: Shell, *, slot: str, instance: str) -> None:
        self._shell = shell
        self._slot = slot
        self._instance = instance
        self._waiting: deque[Delivery] = deque()
        self._number = 0
        self._lost = 0
        self._is_told = False
        self._open: Deliveries | None = None
        self._flushing = asyncio.Lock()

    def note(self, kind: DeliveryKind, now_ns: int, *, account: str = "", sequence: int = 0, after: int = 0) -> None:
        """A step that a stream keeps."""
        self._keep(Delivery(kind=kind, now_ns=now_ns, account=account, sequence=sequence, after=after))

    def note_whole(self, kind: DeliveryKind, now_ns: int, record: Record) -> None:
        """A step that nobody keeps."""
        text = record.data.decode("utf-8", "replace")
        if len(text) > DATA_MAX:
            self._lost += 1
            return
        self._keep(
            Delivery(
                kind=kind,
                now_ns=now_ns,
                subject=record.subject,
                schema_header=record.schema or "",
                trace=record.trace,
                data=text,
            )
        )

    def _keep(self, delivery: Delivery) -> None:
        if len(self._waiting) >= WAITING_MAX:
            self._lost += 1
        else:
            self._waiting.append(delivery)

    async def run(self) -> None:
        """For ever; a bus that is away is waited for."""
        while True:
            await asyncio.sleep(FLUSH_PERIOD_S)
            await self.flush()

    async def flush(self) -> None:
        """Appends what waits, as far as the bus takes it."""
        async with self._flushing:
            while self._open is not None or self._waiting or self._lost:
                # One without an answer goes again as it was: under its number the server takes it for the same.
                message = self._open = self._open or self._next()
                if not await self._append(message):
                    return
                self._open = None

    def _next(self) -> Deliveries:
        batch = self._batch()
        for _ in batch:
            self._waiting.popleft()
        self._number += 1
        lost, self._lost = self._lost, 0
        return Deliveries(
            slot=self._slot,
            instance=self._instance,
            number=self._number,
            lost=lost,
            deliveries=tuple(batch),
            ts_ns=self._shell.clock.wall_ns(),
        )

    def _batch(self) -> list[Delivery]:
        found: list[Delivery] = []
        characters = 0
        for delivery in self._waiting:
            characters += len(delivery.data)
            if len(found) == BATCH_MAX or (found and characters > BATCH_CHARACTERS_MAX):
                break
            found.append(delivery)
        return found

    async def _append(self, message: Deliveries) -> bool:
        subject = subjects.delivered(self._slot)
        message_id = f"{message.instance}-{message.number}"
        try:
            await self._shell.bus.append(
                subject, codec.encode(message), codec.headers_for(message), message_id=message_id
            )
        except (BusUnavailable, OutcomeUnknown):
            return False
        except AppendRefused as error:
            if not self._is_told:
                self._is_told = True
                with contextlib.suppress(BusUnavailable):
                    text = f"{error}; what strategies decide from here on cannot be repeated by `pitwire replay`"
                    await self._shell.alert(AlertSeverity.WARNING, "DELIVERIES_NOT_KEPT", text)
            return False
        return True
