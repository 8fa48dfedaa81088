"""How a gate starts: from its newest state, with its leadership, and on an empty ledger the opening records."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

from pitwire.common import topology
from pitwire.common.agreement import BUILD
from pitwire.common.clock import random_token
from pitwire.common.config import PitwireConfig
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity
from pitwire.common.ids import EXTERNAL_STRATEGY, MANUAL_STRATEGY
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.ledger import (
    CapitalRecorded,
    IncarnationStarted,
    LeaderChanged,
    LimitsApplied,
    StrategyRegistered,
)
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.shell import Shell
from pitwire.common.snapshots import SnapshotStore
from pitwire.risk_gate.handlers.account_gate import AccountGate
from pitwire.risk_gate.handlers.journal_guard import begin_anew, find_loss


async def recovered_state(service: Shell, account: str, quote: str) -> AccountState:
    """The account's state from its newest good snapshot, or an empty one; a bad snapshot is told and passed over."""
    bad: list[str] = []
    stream = await service.bus.state(topology.OMS.name)
    store = SnapshotStore(service.bus, service="risk-gate", account=account)
    state = await store.load(AccountState.restore, last_sequence=stream.last_sequence, on_bad=bad.append)
    for text in bad:
        await service.alert(AlertSeverity.WARNING, "SNAPSHOT", text, account=account)
    crashpoint(CrashPoint.GATE_RESTORED)
    if state is None:
        return AccountState(account, quote)
    state.read_to = store.read_to
    return state


async def open_account(gate: AccountGate, config: PitwireConfig, *, leader: str) -> None:
    """Idempotent: each record is written only if the ledger does not say it yet, so a crash in between is mended."""
    lost = await find_loss(gate)
    await gate.write(lambda: _leadership(gate, leader))
    gate.leads = True
    crashpoint(CrashPoint.GATE_LEADS)
    if lost is not None:
        await begin_anew(gate, lost)
    await gate.write(lambda: _incarnation(gate))
    account = config.accounts[gate.state.account]
    venue_account = next(iter(config.venue_accounts_of(gate.state.account)), "none")
    for asset, amount in account.capital.items():
        await gate.write(partial(_capital, gate, asset, amount, venue_account))
    await gate.write(lambda: _limits(gate, AccountLimits.model_validate(account.limits.model_dump())))
    for operators in (MANUAL_STRATEGY, EXTERNAL_STRATEGY):
        await gate.write(partial(_strategy, gate, operators, Decimal(0)))
    for name, strategy in config.strategies_of(gate.state.account).items():
        await gate.write(partial(_strategy, gate, name, strategy.capital))


def _leadership(gate: AccountGate, leader: str) -> Message:
    place: dict[str, Any] = {**gate.place(), "epoch": gate.state.epoch + 1}
    del place["ts_market_ns"]
    return LeaderChanged(**place, service="risk-gate", leader=leader, build=BUILD)


def _incarnation(gate: AccountGate) -> Message | None:
    if gate.state.incarnation:
        return None
    return IncarnationStarted(**gate.place(), incarnation=random_token(6), reason="first start of this ledger")


def _capital(gate: AccountGate, asset: str, amount: Decimal, venue_account: str) -> Message | None:
    if gate.state.capital_recorded(asset) or not amount:
        return None
    reason = "capital of the configuration at first start"
    return CapitalRecorded(**gate.place(), asset=asset, amount=amount, venue_account=venue_account, reason=reason)


def _limits(gate: AccountGate, limits: AccountLimits) -> Message | None:
    """A restart never loosens what an operator tightened: the file counts only where it changed since it last did."""
    if gate.state.configured_limits == limits:
        return None
    return LimitsApplied(**gate.place(), limits=limits)


def _strategy(gate: AccountGate, name: str, capital: Decimal) -> Message | None:
    if gate.state.strategy_capital(name) == capital:
        return None
    return StrategyRegistered(**gate.place(), strategy=name, capital=capital)
