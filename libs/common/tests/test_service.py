"""The shell without a bus: what is decided before it is connected."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pitwire.common import service
from pitwire.common.config import ServiceSettings


async def test_a_stop_that_comes_before_the_service_runs_ends_it(tmp_path: Path) -> None:
    """S-56: starting to run does not overwrite the wish to stop."""
    shell = service.Service("risk-gate", ServiceSettings(data_dir=tmp_path))
    shell.fail("cannot go on")
    async with asyncio.timeout(5):
        assert await shell.run() == service.EXIT_FAILED
