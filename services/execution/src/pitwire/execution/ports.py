"""Where execution touches the world: a venue account, the latch of the operator beside it, and the service shell."""

from __future__ import annotations

from asyncio import Future
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from prometheus_client import CollectorRegistry

from pitwire.common import shell as common
from pitwire.common.config import ServiceSettings
from pitwire.common.enums import OrderType, TimeInForce
from pitwire.common.errors import UsageError
from pitwire.common.schemas.ledger import Halt
from pitwire.common.schemas.market import Instrument
from pitwire.common.telemetry import Log
from pitwire.execution.core.venue import (
    CancelAnswer,
    NewOrder,
    OrderFacts,
    SubmitAnswer,
    VenueOrder,
    VenueTrade,
)


class Unsupported(UsageError):
    """The venue cannot do what the order asks; nothing was sent."""

    code = "UNSUPPORTED"


class CannotSign(UsageError):
    """The clock of the venue is not known well enough to say until when it may take the request; nothing was sent."""

    code = "CLOCK_SKEW"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a venue can do. What it cannot is refused before anything is sent, never dropped.

    That an order only reduces is not asked of any venue: the gate has verified it and the last hop looks again.
    """

    order_types: frozenset[OrderType]
    times_in_force: frozenset[TimeInForce]
    post_only: bool

    def check(self, order: NewOrder) -> None:
        """Raises `Unsupported` for the first thing that the order wants and the venue cannot do."""
        lacks = (
            (order.order_type not in self.order_types, f"order type {order.order_type}"),
            (order.time_in_force not in self.times_in_force, f"time in force {order.time_in_force}"),
            (order.post_only and not self.post_only, "post_only"),
        )
        for is_lacking, what in lacks:
            if is_lacking:
                raise Unsupported(f"{order.instrument_id}: the venue has no {what}; nothing was sent")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A signed request, ready for the wire. After `valid_until_ns` (wall clock) the venue takes it no more."""

    client_order_id: str
    frame: bytes
    request_id: int
    request_hash: str
    """sha256 of what is asked for, without timestamp, receive window, key and signature."""

    valid_until_ns: int


class VenueListener(Protocol):
    """Who a venue account tells what happens. Called in the order of arrival; must return at once and never raise."""

    def on_facts(self, facts: OrderFacts) -> None: ...

    def on_gap(self, reason: str) -> None:
        """Events may have been missed: everything must be asked anew before the stream is trusted again."""
        ...

    def on_malformed(self, place: str, data: bytes, reason: str) -> None:
        """Something that cannot be read came in; it was set aside."""
        ...

    def on_link(self, state: str) -> None:
        """The connections changed: CONNECTED, or what is missing."""
        ...


class VenueReads(Protocol):
    """How things stand at the venue. Every read may be repeated and raises `VenueTrouble`."""

    async def load_instruments(self) -> Sequence[Instrument]:
        """Definitions of the configured instruments."""
        ...

    async def query_order(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        """First endpoint: the order by our id; None when the venue says that there is none."""
        ...

    async def find_in_history(self, instrument_id: str, client_order_id: str) -> VenueOrder | None:
        """Second endpoint: the order among the newest of the instrument, open or not."""
        ...

    async def query_venue_order(self, instrument_id: str, venue_order_id: str) -> VenueOrder | None:
        """The order by the venue's id."""
        ...

    async def open_orders(self) -> Sequence[VenueOrder]:
        """Everything that works in the configured instruments, ours or not."""
        ...

    async def trades_of_order(self, instrument_id: str, venue_order_id: str) -> Sequence[VenueTrade]: ...

    async def trades_since(self, instrument_id: str, trade_id: int) -> Sequence[VenueTrade]:
        """Trades with a higher id, oldest first, all of them."""
        ...

    async def newest_trade_id(self, instrument_id: str) -> int:
        """0 when there is none."""
        ...

    async def balances(self) -> Mapping[str, Decimal]:
        """What the account holds of each asset, free and locked together; an asset that is absent is not held."""
        ...


class Venue(Protocol):
    """One account at one venue, in FIX words. Nothing here repeats a submit."""

    @property
    def reads(self) -> VenueReads: ...

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def trouble(self) -> str:
        """Why no order can be sent now; empty when one can."""
        ...

    async def run(self, listener: VenueListener) -> None:
        """Connects, watches for silence, reconnects with bounded backoff, for ever."""
        ...

    def prepare(self, order: NewOrder, *, now_ns: int, expires_ns: int) -> Prepared:
        """Signs a new order that the venue takes until `expires_ns` at the latest. `Unsupported`, `CannotSign`."""
        ...

    async def send(self, prepared: Prepared) -> Future[SubmitAnswer]:
        """Puts the request on the wire, once, without waiting for anything; the future never raises.

        Without an answer in time it says `InDoubt`; an answer that comes after that goes to the listener.
        """
        ...

    async def cancel_order(self, instrument_id: str, client_order_id: str) -> CancelAnswer:
        """Idempotent; may be asked again."""
        ...

    async def close(self) -> None: ...


class LatchStore(Protocol):
    """Halts given beside the bus. They outlive every process until a resume clears them."""

    def read(self) -> Sequence[Halt]:
        """All of them; one that cannot be read means HALT ALL under its own id."""
        ...

    def remove(self, halt_id: str) -> None: ...

    def acknowledge(self, halt_id: str, ts_ns: int) -> None:
        """Tells whoever gave the halt that it is obeyed since `ts_ns`."""
        ...


class Shell(common.Shell, Protocol):
    """What of the service shell is used here besides what all use."""

    @property
    def log(self) -> Log: ...

    @property
    def registry(self) -> CollectorRegistry: ...

    @property
    def settings(self) -> ServiceSettings: ...

    def fail(self, reason: str, error: BaseException | None = None) -> None: ...

    def set_ready(self, ready: bool) -> None: ...
