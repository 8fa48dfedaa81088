"""Fixtures of the integration tests: whole worlds instead of single servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.bus_world import NatsWorld, nats_world
from tests.integration.contract_world import WORLDS, ContractWorld, contract_world


@pytest_asyncio.fixture(scope="session", loop_scope="session", params=WORLDS)
async def contract(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ContractWorld]:
    """Each world in turn, made once: what holds in one must hold in all. Tests of it run on the loop of the session."""
    if not request.param.startswith("memory"):
        request.getfixturevalue("infra")
    async with contract_world(request.param, tmp_path_factory.mktemp(request.param)) as made:
        yield made


@pytest.fixture
async def real_world(infra: str, tmp_path: Path) -> AsyncIterator[NatsWorld]:
    """A real nats-server, for what only a real one can show."""
    async with nats_world(tmp_path) as made:
        yield made
