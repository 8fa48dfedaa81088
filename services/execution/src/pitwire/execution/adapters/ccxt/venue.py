"""`Venue` on an exchange of ccxt.

Its streams are hints: they merge states and may lose trades, so every word that comes in only says which order to ask
for. What an order is, and what it traded, is the answer to a question.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import orjson

from pitwire.common.clock import NS_PER_MS, NS_PER_S, Clock
from pitwire.common.config import VenueConfig
from pitwire.common.enums import OrderType, TimeInForce
from pitwire.common.errors import DecodeError, RateLimited, VenueTrouble
from pitwire.common.ids import content_hash
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.schemas.base import decimal_text
from pitwire.execution.adapters.ccxt import words
from pitwire.execution.adapters.ccxt.exchange import (
    BINANCE,
    REQUEST_TIMEOUT_MS,
    is_not_found,
    is_of_ccxt,
    make_exchange,
    refusal_of,
    text_of,
)
from pitwire.execution.adapters.ccxt.reads import Reads
from pitwire.execution.adapters.keys import ApiKey
from pitwire.execution.core.backoff import Backoff, Fraction
from pitwire.execution.core.rate_limits import Lane, LimitKind, RateLimits, Rule
from pitwire.execution.core.venue import (
    CancelAnswer,
    Canceled,
    CancelFailed,
    InDoubt,
    NewOrder,
    NothingToCancel,
    OrderFacts,
    Placed,
    Refused,
    SubmitAnswer,
)
from pitwire.execution.ports import Capabilities, Prepared, VenueListener

PAUSE_BEFORE_REWATCH_S: Final = 0.05
"""After an error a watch that is called again at once may never deliver again, without an exception."""

LIMIT_WINDOW_NS: Final = 10 * NS_PER_S
STOPS: Final = frozenset(OrderType) - {OrderType.MARKET, OrderType.LIMIT}
STATE_POLL_S: Final = 0.05
HINTS_MAX: Final = 10_000


def requests_limit(exchange: Any, share_percent: int) -> RateLimits:
    """What ccxt says that the exchange bears (`rateLimit`, milliseconds from one request to the next)."""
    limit = max(int(LIMIT_WINDOW_NS // NS_PER_MS // max(float(exchange.rateLimit), 1.0)), 1)
    return RateLimits([Rule(LimitKind.RAW_REQUESTS, LIMIT_WINDOW_NS, limit)], share_percent=share_percent)


class TooLate(VenueTrouble):
    """Its turn came when it was not wanted any more; nothing was sent."""

    code = "TOO_LATE"


class CcxtVenue:
    """One account."""

    def __init__(
        self,
        venue: str,
        config: VenueConfig,
        key: ApiKey,
        instruments: InstrumentRegistry,
        clock: Clock,
        fraction: Fraction,
    ) -> None:
        self._config = config
        self._clock = clock
        self._venue = venue
        self._key = key
        self._exchange: Any = make_exchange(venue, config, key)
        self._limits = requests_limit(self._exchange, config.rate_share_percent)
        self._limits.align(clock.wall_ns(), clock.monotonic_ns())
        self._reads = Reads(lambda: self._exchange, venue, config, instruments, clock, self._limits)
        self._backoff = Backoff(fraction)
        self._listener: VenueListener
        self._request_ids = itertools.count(1)
        self._orders: dict[int, tuple[NewOrder, int]] = {}
        self._hints: dict[tuple[str, str], None] = {}
        self._hinted = asyncio.Event()
        self._renew = asyncio.Event()
        self._is_up = False
        self._errands: set[asyncio.Task[None]] = set()

    @property
    def reads(self) -> Reads:
        return self._reads

    @property
    def capabilities(self) -> Capabilities:
        """Stops are spelled differently everywhere: only where it was tried."""
        offered = (self._exchange.features.get("spot") or {}).get("createOrder") or {}
        times = offered.get("timeInForce") or {}
        stops = STOPS if self._config.exchange == BINANCE else frozenset[OrderType]()
        return Capabilities(
            frozenset({OrderType.MARKET, OrderType.LIMIT}) | stops,
            frozenset(each for each in TimeInForce if each is TimeInForce.GTC or times.get(each.value)),
            post_only=bool(times.get("PO")),
        )

    @property
    def trouble(self) -> str:
        if not self._is_up:
            return "private stream is down"
        wait_ns = self._limits.wait_ns(Lane.SUBMIT, 1, self._clock.monotonic_ns())
        return f"rate limited for another {wait_ns / NS_PER_S:.1f} s" if wait_ns else ""

    # -- connections -------------------------------------------------------------------------------------------------

    async def run(self, listener: VenueListener) -> None:
        self._listener = listener
        self._reads.on_malformed = listener.on_malformed
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._lives())
            tasks.create_task(self._follow_hints())

    async def close(self) -> None:
        for errand in list(self._errands):
            errand.cancel()
        await asyncio.gather(*self._errands, return_exceptions=True)
        await self._exchange.close()

    async def _lives(self) -> None:
        """One instance after another: a session that grows old rots, and one that broke is not mended."""
        while True:
            self._renew.clear()
            streams = [asyncio.create_task(self._watch(name)) for name in ("watch_orders", "watch_my_trades")]
            state = asyncio.create_task(self._follow_state())
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.connection_life_s):
                    await self._renew.wait()
            for task in (*streams, state):
                task.cancel()
            await asyncio.gather(*streams, state, return_exceptions=True)
            old, self._exchange = self._exchange, make_exchange(self._venue, self._config, self._key)
            self._exchange.set_markets(old.markets)
            await old.close()
            self._told(is_up=False, why="connections are changed")

    async def _watch(self, name: str) -> None:
        """Never again at once after an error: see `PAUSE_BEFORE_REWATCH_S`."""
        while True:
            try:
                rows = await getattr(self._exchange, name)()
                self._backoff.reset()
                for row in rows:
                    self._hint(row)
            except Exception as error:  # noqa: BLE001 - whatever the library raises, the stream has to go on
                self._told(is_up=False, why=f"{name}: {text_of(error)}")
                await asyncio.sleep(PAUSE_BEFORE_REWATCH_S + self._backoff.next_wait_s())

    async def _follow_state(self) -> None:
        """Ccxt does not say when a subscription stands; that its connections do is the best there is."""
        while True:
            is_up = _is_connected(self._exchange)
            if is_up != self._is_up:
                self._told(is_up=is_up, why="connection lost")
            await asyncio.sleep(STATE_POLL_S)

    def _told(self, *, is_up: bool, why: str) -> None:
        if is_up and not self._is_up:
            self._is_up = True
            self._listener.on_gap("private stream connected")
            self._listener.on_link("CONNECTED")
        elif not is_up:
            self._is_up = False
            self._listener.on_link(why)

    # -- hints -------------------------------------------------------------------------------------------------------

    def _hint(self, row: Any) -> None:
        """Something happened to this order. A row that names none is a gap: it may have been a fill."""
        instrument_id = self._reads.find(str(row.get("symbol")))
        venue_order_id = row.get("order") or row.get("id")
        if instrument_id is None or not isinstance(venue_order_id, str) or len(self._hints) >= HINTS_MAX:
            self._listener.on_malformed("private stream", repr(row).encode(), "not an order of what is configured")
            self._listener.on_gap("private stream could not be read")
            return
        self._hints[instrument_id, venue_order_id] = None
        self._hinted.set()

    async def _follow_hints(self) -> None:
        while True:
            await self._hinted.wait()
            self._hinted.clear()
            while self._hints:
                instrument_id, venue_order_id = next(iter(self._hints))
                del self._hints[instrument_id, venue_order_id]
                try:
                    facts = await self._reads.facts(instrument_id, venue_order_id)
                except VenueTrouble as trouble:
                    self._listener.on_gap(f"order {venue_order_id} could not be asked for: {trouble}")
                    await asyncio.sleep(self._backoff.wait_after_s(trouble))
                    continue
                if facts is not None:
                    self._listener.on_facts(facts)

    # -- orders ------------------------------------------------------------------------------------------------------

    def prepare(self, order: NewOrder, *, now_ns: int, expires_ns: int) -> Prepared:
        """The library signs when it sends, which it does not any more after `expires_ns`.

        How long a venue may take an order is its own affair: it counts as possible while a request may be under way.
        """
        self.capabilities.check(order)
        request_id = next(self._request_ids)
        self._orders[request_id] = (order, expires_ns)
        digest = content_hash(orjson.dumps([*_words_of(order), _params_of(order)]))
        travel_ns = (REQUEST_TIMEOUT_MS + self._config.recv_window_ms) * NS_PER_MS
        return Prepared(order.client_order_id, b"", request_id, digest, now_ns + travel_ns)

    async def send(self, prepared: Prepared) -> asyncio.Future[SubmitAnswer]:
        answer: asyncio.Future[SubmitAnswer] = asyncio.get_running_loop().create_future()
        order, expires_ns = self._orders.pop(prepared.request_id)
        self._spawn(self._submit(order, expires_ns, answer))
        return answer

    async def _submit(self, order: NewOrder, expires_ns: int, answer: asyncio.Future[SubmitAnswer]) -> None:
        result: SubmitAnswer = InDoubt("cancelled while waiting for the answer")
        try:
            result = await self._answer_to(order, expires_ns)
        finally:
            if not answer.done():
                answer.set_result(result)

    async def _answer_to(self, order: NewOrder, expires_ns: int) -> SubmitAnswer:
        try:
            row = await self._reads.ask("create_order", Lane.SUBMIT, self._create(order, expires_ns))
        except (RateLimited, TooLate) as unsent:
            return Refused(unsent.code, f"not sent: {unsent}")
        except Exception as error:  # noqa: BLE001 - law 4: whatever went wrong after sending leaves the order in doubt
            kind = refusal_of(error)
            return Refused(kind.value, text_of(error)) if kind else InDoubt(text_of(error))
        try:
            placed = words.order_of(row, self._reads.instrument(order.instrument_id))
        except DecodeError as error:
            self._listener.on_malformed("create_order", repr(row).encode(), error.reason)
            return InDoubt(f"the answer cannot be read: {error}")
        self._hints[order.instrument_id, placed.venue_order_id] = None
        self._hinted.set()
        return Placed(OrderFacts(placed))

    def _create(self, order: NewOrder, expires_ns: int) -> Callable[[Any], Awaitable[Any]]:
        symbol = self._reads.symbol(order.instrument_id)

        def create(exchange: Any) -> Awaitable[Any]:
            if self._clock.wall_ns() >= expires_ns:
                raise TooLate("its approval has expired")
            found: Awaitable[Any] = exchange.create_order(symbol, *_words_of(order), _params_of(order))
            return found

        return create

    async def cancel_order(self, instrument_id: str, client_order_id: str) -> CancelAnswer:
        params = {"clientOrderId": client_order_id}
        try:
            symbol = self._reads.symbol(instrument_id)
            await self._reads.ask("cancel", Lane.CANCEL, lambda each: each.cancel_order(None, symbol, dict(params)))
            order = await self._reads.query_order(instrument_id, client_order_id)
        except VenueTrouble as trouble:
            return CancelFailed(str(trouble))
        except Exception as error:
            if is_not_found(error):
                return NothingToCancel()
            if is_of_ccxt(error):
                return CancelFailed(text_of(error))
            raise
        if order is None or not order.status.is_terminal:
            return CancelFailed("the venue took the cancel and shows the order as working")
        return Canceled(OrderFacts(order))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)


def _words_of(order: NewOrder) -> tuple[str, str, str, str | None]:
    """Type, side, amount, price. A market order has no price: ccxt would take it for an amount of quote currency."""
    price = decimal_text(order.limit_price) if order.limit_price is not None else None
    return order.order_type.value.lower(), order.side.value.lower(), decimal_text(order.quantity), price


def _params_of(order: NewOrder) -> dict[str, str | bool]:
    params: dict[str, str | bool] = {"clientOrderId": order.client_order_id}
    if order.stop_price is not None:
        params["stopPrice"] = decimal_text(order.stop_price)
    if order.post_only:
        params["postOnly"] = True
    elif order.order_type.has_limit_price:
        params["timeInForce"] = order.time_in_force.value
    return params


def _is_connected(exchange: Any) -> bool:
    connections = [client.connected for client in exchange.clients.values()]
    return bool(connections) and all(
        each.done() and not each.cancelled() and each.exception() is None for each in connections
    )
