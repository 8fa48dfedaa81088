"""Risk gate: approves or denies every order intent before execution sees it."""

from __future__ import annotations

from pitwire.common.portfolio import AccountState
from pitwire.common.service import Service, run
from pitwire.risk_gate.config import Config
from pitwire.risk_gate.handlers.account_gate import AccountGate
from pitwire.risk_gate.handlers.commands import CommandDesk
from pitwire.risk_gate.handlers.market import MarketView
from pitwire.risk_gate.handlers.opening import open_account


async def main() -> int:
    """The gate of every configured account, until it is told to stop."""
    config = Config.from_env()
    async with Service("risk-gate", config.service, config_hash=config.pitwire.config_hash) as service:
        market = MarketView(service)
        service.spawn("market", market.follow())
        gates: dict[str, AccountGate] = {}
        for name, account in config.pitwire.accounts.items():
            venues = {key: found.venue for key, found in config.pitwire.venue_accounts_of(name).items()}
            gate = gates[name] = AccountGate(service, AccountState(name, account.quote), market, venues)
            service.spawn(f"journal {name}", gate.follow_journal())
        for gate in gates.values():
            await gate.caught_up()
            await open_account(gate, config.pitwire, leader=f"{config.service.slot}.{service.instance}")
            service.spawn(f"intents {gate.state.account}", gate.follow_intents())
            service.spawn(f"work {gate.state.account}", gate.work())
        service.spawn("commands", CommandDesk(service, gates).follow())
        service.set_leader(True)
        service.set_ready(True)
        return await service.run()


if __name__ == "__main__":
    run(main)
