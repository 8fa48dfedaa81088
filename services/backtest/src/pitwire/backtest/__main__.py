"""Backtests: a worker that takes runs of sweeps from the queue, one at a time, and stores their results."""

from __future__ import annotations

from pathlib import Path

from pitwire.backtest.adapters.bench import Bench
from pitwire.backtest.adapters.files import Files
from pitwire.backtest.handlers.worker import Worker
from pitwire.common import topology
from pitwire.common.config import ServiceSettings
from pitwire.common.service import Service, run


async def main() -> int:
    """Works until told to stop; a run that is in its hands then goes to another worker at once."""
    settings = ServiceSettings.from_env()
    async with Service("backtest", settings) as service:
        name = f"{settings.slot}.{service.instance}"
        worker = Worker(service, service.bus.queue(topology.JOBS), Files((Path.cwd(),)), Bench, name)
        service.on_stop(worker.stop)
        service.spawn("runs", worker.run())
        service.set_ready(True)
        return await service.run()


if __name__ == "__main__":
    run(main)
