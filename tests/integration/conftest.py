"""Fixtures of the integration tests: whole worlds instead of single servers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.bus_world import MemoryWorld, NatsWorld, World, nats_world


@pytest.fixture(params=["memory", "nats"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each world in turn: what holds in one must hold in all."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    request.getfixturevalue("infra")
    async with nats_world(tmp_path) as made:
        yield made


@pytest.fixture
async def real_world(infra: str, tmp_path: Path) -> AsyncIterator[NatsWorld]:
    """A real nats-server, for what only a real one can show."""
    async with nats_world(tmp_path) as made:
        yield made
