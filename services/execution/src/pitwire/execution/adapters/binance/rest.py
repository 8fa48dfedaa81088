"""Binance over REST: what is asked until it is known, when the limits of the address leave room for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from pitwire.common.clock import Clock
from pitwire.common.errors import AnswerTimeout, ConnectionLost, VenueTrouble
from pitwire.execution.adapters.binance.errors import ErrorClass, Refusal, refusal_of
from pitwire.execution.adapters.binance.limits import ORDER_WEIGHT, WEIGHTS, Limits, reports_of
from pitwire.execution.adapters.binance.signing import Params, Signer
from pitwire.execution.adapters.binance.venue_clock import VenueClock
from pitwire.execution.core.rate_limits import Lane, Report
from pitwire.execution.ports import CannotSign

REQUEST_TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
READ_BYTES: Final = 256 * 1024


class Refused(VenueTrouble):
    """The venue answered, and said no."""

    code = "VENUE_REFUSED"

    def __init__(self, what: str, refusal: Refusal) -> None:
        super().__init__(f"{what}: {refusal.summary}")
        self.refusal = refusal


class Rest:
    """GET and DELETE under one base address."""

    def __init__(
        self,
        base: str,
        clock: Clock,
        signer: Signer,
        venue_clock: VenueClock,
        limits: Limits,
        *,
        recv_window_ms: int,
        session: Callable[[], aiohttp.ClientSession],
    ) -> None:
        self._base = base.rstrip("/")
        self._clock = clock
        self._signer = signer
        self._venue_clock = venue_clock
        self._limits = limits
        self._recv_window_ms = recv_window_ms
        self._session = session

    async def public(self, path: str, params: Mapping[str, str | int], lane: Lane = Lane.DATA) -> Any:
        """The parsed answer; `Refused` or another `VenueTrouble`."""
        query = "&".join(f"{name}={value}" for name, value in params.items())
        return await self._ask("GET", path, lambda: query, lane, WEIGHTS[path])

    async def signed(self, path: str, params: Params, *, weight: int = 0) -> Any:
        """The same, for what only the owner of the account may ask; `weight` where it is not the usual one."""
        return await self._ask("GET", path, lambda: self._signed(params), Lane.RECONCILE, weight or WEIGHTS[path])

    async def cancel(self, path: str, params: Params) -> Any:
        """DELETE, signed."""
        return await self._ask("DELETE", path, lambda: self._signed(params), Lane.CANCEL, ORDER_WEIGHT)

    def _signed(self, params: Params) -> str:
        if not self._venue_clock.is_known(self._clock.monotonic_ns()):
            raise CannotSign("the venue's clock is not known")
        params["recvWindow"] = self._recv_window_ms
        params["timestamp"] = self._venue_clock.now_ms(self._clock.monotonic_ns())
        return self._signer.query(params)

    async def server_time(self) -> None:
        """Asks the venue for its time and takes it as one more sample."""
        sent_ns = self._clock.monotonic_ns()
        answer = await self.public("/api/v3/time", {}, Lane.RECONCILE)
        venue_ms = answer.get("serverTime") if isinstance(answer, dict) else None
        if not isinstance(venue_ms, int) or venue_ms <= 0:
            raise VenueTrouble("time: serverTime is not a time")
        received_ns = self._clock.monotonic_ns()
        self._venue_clock.sample(sent_ns=sent_ns, received_ns=received_ns, venue_ms=venue_ms)
        self._limits.align(received_ns)

    async def _ask(self, method: str, path: str, make_query: Callable[[], str], lane: Lane, weight: int) -> Any:
        """The query is made, and so signed, when it is this request's turn."""
        place = f"{method} {path}"
        ticket = await self._limits.turn(lane, weight, place)
        reports: list[Report] = []
        status, is_free = 0, False
        try:
            query = make_query()
        except CannotSign:
            self._limits.settle(ticket)
            raise
        # What was signed is sent as it is, not encoded a second time.
        url = URL(f"{self._base}{path}" + (f"?{query}" if query else ""), encoded=True)
        headers = {"X-MBX-APIKEY": self._signer.api_key}
        try:
            async with self._session().request(
                method, url, headers=headers, timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
            ) as answer:
                body = await _read(answer)
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
                reports, is_free = reports_of(answer.headers), lane is Lane.CANCEL and status == 200
        except TimeoutError:
            raise AnswerTimeout(place=place, after_s=REQUEST_TIMEOUT_S) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(place=place, reason=f"{type(error).__name__}: {error}") from None
        finally:
            self._limits.settle(ticket, reports, is_free=is_free)
        try:
            parsed = orjson.loads(body)
        except orjson.JSONDecodeError:
            parsed = None
        if status != 200:
            raise Refused(place, self._refused(status, parsed, retry_after))
        if parsed is None:
            raise VenueTrouble(f"{place}: the answer is not JSON")
        return parsed

    def _refused(self, status: int, parsed: Any, retry_after: str) -> Refusal:
        refusal = refusal_of(status, parsed)
        self._limits.apply(refusal, retry_after=retry_after)
        if refusal.kind is ErrorClass.CLOCK_SKEW:
            self._venue_clock.is_doubted = True
        return refusal


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    """The body, bounded."""
    body = bytearray()
    async for chunk in answer.content.iter_chunked(READ_BYTES):
        body += chunk
        if len(body) > ANSWER_BYTES_MAX:
            raise VenueTrouble(f"{answer.url.path}: the answer is longer than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)
