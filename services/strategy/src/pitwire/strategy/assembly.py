"""The strategies that a configuration names, at their desks."""

from __future__ import annotations

from pathlib import Path

from pitwire.common.config import PitwireConfig
from pitwire.common.instruments import InstrumentRegistry
from pitwire.common.portfolio import AccountState
from pitwire.strategy.adapters.loader import load_strategy
from pitwire.strategy.config import check_books, spec_of
from pitwire.strategy.core.desk import Desk
from pitwire.strategy.core.runner import Runner


def desks_of(config: PitwireConfig, registry: InstrumentRegistry, folders: tuple[Path, ...]) -> list[Desk]:
    """One desk per account that has strategies; a mistake in any of them stops the start and says where."""
    desks: list[Desk] = []
    for name, account in config.accounts.items():
        state = AccountState(name, account.quote)
        runners = [
            Runner(
                spec_of(strategy_name, strategy),
                load_strategy(strategy_name, strategy.type, strategy.params, folders=folders),
                state,
                registry,
            )
            for strategy_name, strategy in config.strategies_of(name).items()
        ]
        for runner in runners:
            if runner.wants("on_book"):
                check_books(config, runner.spec.name)
        if runners:
            desks.append(Desk(state, runners))
    return desks
