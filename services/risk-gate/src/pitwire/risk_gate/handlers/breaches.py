"""A breached limit does more than deny: a person is told, and working orders that would raise the exposure go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitwire.common.enums import AlertSeverity
from pitwire.common.refusals import Refusal
from pitwire.common.schemas.base import Message
from pitwire.risk_gate import core

if TYPE_CHECKING:
    from pitwire.risk_gate.handlers.account_gate import AccountGate


class BreachDesk:
    """Looks once after each ledger record: marks that cross a limit get one at once, and so does everything booked."""

    def __init__(self, gate: AccountGate) -> None:
        self._gate = gate
        self._looked_at = 0
        self._told: dict[str, str] = {}

    async def act(self) -> bool:
        """Withdraws and tells where a limit is reached; whether a record was written."""
        state = self._gate.state
        if state.ledger_no == self._looked_at:
            return False
        self._looked_at = state.ledger_no
        found = core.reached(state)
        if found is None:
            return False
        written = await self._gate.write(self._withdrawal)
        await self._tell(found)
        return bool(written)

    def _withdrawal(self) -> Message | None:
        gate = self._gate
        gate.advance()
        found = core.reached(gate.state)
        if found is None:
            return None
        cancels = core.withdrawal(gate.state, found, now_ns=gate.shell.clock.wall_ns())
        if not cancels:
            return None
        return gate.decision([core.IntentInput(0, cancel.strategy, cancel) for cancel in cancels])

    async def _tell(self, found: Refusal) -> None:
        """Once per process, limit and session day: equity that wavers about a limit is no news, a new gate is."""
        state = self._gate.state
        if self._told.get(found.code) == state.day:
            return
        self._told[found.code] = state.day
        text = f"{core.told(found)}; only reductions pass, working orders that would raise the exposure are withdrawn"
        await self._gate.shell.alert(AlertSeverity.CRITICAL, found.code.value, text, account=state.account)
