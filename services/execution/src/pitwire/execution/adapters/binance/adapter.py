"""`Venue` on Binance Spot, or on anything that speaks like it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from pitwire.common.clock import NS_PER_MS, NS_PER_S, Clock
from pitwire.common.config import VenueConfig
from pitwire.common.enums import OrderType
from pitwire.common.errors import ConnectionLost, DecodeError, VenueTrouble
from pitwire.common.instruments import InstrumentRegistry
from pitwire.execution.adapters.binance import frames
from pitwire.execution.adapters.binance.account import check_account
from pitwire.execution.adapters.binance.errors import ErrorClass, Refusal, refusal_of
from pitwire.execution.adapters.binance.limits import (
    CONNECT_WEIGHT,
    ORDER_WEIGHT,
    SUBSCRIBE_WEIGHT,
    Limits,
    reports_in,
)
from pitwire.execution.adapters.binance.link import Link
from pitwire.execution.adapters.binance.reads import Reads
from pitwire.execution.adapters.binance.rest import Refused, Rest
from pitwire.execution.adapters.binance.signing import SUPPORTED_TIMES, Params, Signer, order_params, request_hash
from pitwire.execution.adapters.binance.socket import FRAME_MAX, Answer, ApiSocket
from pitwire.execution.adapters.binance.venue_clock import VenueClock
from pitwire.execution.adapters.keys import ApiKey
from pitwire.execution.core import venue as words
from pitwire.execution.core.backoff import Backoff, Fraction
from pitwire.execution.core.rate_limits import Lane, RateLimits, Ticket
from pitwire.execution.core.venue import (
    CancelAnswer,
    Canceled,
    CancelFailed,
    InDoubt,
    NewOrder,
    NothingToCancel,
    OrderFacts,
    Placed,
    SubmitAnswer,
)
from pitwire.execution.ports import (
    CannotSign,
    Capabilities,
    Prepared,
    Unsupported,
    VenueListener,
)

PLACE: Final = "order.place"
CANCEL: Final = "order.cancel"
SUBSCRIBE: Final = "userDataStream.subscribe.signature"
ORDER_ANSWER_MAX_S: Final = 5.0
"""Then the order counts as in doubt; an answer that still comes is used."""

TIME_SAMPLES: Final = 3
TIME_PERIOD_NS: Final = 60 * NS_PER_S
TIME_POLL_S: Final = 0.25
SIGN_WINDOW_MIN_MS: Final = 1
REPORT: Final = "executionReport"
BALANCE_UPDATE: Final = "balanceUpdate"
STREAM_TERMINATED: Final = "eventStreamTerminated"
SERVER_SHUTDOWN: Final = "serverShutdown"
CAPABILITIES: Final = Capabilities(frozenset(OrderType), SUPPORTED_TIMES, post_only=True)


class BinanceVenue:
    """One account. Orders and the private stream have a connection each; what is asked again goes over REST."""

    def __init__(
        self,
        venue: str,
        config: VenueConfig,
        key: ApiKey,
        instruments: InstrumentRegistry,
        clock: Clock,
        fraction: Fraction,
        address: RateLimits,
    ) -> None:
        self._venue = venue
        self._config = config
        self._instruments = instruments
        self._clock = clock
        self._signer = Signer(key)
        self._venue_clock = VenueClock()
        self._limits = Limits(clock, self._venue_clock, address)
        self._backoff = Backoff(fraction)
        self._rest = Rest(
            config.rest,
            clock,
            self._signer,
            self._venue_clock,
            self._limits,
            recv_window_ms=config.recv_window_ms,
            session=self._open_session,
        )
        self._reads = Reads(self._rest, self._limits, venue, config, instruments)
        self._request_ids = itertools.count(1)
        self._listener: VenueListener
        self._session: aiohttp.ClientSession | None = None
        self._timed_ns = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._unfit = "the account was not looked at yet"
        self._orders = self._link("orders", fraction, self._nothing_to_set_up, self._on_orders_up)
        self._stream = self._link("private stream", fraction, self._subscribe, self._on_stream_up)

    # -- connections ---------------------------------------------------------------------------------------------

    @property
    def capabilities(self) -> Capabilities:
        return CAPABILITIES

    @property
    def reads(self) -> Reads:
        return self._reads

    @property
    def trouble(self) -> str:
        socket = self._orders.current
        if self._unfit:
            return self._unfit
        if socket is None or not socket.has_room:
            return "order connection is down" if socket is None else "too many orders without an answer"
        if self._stream.current is None:
            return "private stream is down"
        if not self._venue_clock.is_known(self._clock.monotonic_ns()):
            return "the venue's clock is not known"
        return self._limits.for_orders()

    async def run(self, listener: VenueListener) -> None:
        self._listener = listener
        self._reads.on_malformed = listener.on_malformed
        await self._open_account()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._orders.run())
            tasks.create_task(self._stream.run())
            tasks.create_task(self._keep_time())

    async def close(self) -> None:
        await self._orders.close()
        await self._stream.close()
        if self._session is not None:
            await self._session.close()

    def renew(self) -> None:
        """Changes over to new connections while the old ones still work."""
        self._orders.renew()
        self._stream.renew()

    async def _open_account(self) -> None:
        """Until the venue's time is known and the key opens an account that may trade."""
        while self._unfit:
            try:
                for _ in range(TIME_SAMPLES):
                    await self._rest.server_time()
                await check_account(self._rest, self._config.network)
                self._unfit = ""
                self._backoff.reset()
            except CannotSign as trouble:
                await self._stay_closed(VenueTrouble(str(trouble)))
            except VenueTrouble as trouble:
                await self._stay_closed(trouble)

    async def _stay_closed(self, trouble: VenueTrouble) -> None:
        self._unfit = str(trouble)
        self._listener.on_link(self._unfit)
        await asyncio.sleep(self._backoff.wait_after_s(trouble))

    async def _keep_time(self) -> None:
        """A fresh estimate every now and then, and at once when the venue disagreed."""
        while True:
            await asyncio.sleep(TIME_POLL_S)
            now_ns = self._clock.monotonic_ns()
            is_good = self._venue_clock.is_known(now_ns) and not self._venue_clock.is_doubted
            if is_good and now_ns - self._timed_ns < TIME_PERIOD_NS:
                continue
            try:
                await self._rest.server_time()
                self._timed_ns = self._clock.monotonic_ns()
                self._backoff.reset()
            except VenueTrouble as trouble:
                self._listener.on_link(f"time: {trouble}")
                await asyncio.sleep(self._backoff.wait_after_s(trouble))

    def _link(
        self,
        name: str,
        fraction: Fraction,
        set_up: Callable[[ApiSocket], Any],
        on_up: Callable[[bool], None],
    ) -> Link:
        return Link(
            name,
            connect=self._connect,
            set_up=set_up,
            on_up=on_up,
            on_down=lambda reason: self._listener.on_link(f"{name}: {reason}"),
            backoff=Backoff(fraction),
            clock=self._clock,
            life_s=self._config.connection_life_s,
        )

    async def _connect(self) -> ApiSocket:
        self._limits.settle(await self._limits.turn(Lane.SUBMIT, CONNECT_WEIGHT, self._config.ws_api))
        return await ApiSocket.open(
            self._open_session(),
            self._config.ws_api,
            ping_s=self._config.silence_max_ms / 1000 / 2,
            on_event=self._on_event,
            on_malformed=lambda data, reason: self._listener.on_malformed(self._config.ws_api, data, reason),
        )

    async def _nothing_to_set_up(self, _: ApiSocket) -> None:
        return

    async def _subscribe(self, socket: ApiSocket) -> None:
        answer = await self._ask(socket, SUBSCRIBE, {}, Lane.RECONCILE, SUBSCRIBE_WEIGHT)
        if answer.get("status") != 200:
            raise VenueTrouble(f"{SUBSCRIBE}: {self._refusal(answer).summary}")

    async def _ask(self, socket: ApiSocket, method: str, params: Params, lane: Lane, weight: int) -> Answer:
        ticket = await self._limits.turn(lane, weight, method)
        answer: Answer = {}
        try:
            request_id = next(self._request_ids)
            answer = await socket.ask(request_id, self._signer.frame(request_id, method, self._timed(params)))
        finally:
            is_free = lane is Lane.CANCEL and answer.get("status") == 200
            self._limits.settle(ticket, reports_in(answer.get("rateLimits")), is_free=is_free)
        return answer

    def _on_orders_up(self, _: bool) -> None:
        self._listener.on_link(self.trouble or "CONNECTED")

    def _on_stream_up(self, gap: bool) -> None:
        if gap:
            self._listener.on_gap("private stream connected")
        self._listener.on_link(self.trouble or "CONNECTED")

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        return self._session

    # -- the private stream ----------------------------------------------------------------------------------------

    def _on_event(self, message: Answer) -> None:
        event = message["event"]
        kind = event.get("e") if isinstance(event, dict) else None
        if kind == REPORT:
            self._take(lambda: frames.facts_of_report(event, self._reads.find), REPORT, message)
        elif kind == BALANCE_UPDATE:
            self._listener.on_gap("money came or went that no order moved")
        elif kind == SERVER_SHUTDOWN:
            self.renew()
        elif kind == STREAM_TERMINATED and self._stream.current is not None:
            task = asyncio.create_task(self._stream.current.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _take(self, read: Callable[[], OrderFacts], place: str, message: Answer) -> None:
        """A word that cannot be read is set aside, and everything is asked anew: it may have been a fill."""
        try:
            self._listener.on_facts(read())
        except DecodeError as error:
            self._listener.on_malformed(place, repr(message).encode(), error.reason)
            self._listener.on_gap(f"{place} could not be read")
        except frames.OtherInstrument as other:
            self._listener.on_malformed(place, repr(message).encode(), f"{other} is not configured")

    # -- new orders ------------------------------------------------------------------------------------------------

    def prepare(self, order: NewOrder, *, now_ns: int, expires_ns: int) -> Prepared:
        self.capabilities.check(order)
        self._reads.check_offered(order)
        params = order_params(order)
        digest = request_hash(PLACE, params)
        window_ms = min(self._config.recv_window_ms, (expires_ns - now_ns) // NS_PER_MS)
        window_ms = max(window_ms, SIGN_WINDOW_MIN_MS)
        request_id = next(self._request_ids)
        frame = self._signer.frame(request_id, PLACE, self._timed(params, window_ms))
        if len(frame) > FRAME_MAX:
            raise Unsupported(f"the request is {len(frame)} bytes long, at most {FRAME_MAX}")
        return Prepared(order.client_order_id, frame, request_id, digest, now_ns + window_ms * NS_PER_MS)

    def _timed(self, params: Params, window_ms: int = 0) -> Params:
        now_ns = self._clock.monotonic_ns()
        if not self._venue_clock.is_known(now_ns):
            raise CannotSign(f"the clock of {self._venue} is not known")
        params["recvWindow"] = window_ms or self._config.recv_window_ms
        params["timestamp"] = self._venue_clock.now_ms(now_ns)
        return params

    async def send(self, prepared: Prepared) -> asyncio.Future[SubmitAnswer]:
        answer: asyncio.Future[SubmitAnswer] = asyncio.get_running_loop().create_future()
        socket = self._orders.current
        if socket is None:
            answer.set_result(InDoubt("the order connection went down"))
            return answer
        tickets = self._limits.take_order()
        try:
            reply = await socket.send(prepared.request_id, prepared.frame)
        except ConnectionLost as gone:
            self._limits.settle_order(tickets, placed=False)
            answer.set_result(InDoubt(str(gone)))
            return answer
        reply.add_done_callback(lambda done: self._settle_order(tickets, done))
        timer = asyncio.get_running_loop().call_later(ORDER_ANSWER_MAX_S, self._on_silence, answer)
        reply.add_done_callback(lambda done: self._on_reply(done, answer, timer))
        return answer

    def _settle_order(self, tickets: tuple[Ticket, Ticket], reply: asyncio.Future[Answer]) -> None:
        is_answered = not reply.cancelled() and reply.exception() is None
        message = reply.result() if is_answered else {}
        self._limits.settle_order(tickets, reports_in(message.get("rateLimits")), placed=message.get("status") == 200)

    def _on_silence(self, answer: asyncio.Future[SubmitAnswer]) -> None:
        """A connection that swallows requests is changed; what still comes over the old one is heard for a while."""
        self._orders.renew()
        if not answer.done():
            answer.set_result(InDoubt(f"no answer in {ORDER_ANSWER_MAX_S:.0f} s"))

    def _on_reply(
        self, reply: asyncio.Future[Answer], answer: asyncio.Future[SubmitAnswer], timer: asyncio.TimerHandle
    ) -> None:
        timer.cancel()
        result = self._submit_answer(reply)
        if not answer.done():
            answer.set_result(result)
        elif isinstance(result, Placed):
            self._listener.on_facts(result.facts)

    def _submit_answer(self, reply: asyncio.Future[Answer]) -> SubmitAnswer:
        if reply.cancelled():
            return InDoubt("cancelled while waiting for the answer")
        if error := reply.exception():
            return InDoubt(str(error))
        message = reply.result()
        if message.get("status") != 200:
            refusal = self._refusal(message)
            if refusal.kind.leaves_order_in_doubt:
                return InDoubt(refusal.summary)
            return words.Refused(refusal.kind.value, f"{refusal.code} {refusal.text}")
        try:
            return Placed(frames.facts_of_placed(message.get("result"), self._reads.find))
        except (DecodeError, frames.OtherInstrument) as error:
            self._listener.on_malformed(PLACE, repr(message).encode(), str(error))
            return InDoubt(f"the answer cannot be read: {error}")

    def _refusal(self, message: Answer) -> Refusal:
        status = message.get("status")
        refusal = refusal_of(status if isinstance(status, int) else 0, message.get("error"))
        self._limits.apply(refusal)
        if refusal.kind is ErrorClass.CLOCK_SKEW:
            self._venue_clock.is_doubted = True
        return refusal

    # -- cancels ---------------------------------------------------------------------------------------------------

    async def cancel_order(self, instrument_id: str, client_order_id: str) -> CancelAnswer:
        try:
            params: Params = {"symbol": self._reads.symbol(instrument_id), "origClientOrderId": client_order_id}
            row = await self._cancel(params)
        except Refused as refused:
            if refused.refusal.kind is ErrorClass.ORDER_NOT_FOUND:
                return NothingToCancel()
            return CancelFailed(str(refused))
        except (VenueTrouble, CannotSign) as trouble:
            return CancelFailed(str(trouble))
        try:
            return Canceled(OrderFacts(frames.order_of(row, CANCEL, self._reads.find, own_id="origClientOrderId")))
        except (DecodeError, frames.OtherInstrument) as error:
            self._listener.on_malformed(CANCEL, repr(row).encode(), str(error))
            return CancelFailed(f"the answer cannot be read: {error}")

    async def _cancel(self, params: Params) -> Any:
        """Over the order connection; over REST while that is down: a cancel may be asked twice."""
        socket = self._orders.current
        if socket is None:
            return await self._rest.cancel("/api/v3/order", params)
        message = await self._ask(socket, CANCEL, params, Lane.CANCEL, ORDER_WEIGHT)
        if message.get("status") != 200:
            raise Refused(CANCEL, self._refusal(message))
        return message.get("result")
