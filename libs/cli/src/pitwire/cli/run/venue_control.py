"""The control port of the simulated venue, asked with the standard library: `pitwire up` is to start quickly."""

from __future__ import annotations

import asyncio
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

from pitwire.common.errors import TransientError

REQUEST_TIMEOUT_S: Final = 5.0
OK: Final = 200


class VenueControlFailed(TransientError):
    """The simulated venue did not answer."""

    code = "VENUE_UNREACHABLE"


class VenueControl:
    """How far the simulated market is, and how far it may run."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def status(self) -> dict[str, Any]:
        """`market_ms`, `speed`, `speed_reached`, `bars`, `ended`."""
        return await ask("GET", f"{self.url}/status")

    async def hold(self, until_ms: int) -> None:
        """The market may run up to and including this time, and no further."""
        await ask("POST", f"{self.url}/hold", {"until_ms": until_ms})


async def ask(method: str, url: str, body: dict[str, int] | None = None) -> dict[str, Any]:
    """One request with a JSON object as its answer; `VenueControlFailed` says what went wrong."""
    try:
        return await asyncio.to_thread(_ask, method, url, body)
    except (OSError, HTTPException, ValueError) as error:
        raise VenueControlFailed(f"{url}: {type(error).__name__}: {error}") from None


def _ask(method: str, url: str, body: dict[str, int] | None) -> dict[str, Any]:
    parts = urlsplit(url)
    with closing(HTTPConnection(parts.netloc, timeout=REQUEST_TIMEOUT_S)) as connection:
        connection.request(
            method, parts.path, orjson.dumps(body) if body else None, {"Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        if answer.status != OK:
            raise HTTPException(f"{answer.status} {answer.reason}")
        found: dict[str, Any] = orjson.loads(answer.read())
        return found
