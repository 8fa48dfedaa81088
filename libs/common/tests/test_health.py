"""The three pages of a process, over a real loopback socket."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from pitwire.common.health import HealthServer


class Pages:
    def __init__(self) -> None:
        self.ready = False
        self.registry = CollectorRegistry()
        self.server = HealthServer(self.registry, lambda: self.ready)

    async def get(self, path: str) -> tuple[int, str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{self.server.port}{path}") as page,
        ):
            return page.status, await page.text()


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    made = Pages()
    await made.server.start("127.0.0.1", 0)
    yield made
    await made.server.stop()


async def test_a_process_that_answers_is_alive(pages: Pages) -> None:
    assert (await pages.get("/healthz"))[0] == 200


@pytest.mark.parametrize(("ready", "status"), [(False, 503), (True, 200)])
async def test_readiness_is_what_the_service_says(pages: Pages, *, ready: bool, status: int) -> None:
    pages.ready = ready
    assert (await pages.get("/readyz"))[0] == status


async def test_metrics_are_those_of_the_registry(pages: Pages) -> None:
    Counter("orders", "orders", registry=pages.registry).inc()
    assert "orders_total 1.0" in (await pages.get("/metrics"))[1]
