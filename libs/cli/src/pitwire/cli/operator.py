"""What an operator can do on the bus: halts, commands and their answers, and the last known state of everything."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeVar

from pitwire.cli.discovery import Running
from pitwire.cli.identities import connect_as
from pitwire.common import codec, subjects
from pitwire.common.active_halts import active_halts
from pitwire.common.bus.port import Bus, Record
from pitwire.common.clock import NS_PER_S, Clock, random_token
from pitwire.common.enums import CancelPolicy, CommandVerb, HaltScope, TradingState
from pitwire.common.errors import DecodeError, OutcomeUnknown
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Command, CommandResult, HaltSeen, Heartbeat, RiskMetrics
from pitwire.common.schemas.ledger import Halt
from pitwire.common.topology import OMS

PRINCIPAL: Final = "operator"
GATE: Final = "risk-gate"
EXECUTION: Final = "execution"
ANSWER_TIMEOUT_S: Final = 10.0
COMMAND_TTL_S: Final = 30
"""A command that is not taken up by then has no effect any more."""

READ_TIMEOUT_S: Final = 10.0
M = TypeVar("M", bound=Message)


class NoAnswer(OutcomeUnknown):
    """What was asked is stored on the bus, but nobody answered in time."""

    code = "NO_ANSWER"


@dataclass(frozen=True, slots=True)
class HaltAnswer:
    """Execution's acknowledgement of a halt and how long it took from publishing to reading it, in milliseconds."""

    halt: Halt
    oms_sequence: int
    seen: HaltSeen
    elapsed_ms: float


class Operator:
    """A connection to the bus as `operator`. Use as `async with Operator.connect(...) as operator`."""

    def __init__(
        self, bus: Bus, clock: Clock, *, name: str = PRINCIPAL, answer_timeout_s: float = ANSWER_TIMEOUT_S
    ) -> None:
        self.bus = bus
        self.name = name
        self._clock = clock
        self._answer_timeout_s = answer_timeout_s

    @classmethod
    async def connect(cls, running: Running, clock: Clock) -> Self:
        """Connects; `NotRunning` when no bus is named, `BusUnavailable` when it does not answer."""
        bus = await connect_as(PRINCIPAL, running)
        return cls(bus, clock)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.bus.close()

    async def halt(
        self, scope: HaltScope, target: str, *, state: TradingState, cancel: CancelPolicy, reason: str
    ) -> HaltAnswer:
        """Adds a halt and waits until execution has seen it; from then on nothing in its scope leaves."""
        halt = Halt(
            halt_id=f"h{random_token(6)}",
            scope=scope,
            target=target,
            state=TradingState.REDUCING if state is TradingState.REDUCING else TradingState.HALTED,
            cancel=cancel,
            reason=reason,
            source=self.name,
            ts_ns=self._clock.wall_ns(),
        )
        after = (await self.bus.state("CTL")).last_sequence
        began_ns = self._clock.monotonic_ns()
        sequence = await self._append(subjects.halt(self.name), halt)
        answer = await self._first("CTL", subjects.halt_seen(EXECUTION, halt.halt_id), after, HaltSeen)
        if answer is None:
            raise NoAnswer(
                f"halt {halt.halt_id} is on the journal (sequence {sequence}) and holds, but execution has not "
                f"answered within {self._answer_timeout_s:g} s; is it running? see `pitwire status`"
            )
        return HaltAnswer(halt, sequence, answer, (self._clock.monotonic_ns() - began_ns) / 1e6)

    async def command(
        self, verb: CommandVerb, args: Mapping[str, str], *, account: str, reason: str, service: str = GATE
    ) -> CommandResult:
        """Stores a command and waits for its one answer."""
        now_ns = self._clock.wall_ns()
        command = Command(
            command_id=f"c{random_token(6)}",
            operator=self.name,
            service=service,
            verb=verb,
            account=account,
            args=dict(args),
            reason=reason,
            expires_ns=now_ns + COMMAND_TTL_S * NS_PER_S,
            ts_ns=now_ns,
        )
        after = (await self.bus.state("CTL")).last_sequence
        await self._append(subjects.command(self.name, service, verb.value), command)
        subject = subjects.command_result(self.name, command.command_id)
        answer = await self._first("CTL", subject, after, CommandResult)
        if answer is None:
            raise NoAnswer(
                f"command {command.command_id} is stored, but {service} has not answered within "
                f"{self._answer_timeout_s:g} s; it expires after {COMMAND_TTL_S} s; see `pitwire status`"
            )
        return answer

    async def active_halts(self) -> tuple[Halt, ...]:
        """Every halt that no resume has cleared yet, oldest first. An undecodable one is a halt of everything."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                return tuple((await active_halts(self.bus)).active.values())
        except TimeoutError:
            raise NoAnswer(f"stream {OMS.name} could not be read within {READ_TIMEOUT_S:g} s") from None

    async def heartbeats(self) -> tuple[Heartbeat, ...]:
        """The last heartbeat of each process, by service and slot."""
        found = await self._last_values(subjects.pattern(subjects.HEARTBEAT), Heartbeat)
        return tuple(sorted(found, key=lambda beat: (beat.service, beat.slot)))

    async def risk_metrics(self) -> tuple[RiskMetrics, ...]:
        """The last risk metrics of each account."""
        found = await self._last_values(subjects.pattern(subjects.RISK_METRICS), RiskMetrics)
        return tuple(sorted(found, key=lambda metrics: metrics.account))

    async def records(self, stream: str, filters: tuple[str, ...]) -> list[Record]:
        """Everything that fits and is there now, in order; `NoAnswer` when the stream cannot be read in time."""
        found: list[Record] = []
        try:
            async with (
                asyncio.timeout(READ_TIMEOUT_S),
                contextlib.aclosing(self.bus.read(stream, filters, after=0)) as batches,
            ):
                async for batch in batches:
                    if not batch:
                        return found
                    found += batch
        except TimeoutError:
            pass
        raise NoAnswer(f"stream {stream} could not be read within {READ_TIMEOUT_S:g} s")

    async def _last_values(self, pattern: str, model: type[M]) -> list[M]:
        found: list[M] = []
        for record in await self.bus.last_of_each("STATE", pattern):
            with contextlib.suppress(DecodeError):
                found.append(codec.decode(model, record.data, subject=record.subject))
        return found

    async def _append(self, subject: str, message: Message) -> int:
        return await self.bus.append(subject, codec.encode(message), codec.headers_for(message))

    async def _first(self, stream: str, subject: str, after: int, model: type[M]) -> M | None:
        """The first record on `subject` past `after`; None when none comes in time."""
        try:
            async with (
                asyncio.timeout(self._answer_timeout_s),
                contextlib.aclosing(self.bus.read(stream, (subject,), after=after)) as batches,
            ):
                async for batch in batches:
                    if batch:
                        return codec.decode(model, batch[0].data, subject=batch[0].subject)
        except TimeoutError:
            pass
        return None
