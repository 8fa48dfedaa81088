"""Operator commands, one after the other: each takes effect as a journal record, then is answered, once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from pitwire.common import codec, subjects, topology
from pitwire.common.active_halts import active_halts
from pitwire.common.bus.port import Record
from pitwire.common.clock import NS_PER_MS
from pitwire.common.config import explain
from pitwire.common.crashpoints import CrashPoint, crashpoint
from pitwire.common.enums import AlertSeverity, CommandStatus, CommandVerb, OrderType, Side
from pitwire.common.errors import AppendRefused, DecodeError
from pitwire.common.ids import MANUAL_STRATEGY
from pitwire.common.instruments import tradable_quantity
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Command, CommandResult
from pitwire.common.schemas.ledger import (
    DECISIONS_MAX,
    CapitalRecorded,
    LimitsApplied,
    Resume,
    StrategyPaused,
    Verdict,
)
from pitwire.common.schemas.limits import AccountLimits
from pitwire.common.schemas.orders import Basis, CancelIntent, OrderIntent
from pitwire.common.shell import Shell
from pitwire.risk_gate import core
from pitwire.risk_gate.handlers.account_gate import AccountGate
from pitwire.risk_gate.handlers.arguments import ORDER_ARGS, Refused, args_of, flag, limit_value
from pitwire.risk_gate.handlers.effects import EARLIER, NOTHING, Outcome

ROUNDS_MAX: Final = 500
"""Decisions of `DECISIONS_MAX` that one command may take: 10,000 orders."""

CANCEL_WAIT_S: Final = 5.0
ANSWER_RETRY_S: Final = 1.0
ORDER_TTL_NS: Final = 2_000 * NS_PER_MS


class CommandDesk:
    """Handles the commands of every account of this process, in the order of `CTL`."""

    def __init__(self, service: Shell, gates: Mapping[str, AccountGate]) -> None:
        self._service = service
        self._gates = gates
        self._do: dict[CommandVerb, Callable[[AccountGate, Command, int], Awaitable[Outcome]]] = {
            CommandVerb.RESUME: self._resume,
            CommandVerb.PAUSE: self._pause,
            CommandVerb.LIMITS: self._limits,
            CommandVerb.ORDER: self._order,
            CommandVerb.CANCEL: self._cancel,
            CommandVerb.FLATTEN: self._flatten,
            CommandVerb.CAPITAL: self._capital,
        }

    async def follow(self) -> None:
        """From the last command of the ledger on: a process may have ended between its record and its answer."""
        covered = min((gate.state.cursors.control_sequence for gate in self._gates.values()), default=0)
        filters = (subjects.commands_for("risk-gate"),)
        async for batch in self._service.bus.read(topology.CONTROL.name, filters, after=max(0, covered - 1)):
            for record in batch:
                await self._handle(record)

    async def _handle(self, record: Record) -> None:
        try:
            command = codec.decode(Command, record.data, subject=record.subject)
        except DecodeError as error:
            await self._service.quarantine(record, error.reason, stream=topology.CONTROL.name)
            return
        tokens = subjects.tokens(subjects.COMMAND, record.subject) or {}
        if (command.operator, command.verb.value) != (tokens.get("operator"), tokens.get("verb")):
            await self._service.quarantine(record, "operator or verb differ from the subject", stream="CTL")
            return
        answer = subjects.command_result(command.operator, command.command_id)
        if await self._service.bus.last(topology.CONTROL.name, answer) is not None:
            return
        crashpoint(CrashPoint.GATE_COMMAND_READ)
        status, text, data, sequence = await self._outcome(command, record.sequence)
        crashpoint(CrashPoint.GATE_COMMAND_DONE)
        result = CommandResult(
            command_id=command.command_id,
            operator=command.operator,
            service="risk-gate",
            status=status,
            text=text[:512],
            data=data,
            oms_sequence=sequence,
            ts_ns=self._service.clock.wall_ns(),
        )
        await self._answer(answer, result)
        crashpoint(CrashPoint.GATE_COMMAND_ANSWERED)

    async def _answer(self, subject: str, result: CommandResult) -> None:
        """Where `CTL` has no room, no command can come in either: this one's answer waits until there is some."""
        data, headers, message_id = codec.encode(result), codec.headers_for(result), f"res-{result.command_id}"
        is_told = False
        while True:
            try:
                await self._service.bus.append(subject, data, headers, message_id=message_id)
            except AppendRefused as error:
                if not is_told:
                    text = f"{subject}: {error}; commands wait until {topology.CONTROL.name} has room"
                    await self._service.alert(AlertSeverity.CRITICAL, "ANSWER_NOT_STORED", text)
                is_told = True
                await asyncio.sleep(ANSWER_RETRY_S)
            else:
                return

    async def _outcome(self, command: Command, sequence: int) -> Outcome:
        gate = self._gates.get(command.account)
        if gate is None:
            return CommandStatus.REFUSED, f"no account {command.account!r} here", {}, 0
        if _is_covered(gate, sequence):
            return gate.effects.outcome(sequence, EARLIER)
        if gate.stopped and command.verb is not CommandVerb.RESUME:
            return CommandStatus.REFUSED, f"the account is stopped: {gate.stopped}", {}, 0
        unknown = sorted(set(command.args) - args_of(command.verb))
        if unknown:
            known = ", ".join(sorted(args_of(command.verb)))
            return CommandStatus.REFUSED, f"unknown argument: {', '.join(unknown)}; {command.verb} takes {known}", {}, 0
        if command.expires_ns <= self._service.clock.wall_ns():
            return gate.effects.expired(sequence)
        try:
            return await self._do[command.verb](gate, command, sequence)
        except Refused as refusal:
            return CommandStatus.REFUSED, str(refusal), {}, 0
        except ValidationError as error:
            return CommandStatus.REFUSED, explain(error), {}, 0

    # -- verbs ---------------------------------------------------------------------------------------------------

    async def _resume(self, _: AccountGate, command: Command, __: int) -> Outcome:
        """args: `halts` = ids separated by commas, or `all`. Asked of the journal: a fold may have ended."""
        earlier = await self._service.bus.last(topology.OMS.name, subjects.RESUME)
        if earlier is not None:
            done = codec.decode(Resume, earlier.data, subject=earlier.subject)
            if done.command_id == command.command_id:
                data = {"cleared": ",".join(done.cleared)}
                return CommandStatus.DONE, EARLIER, data, earlier.sequence
        active = list((await active_halts(self._service.bus)).active)
        asked = command.args.get("halts", "all")
        wanted = active if asked == "all" else asked.split(",")
        unknown = [halt for halt in wanted if halt not in active]
        if unknown or not wanted:
            raise Refused(f"no such active halt: {', '.join(unknown) or 'none is active'}; active: {', '.join(active)}")
        resume = Resume(
            resume_id=command.command_id,
            cleared=tuple(wanted),
            command_id=command.command_id,
            operator=command.operator,
            reason=command.reason,
            ts_ns=self._service.clock.wall_ns(),
        )
        sequence = await self._service.bus.append(
            subjects.RESUME, codec.encode(resume), codec.headers_for(resume), message_id=f"resume-{command.command_id}"
        )
        return CommandStatus.DONE, f"resumed {len(wanted)}", {"cleared": ",".join(wanted)}, sequence

    async def _pause(self, gate: AccountGate, command: Command, at: int) -> Outcome:
        """args: `strategy`, `paused` = true or false."""
        strategy = command.args.get("strategy", "")
        if gate.state.strategy_capital(strategy) is None:
            raise Refused(f"no strategy {strategy!r} in account {gate.state.account}")
        paused = flag(command.args.get("paused", "true"))
        return await self._record(
            gate,
            at,
            lambda: StrategyPaused(
                **gate.place(control_sequence=at),
                strategy=strategy,
                paused=paused,
                reason=command.reason,
                command_id=command.command_id,
            ),
        )

    async def _limits(self, gate: AccountGate, command: Command, at: int) -> Outcome:
        """args: the limits to change, by their names in the configuration; the others stay."""
        if not command.args:
            raise Refused("no limit given")
        changed = {name: limit_value(name, text) for name, text in command.args.items()}

        def applied() -> LimitsApplied:
            current = gate.state.limits
            if current is None:
                raise Refused("no limits yet")
            raw = current.model_dump() | changed | {"limits_version": current.limits_version + 1}
            limits = AccountLimits.model_validate(raw)
            return LimitsApplied(**gate.place(control_sequence=at), limits=limits, command_id=command.command_id)

        return await self._record(gate, at, applied)

    async def _capital(self, gate: AccountGate, command: Command, at: int) -> Outcome:
        """args: `asset`, `amount` (below zero: taken out), `venue_account` where the account has several.

        It says what happened at the venue and moves no money. A transfer between venue accounts is two of them.
        """
        args, known = command.args, gate.venue_accounts
        venue_account = args.get("venue_account", known[0] if len(known) == 1 else "")
        if venue_account not in known:
            raise Refused(f"venue_account {venue_account!r}: give one of {', '.join(known)}")

        def recorded() -> CapitalRecorded:
            flow = CapitalRecorded.model_validate(
                gate.place(control_sequence=at)
                | {"asset": args.get("asset", ""), "amount": args.get("amount", ""), "venue_account": venue_account}
                | {"reason": command.reason, "command_id": command.command_id}
            )
            free = gate.state.available(venue_account, flow.asset)
            if not flow.amount or free + flow.amount < 0:
                raise Refused(f"amount {flow.amount}: {free} {flow.asset} of {venue_account} are free, 0 is nothing")
            return flow

        gate.advance()
        asset = recorded().asset
        await gate.write(lambda: gate.valuation(asset))
        return await self._record(gate, at, recorded)

    async def _order(self, gate: AccountGate, command: Command, at: int) -> Outcome:
        """args: the fields of an order intent (`ORDER_ARGS`), `reduce_only`, and `strategy` to book it to another."""
        args = command.args
        strategy = args.get("strategy", MANUAL_STRATEGY)
        if gate.state.strategy_capital(strategy) is None:
            raise Refused(f"no strategy {strategy!r} in account {gate.state.account}")

        def intents() -> list[OrderIntent | CancelIntent]:
            raw = self._intent_fields(gate, command, at, strategy, 1) | {
                name: text for name, text in args.items() if name in ORDER_ARGS
            }
            raw["reduce_only"] = flag(args.get("reduce_only", "false"))
            return [OrderIntent.model_validate(raw)]

        return await self._decide(gate, at, intents)

    def _in_scope(self, command: Command, strategy: str, instrument_id: str) -> bool:
        args = command.args
        return args.get("strategy", strategy) == strategy and args.get("instrument_id", instrument_id) == instrument_id

    async def _cancel(self, gate: AccountGate, command: Command, at: int) -> Outcome:
        """args: `client_order_id`, `strategy`, `instrument_id`; without any, every working order of the account."""
        return await self._decide(gate, at, lambda: self._cancels(gate, command, at))

    def _cancels(self, gate: AccountGate, command: Command, at: int) -> list[OrderIntent | CancelIntent]:
        working = [
            order
            for order in gate.state.working_orders()
            if self._in_scope(command, order.strategy, order.instrument_id)
            and command.args.get("client_order_id", order.client_order_id) == order.client_order_id
            and not order.cancel_requested
        ]
        return [
            CancelIntent(
                **self._intent_fields(gate, command, at, MANUAL_STRATEGY, place),
                orig_client_order_id=order.client_order_id,
            )
            for place, order in enumerate(working[:DECISIONS_MAX], start=1)
        ]

    async def _flatten(self, gate: AccountGate, command: Command, at: int) -> Outcome:
        """args: `strategy`, `instrument_id`; cancels what works in the scope, then closes what is held, at market."""
        await self._decide(gate, at, lambda: self._cancels(gate, command, at), covers=False)
        await gate.until(lambda: not self._is_working(gate, command), timeout_s=CANCEL_WAIT_S)
        return await self._decide(gate, at, lambda: self._closing(gate, command, at))

    def _is_working(self, gate: AccountGate, command: Command) -> bool:
        return any(self._in_scope(command, o.strategy, o.instrument_id) for o in gate.state.working_orders())

    def _closing(self, gate: AccountGate, command: Command, at: int) -> list[OrderIntent | CancelIntent]:
        found: list[OrderIntent | CancelIntent] = []
        numbers: dict[str, int] = {}
        for strategy, instrument_id, held in gate.state.holdings():
            instrument = gate.instruments.get(instrument_id)
            if not self._in_scope(command, strategy, instrument_id) or instrument is None:
                continue
            side = Side.SELL if held > 0 else Side.BUY
            rest = abs(held) - gate.state.working_quantity(strategy, instrument_id, side)
            quantity = tradable_quantity(instrument, rest) if rest > 0 else Decimal(0)
            if quantity <= 0 or len(found) == DECISIONS_MAX:
                continue
            numbers[strategy] = numbers.get(strategy, 0) + 1
            found.append(
                OrderIntent(
                    **self._intent_fields(gate, command, at, strategy, numbers[strategy]),
                    instrument_id=instrument_id,
                    side=side,
                    order_type=OrderType.MARKET,
                    quantity=quantity,
                    reduce_only=True,
                )
            )
        return found

    # -- through the gate ----------------------------------------------------------------------------------------

    async def _record(self, gate: AccountGate, at: int, make: Callable[[], Message | None]) -> Outcome:
        """Writes what `make` says on the state as it is then, unless a record covers the command by then.

        A write makes its record anew whenever its answer was lost or another gate was first. So what the command
        did is told from the ledger, never from what this process wanted to write.
        """

        def once() -> Message | None:
            if _is_covered(gate, at):
                return None
            gate.advance()
            return make()

        await gate.write(once)
        return gate.effects.outcome(at, EARLIER if _is_covered(gate, at) else NOTHING)

    async def _decide(
        self,
        gate: AccountGate,
        at: int,
        intents: Callable[[], list[OrderIntent | CancelIntent]],
        *,
        covers: bool = True,
    ) -> Outcome:
        """The core decides on the operator's intents exactly as on a strategy's, until none is left or none passes.

        Only the last record covers the command, so that a crash in between has the rest done again.
        """
        verdicts: tuple[Verdict, ...] = ()

        def decided() -> Message | None:
            nonlocal verdicts
            found = intents()
            if not found:
                return None
            inputs = [core.IntentInput(0, intent.strategy, intent, "", intent.trace) for intent in found]
            is_last = covers and len(found) < DECISIONS_MAX
            record = gate.decision(inputs, control_sequence=at if is_last else None)
            verdicts = record.verdicts
            return record

        outcome = await self._record(gate, at, decided)
        for _ in range(ROUNDS_MAX - 1):
            if len(verdicts) < DECISIONS_MAX or all(verdict.verdict == "DENIED" for verdict in verdicts):
                break
            verdicts = ()
            outcome = await self._record(gate, at, decided)
        return outcome

    def _intent_fields(self, gate: AccountGate, command: Command, at: int, strategy: str, place: int) -> dict[str, Any]:
        now = self._service.clock.wall_ns()
        return {
            "account": gate.state.account,
            "strategy": strategy,
            "intent_no": gate.state.last_intent_no(strategy) + place,
            "valid_until_ns": now + ORDER_TTL_NS,
            "basis": Basis(subject=subjects.COMMAND, sequence=at),
            "reason": f"{command.operator}: {command.reason}"[:512],
            "ts_ns": now,
        }


def _is_covered(gate: AccountGate, at: int) -> bool:
    """A ledger record carries the command already, this process's or another's: it must not take effect again."""
    return gate.state.cursors.control_sequence >= at
