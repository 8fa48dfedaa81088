"""Strategies: market data and own fills in, order intents and reasons out."""

from __future__ import annotations

import asyncio
from typing import Final

from pitwire.common.enums import DeliveryKind
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.service import Service, run
from pitwire.strategy.assembly import desks_of
from pitwire.strategy.config import Config
from pitwire.strategy.handlers.delivering import Deliverer
from pitwire.strategy.handlers.delivery_log import DeliveryLog
from pitwire.strategy.handlers.journal import JournalReader
from pitwire.strategy.handlers.market import MarketReader
from pitwire.strategy.handlers.outbox import Outbox
from pitwire.strategy.handlers.publisher import Publisher

EXPIRY_PERIOD_S: Final = 0.5


async def give_up_unanswered(service: Service, deliverer: Deliverer, log: DeliveryLog) -> None:
    """Looks at the wall clock for all desks, for ever."""
    while True:
        await asyncio.sleep(EXPIRY_PERIOD_S)
        for desk in deliverer.desks:
            now_ns = service.clock.wall_ns()
            if deliverer.wall_time(desk, now_ns):
                log.note(DeliveryKind.EXPIRED, now_ns, account=desk.state.account)


async def main() -> int:
    """Runs every configured strategy until told to stop."""
    config = Config.from_env()
    registry = InstrumentRegistry()
    desks = desks_of(config.pitwire, registry, config.folders)
    async with Service("strategy", config.service, config_hash=config.pitwire.config_hash) as service:
        runners = [runner for desk in desks for runner in desk.runners]
        publishers = {runner.spec.name: Publisher(service, service.tracing, runner) for runner in runners}
        outbox = Outbox(service, publishers, service.registry)
        log = DeliveryLog(service, slot=config.service.slot, instance=service.instance)
        deliverer = Deliverer(desks, registry, outbox)
        market = MarketReader(service, deliverer, outbox, log)
        service.spawn("outbox", outbox.run())
        service.spawn("deliveries", log.run())
        service.on_stop(log.flush)
        service.spawn("instruments", market.follow_instruments())
        for name, publisher in publishers.items():
            service.spawn(f"intents {name}", publisher.run())
        journals = [JournalReader(service, desk, deliverer, log) for desk in desks]
        for desk, journal in zip(desks, journals, strict=True):
            service.spawn(f"journal {desk.state.account}", journal.follow())
        for journal in journals:
            await journal.caught_up()
        reader = await market.warm_up()
        if reader is not None:
            service.spawn("candles", market.follow_candles(reader))
        await market.subscribe_ticks()
        service.spawn("expiry", give_up_unanswered(service, deliverer, log))
        service.set_ready(True)
        return await service.run()


if __name__ == "__main__":
    run(main)
