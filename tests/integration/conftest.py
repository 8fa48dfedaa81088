"""Fixtures of the integration tests: whole worlds instead of single servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.integration.bus_world import Cluster, MemoryWorld, NatsWorld, World, nats_world


@pytest.fixture(scope="session")
def nats_cluster(infra: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three real servers, started once for all tests of this process."""
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.stop()


@pytest.fixture(params=["memory", "nats", "cluster"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """Each world in turn: what holds in one must hold in all."""
    if request.param == "memory":
        yield MemoryWorld()
        return
    request.getfixturevalue("infra")
    if request.param == "cluster":
        cluster: Cluster = request.getfixturevalue("nats_cluster")
        async with cluster.world() as made:
            yield made
        return
    async with nats_world(tmp_path) as made:
        yield made


@pytest.fixture
async def real_world(infra: str, tmp_path: Path) -> AsyncIterator[NatsWorld]:
    """A real nats-server, for what only a real one can show."""
    async with nats_world(tmp_path) as made:
        yield made
