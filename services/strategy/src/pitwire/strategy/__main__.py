"""Strategies: market data and own fills in, order intents and reasons out."""

from __future__ import annotations

import asyncio
from typing import Final

from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState
from pitwire.common.service import Service, run
from pitwire.strategy.adapters.loader import load_strategy
from pitwire.strategy.config import Config, check_books, spec_of
from pitwire.strategy.core.desk import Desk
from pitwire.strategy.core.runner import Runner
from pitwire.strategy.handlers.journal import JournalReader
from pitwire.strategy.handlers.market import MarketReader
from pitwire.strategy.handlers.outbox import Outbox
from pitwire.strategy.handlers.publisher import Publisher

EXPIRY_PERIOD_S: Final = 0.5


def build_desks(config: Config, registry: InstrumentRegistry) -> list[Desk]:
    """One desk per account that has strategies; a mistake in any of them stops the start and says where."""
    desks: list[Desk] = []
    for name, account in config.pitwire.accounts.items():
        state = AccountState(name, account.quote)
        runners = [
            Runner(
                spec_of(strategy_name, strategy),
                load_strategy(strategy_name, strategy.type, strategy.params, folders=config.folders),
                state,
                registry,
            )
            for strategy_name, strategy in config.pitwire.strategies_of(name).items()
        ]
        for runner in runners:
            if runner.wants("on_book"):
                check_books(config.pitwire, runner.spec.name)
        if runners:
            desks.append(Desk(state, runners))
    return desks


async def give_up_unanswered(service: Service, desks: list[Desk], outbox: Outbox) -> None:
    """Looks at the wall clock for all desks, for ever."""
    while True:
        await asyncio.sleep(EXPIRY_PERIOD_S)
        for desk in desks:
            outbox.put(desk.on_wall_time(service.clock.wall_ns()))


async def main() -> int:
    """Runs every configured strategy until told to stop."""
    config = Config.from_env()
    registry = InstrumentRegistry()
    desks = build_desks(config, registry)
    async with Service("strategy", config.service, config_hash=config.pitwire.config_hash) as service:
        runners = [runner for desk in desks for runner in desk.runners]
        publishers = {runner.spec.name: Publisher(service, service.tracing, runner) for runner in runners}
        outbox = Outbox(service, publishers, service.registry)
        market = MarketReader(service, desks, registry, outbox)
        service.spawn("outbox", outbox.run())
        service.spawn("instruments", market.follow_instruments())
        for name, publisher in publishers.items():
            service.spawn(f"intents {name}", publisher.run())
        journals = [JournalReader(service, desk, outbox) for desk in desks]
        for desk, journal in zip(desks, journals, strict=True):
            service.spawn(f"journal {desk.state.account}", journal.follow())
        for journal in journals:
            await journal.caught_up()
        reader = await market.warm_up()
        if reader is not None:
            service.spawn("candles", market.follow_candles(reader))
        await market.subscribe_ticks()
        service.spawn("expiry", give_up_unanswered(service, desks, outbox))
        service.set_ready(True)
        return await service.run()


if __name__ == "__main__":
    run(main)
