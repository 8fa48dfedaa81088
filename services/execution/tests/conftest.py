"""Fixtures of execution's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from services.execution.tests.world import ProcessWorld


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ProcessWorld]:
    """A bus with an opened ledger, a venue in memory, and no process yet."""
    made = ProcessWorld(tmp_path)
    await made.open()
    yield made
    await made.close()
