"""A queue of work on the bus: each record in the hands of one worker at a time, until that confirms it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol

import orjson

from pitwire.common.bus.client import errors as nats_errors
from pitwire.common.bus.link import STATUS_HEADER, Delivery, Link
from pitwire.common.bus.port import Record
from pitwire.common.bus.reader import deliveries_of, record_of_delivery
from pitwire.common.errors import BusUnavailable
from pitwire.common.topology import WORKERS, Stream
from pitwire.common.units import NS_PER_S

TAKE_WAIT_S: Final = 5.0
"""How long the server keeps a request for work open while there is none."""

ANSWER_WITHIN_S: Final = 3.0
NOTHING: Final = frozenset({"404", "408"})
"""No record within the wait."""

CONFIRM: Final = b"+ACK"
STILL_WORKING: Final = b"+WPI"
GIVE_BACK: Final = b"-NAK"


@dataclass(frozen=True, slots=True)
class Work:
    """A record in this worker's hands; `deliveries` counts how often it was in anybody's, this time included."""

    record: Record
    deliveries: int
    receipt: str


class Queue(Protocol):
    """What a worker may ask. All raise `BusUnavailable` where the server does not answer."""

    async def take(self) -> Work | None:
        """The next record; None when there was none for `TAKE_WAIT_S`."""
        ...

    async def confirm(self, work: Work) -> None:
        """It is done: nobody gets it again."""
        ...

    async def still_working(self, work: Work) -> None:
        """Keeps it in this worker's hands for another `CONFIRM_WITHIN_S`."""
        ...

    async def give_back(self, work: Work) -> None:
        """Another worker gets it at once."""
        ...


class NatsQueue:
    """`Queue` on the durable consumer of a work-queue stream."""

    def __init__(self, client: Link, stream: Stream) -> None:
        self._client = client
        self._next = f"$JS.API.CONSUMER.MSG.NEXT.{stream.name}.{WORKERS}"

    async def take(self) -> Work | None:
        came = await self._asked_for_one()
        status = came.headers.get(STATUS_HEADER)
        if status in NOTHING:
            return None
        if status is not None:
            raise BusUnavailable(f"{self._next}: status {status} {came.headers.get('Description', '')}")
        record, _ = record_of_delivery(came)
        return Work(record, deliveries_of(came.reply), came.reply)

    async def _asked_for_one(self) -> Delivery:
        """A record comes under its own subject, so each request has an inbox for itself."""
        answer: asyncio.Future[Delivery] = asyncio.get_running_loop().create_future()

        def on_delivery(came: Delivery) -> None:
            if not answer.done():
                answer.set_result(came)

        body = orjson.dumps({"batch": 1, "expires": int(TAKE_WAIT_S * NS_PER_S)})
        inbox = self._client.new_inbox()
        try:
            subscription = await self._client.listen(inbox, on_delivery)
            try:
                self._client.send(self._next, body, reply=inbox)
                async with asyncio.timeout(TAKE_WAIT_S + ANSWER_WITHIN_S):
                    return await answer
            finally:
                await subscription.unsubscribe()
        except (TimeoutError, nats_errors.Error, OSError) as error:
            raise BusUnavailable(f"{self._next}: {type(error).__name__}") from None

    async def confirm(self, work: Work) -> None:
        try:
            await self._client.ask(work.receipt, CONFIRM, None, timeout_s=ANSWER_WITHIN_S)
        except (TimeoutError, nats_errors.Error, OSError) as error:
            raise BusUnavailable(f"{work.record.subject}: not confirmed: {type(error).__name__}") from None

    async def still_working(self, work: Work) -> None:
        self._say(work, STILL_WORKING)

    async def give_back(self, work: Work) -> None:
        self._say(work, GIVE_BACK)

    def _say(self, work: Work, what: bytes) -> None:
        try:
            self._client.send(work.receipt, what)
        except (nats_errors.Error, OSError) as error:
            raise BusUnavailable(f"{work.record.subject}: {type(error).__name__}") from None
