"""Binance over REST: what is asked until it is known. One brake for the address: a limit that was hit holds all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from pitwire.common.clock import NS_PER_S, Clock
from pitwire.common.errors import AnswerTimeout, ConnectionLost, RateLimited, VenueTrouble
from pitwire.execution.adapters.binance.errors import ErrorClass, Refusal, refusal_of
from pitwire.execution.adapters.binance.signing import Params, Signer
from pitwire.execution.adapters.binance.venue_clock import VenueClock
from pitwire.execution.ports import CannotSign

REQUEST_TIMEOUT_S: Final = 10.0
ANSWER_BYTES_MAX: Final = 32 * 1024 * 1024
READ_BYTES: Final = 256 * 1024
RETRY_AFTER_DEFAULT_S: Final = 60
BAN_DEFAULT_S: Final = 120
RETRY_AFTER_MAX_S: Final = 3 * 86_400
"""The longest ban the venue announces."""


class Refused(VenueTrouble):
    """The venue answered, and said no."""

    code = "VENUE_REFUSED"

    def __init__(self, what: str, refusal: Refusal) -> None:
        super().__init__(f"{what}: {refusal.summary}")
        self.refusal = refusal


class Brake:
    """Until when nothing may be asked: 429 and 418 stop the whole address, too many orders stop new orders."""

    def __init__(self, clock: Clock, venue_clock: VenueClock) -> None:
        self._clock = clock
        self._venue_clock = venue_clock
        self._all_until_ns = 0
        self._orders_until_ns = 0

    def apply(self, refusal: Refusal, *, retry_after: str = "") -> None:
        """Heeds a refusal that names a limit; `retry_after` is the header, in seconds."""
        if refusal.kind not in (ErrorClass.RATE_LIMITED, ErrorClass.BANNED, ErrorClass.TOO_MANY_ORDERS):
            return
        now_ns = self._clock.monotonic_ns()
        wait_s: float = BAN_DEFAULT_S if refusal.kind is ErrorClass.BANNED else RETRY_AFTER_DEFAULT_S
        if retry_after.isdecimal():
            wait_s = int(retry_after)
        elif refusal.retry_at_ms and self._venue_clock.is_known(now_ns):
            wait_s = (refusal.retry_at_ms - self._venue_clock.now_ms(now_ns)) / 1000
        until_ns = now_ns + int(min(max(wait_s, 0), RETRY_AFTER_MAX_S) * NS_PER_S)
        if refusal.kind is ErrorClass.TOO_MANY_ORDERS:
            self._orders_until_ns = max(self._orders_until_ns, until_ns)
        else:
            self._all_until_ns = max(self._all_until_ns, until_ns)

    def for_orders(self) -> str:
        """Why no order may be sent now; empty when one may."""
        all_s, orders_s = self.wait_s(), self._left_s(self._orders_until_ns)
        if all_s:
            return f"rate limited for another {all_s:.1f} s"
        return f"too many orders for another {orders_s:.1f} s" if orders_s else ""

    def wait_s(self) -> float:
        """For how long nothing at all may be asked."""
        return self._left_s(self._all_until_ns)

    def _left_s(self, until_ns: int) -> float:
        return max(until_ns - self._clock.monotonic_ns(), 0) / NS_PER_S


class Rest:
    """GET and DELETE under one base address."""

    def __init__(
        self,
        base: str,
        clock: Clock,
        signer: Signer,
        venue_clock: VenueClock,
        brake: Brake,
        *,
        recv_window_ms: int,
        session: Callable[[], aiohttp.ClientSession],
    ) -> None:
        self._base = base.rstrip("/")
        self._clock = clock
        self._signer = signer
        self._venue_clock = venue_clock
        self._brake = brake
        self._recv_window_ms = recv_window_ms
        self._session = session

    async def public(self, path: str, params: Mapping[str, str | int]) -> Any:
        """The parsed answer; `Refused` or another `VenueTrouble`."""
        query = "&".join(f"{name}={value}" for name, value in params.items())
        return await self._ask("GET", path, query)

    async def signed(self, method: str, path: str, params: Params) -> Any:
        """The same, for what only the owner of the account may ask."""
        if not self._venue_clock.is_known(self._clock.monotonic_ns()):
            raise CannotSign("the venue's clock is not known")
        params["recvWindow"] = self._recv_window_ms
        params["timestamp"] = self._venue_clock.now_ms(self._clock.monotonic_ns())
        return await self._ask(method, path, self._signer.query(params))

    async def server_time(self) -> None:
        """Asks the venue for its time and takes it as one more sample."""
        sent_ns = self._clock.monotonic_ns()
        answer = await self.public("/api/v3/time", {})
        venue_ms = answer.get("serverTime") if isinstance(answer, dict) else None
        if not isinstance(venue_ms, int) or venue_ms <= 0:
            raise VenueTrouble("time: serverTime is not a time")
        self._venue_clock.sample(sent_ns=sent_ns, received_ns=self._clock.monotonic_ns(), venue_ms=venue_ms)

    async def _ask(self, method: str, path: str, query: str) -> Any:
        place = f"{method} {path}"
        if wait_s := self._brake.wait_s():
            raise RateLimited(place=place, wait_s=wait_s)
        # What was signed is sent as it is, not encoded a second time.
        url = URL(f"{self._base}{path}" + (f"?{query}" if query else ""), encoded=True)
        headers = {"X-MBX-APIKEY": self._signer.api_key}
        try:
            async with self._session().request(
                method, url, headers=headers, timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
            ) as answer:
                body = await _read(answer)
                status, retry_after = answer.status, answer.headers.get("Retry-After", "")
        except TimeoutError:
            raise AnswerTimeout(place=place, after_s=REQUEST_TIMEOUT_S) from None
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionLost(place=place, reason=f"{type(error).__name__}: {error}") from None
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
        self._brake.apply(refusal, retry_after=retry_after)
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
