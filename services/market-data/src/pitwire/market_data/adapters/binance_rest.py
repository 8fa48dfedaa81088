"""Binance's REST for market data: reads only, so every failure may be repeated; limits of the venue are obeyed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import aiohttp
import orjson

from pitwire.common.errors import AnswerTimeout, ConnectionLost, RateLimited, VenueTrouble
from pitwire.market_data.adapters.backoff import Backoff
from pitwire.market_data.adapters.frames import ANSWER_BYTES_MAX, decode_json

REQUEST_TIMEOUT_S: Final = 10.0
TRIES_MAX: Final = 8
RETRY_AFTER_DEFAULT_S: Final = 60.0
RETRY_AFTER_MAX_S: Final = 300.0
LIMITED: Final = frozenset({418, 429})


class VenueRefusal(VenueTrouble):
    """The venue will not answer this request, whoever asks again; `venue_code` says why."""

    code = "VENUE_REFUSAL"

    def __init__(self, text: str, venue_code: int) -> None:
        super().__init__(text)
        self.venue_code = venue_code


class BinanceRest:
    """GET under one base address. One request at a time: a limit that was hit holds back all that follow."""

    def __init__(self, base: str, fraction: Callable[[], float], path: str = "/api/v3/") -> None:
        self._base = base.rstrip("/") + path
        self._fraction = fraction
        self._lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None

    async def get(self, path: str, params: Mapping[str, str]) -> Any:
        """The parsed answer; the last `VenueTrouble` after `TRIES_MAX` failures, or `VenueRefusal` at once."""
        place = f"GET {path} of {self._base}"
        backoff, trouble = Backoff(self._fraction), VenueTrouble(place)
        async with self._lock:
            for tried in range(1, TRIES_MAX + 1):
                try:
                    status, retry_after_s, body = await self._once(path, params)
                except TimeoutError:
                    wait_s, trouble = backoff.next_wait_s(), AnswerTimeout(place=place, after_s=REQUEST_TIMEOUT_S)
                except (aiohttp.ClientError, OSError) as error:
                    wait_s = backoff.next_wait_s()
                    trouble = ConnectionLost(place=place, reason=f"{type(error).__name__}: {error}")
                else:
                    if status == 200:
                        return decode_json(path, body)
                    if status in LIMITED:
                        wait_s, trouble = retry_after_s, RateLimited(place=place, wait_s=retry_after_s)
                    else:
                        wait_s, text = backoff.next_wait_s(), body[:200].decode(errors="replace")
                        trouble = VenueTrouble(f"{place}: HTTP {status}: {text}")
                        if 400 <= status < 500:
                            raise VenueRefusal(f"{place}: HTTP {status}: {text}", code_of(body))
                if tried < TRIES_MAX:
                    await asyncio.sleep(wait_s)
        raise trouble

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _once(self, path: str, params: Mapping[str, str]) -> tuple[int, float, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S))
        async with self._session.get(self._base + path, params=params) as answer:
            body = await answer.content.read(ANSWER_BYTES_MAX + 1)
            while chunk := await answer.content.read(ANSWER_BYTES_MAX + 1 - len(body)):
                body += chunk
            return answer.status, retry_after(answer.headers.get("Retry-After")), body


def retry_after(header: str | None) -> float:
    """Seconds to stay silent after a limit was hit."""
    named = float(header) if header and header.isdecimal() else RETRY_AFTER_DEFAULT_S
    return min(named, RETRY_AFTER_MAX_S)


def code_of(body: bytes) -> int:
    """The venue's code in a refusal; 0 where it names none."""
    try:
        code = orjson.loads(body).get("code")
    except (orjson.JSONDecodeError, AttributeError):
        return 0
    return code if isinstance(code, int) else 0
