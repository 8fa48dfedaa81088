"""Risk gate: approves or denies every order intent before execution sees it."""

from __future__ import annotations

from collections.abc import Iterable

from pitwire.common import subjects
from pitwire.common.leases import LeaseHolder
from pitwire.common.service import Service, run
from pitwire.risk_gate.config import Config
from pitwire.risk_gate.handlers.account_gate import AccountGate
from pitwire.risk_gate.handlers.agreement import Agreement
from pitwire.risk_gate.handlers.commands import CommandDesk
from pitwire.risk_gate.handlers.journal_guard import JournalGuard
from pitwire.risk_gate.handlers.market import MarketView
from pitwire.risk_gate.handlers.metrics import Metrics
from pitwire.risk_gate.handlers.opening import open_account, recovered_state


async def main() -> int:
    """The gate of every configured account, until it is told to stop."""
    config = Config.from_env()
    async with Service("risk-gate", config.service, config_hash=config.pitwire.config_hash) as service:
        await service.must_be_allowed(*written_by_gate(config.pitwire.accounts))
        market, metrics = MarketView(service), Metrics(service.registry)
        service.spawn("market", market.follow())
        agreement = Agreement(service)
        service.spawn("agreement", agreement.follow())
        gates: dict[str, AccountGate] = {}
        for name, account in config.pitwire.accounts.items():
            venues = {key: found.venue for key, found in config.pitwire.venue_accounts_of(name).items()}
            state = await recovered_state(service, name, account.quote)
            gates[name] = AccountGate(service, state, market, agreement, venues, metrics)
            service.spawn(f"journal {name}", gates[name].follow_journal())
        for gate in gates.values():
            await gate.caught_up()
        await lead(service)
        guard = JournalGuard(service, gates)
        service.spawn("guard", guard.run())
        for gate in gates.values():
            if gate.stopped:
                continue
            await gate.find_intents()
            await open_account(gate, config.pitwire, leader=f"{config.service.slot}.{service.instance}")
            service.spawn(f"intents {gate.state.account}", follow_intents(gate, guard))
            service.spawn(f"work {gate.state.account}", gate.work())
            service.on_stop(gate.save_snapshot)
        service.spawn("commands", CommandDesk(service, gates).follow())
        service.set_ready(True)
        return await service.run()


def written_by_gate(accounts: Iterable[str]) -> list[str]:
    """Every subject without which a gate cannot work."""
    return [subjects.RESUME, subjects.halt("risk-gate"), *(subjects.ledger(account) for account in accounts)]


async def follow_intents(gate: AccountGate, guard: JournalGuard) -> None:
    """A ledger without a decision is new, or all that was there is lost: only who stored its rows can say which."""
    if not gate.state.has_decided:
        await guard.rows_follow.wait()
    await gate.follow_intents()


async def lead(service: Service) -> None:
    """Waits as a warm standby, folding the journal, until this process leads its slot."""
    if service.settings.leases:
        lease = LeaseHolder(
            service.bus, service.clock, service=service.name, slot=service.settings.slot, holder=service.instance
        )
        await lease.acquire()
        service.spawn("lease", lease.keep())
        service.on_stop(lease.release)
    service.set_leader(True)


if __name__ == "__main__":
    run(main)
