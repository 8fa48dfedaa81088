"""Guards the journal itself: lost records, no room, rows that do not follow. What it finds becomes a halt for all.

A breaker never resumes by itself: its halts stand until an operator names them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, Final

from pitwire.common import codec, subjects, topology
from pitwire.common.bus.port import Record
from pitwire.common.clock import random_token
from pitwire.common.enums import AlertSeverity, CancelPolicy, HaltScope, TradingState
from pitwire.common.errors import BusUnavailable, DecodeError, PitwireError
from pitwire.common.halts import RESTORED_BY, restored_end
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.ledger import Halt, IncarnationStarted
from pitwire.common.shell import Shell
from pitwire.common.snapshots import Loss, SnapshotStore
from pitwire.risk_gate.core.journal_watch import Found, JournalWatch, Trouble
from pitwire.risk_gate.handlers.account_gate import AccountGate

SAMPLE_S: Final = 5.0
HALT_RETRY_S: Final = 1.0
BUS_RETRY_S: Final = 0.1
PERSISTENCE: Final = "persistence"
WHAT_TO_DO: Final = "all is halted; look at orders and positions (`pitwire verify`), then `pitwire resume`"
SNAPSHOT_WRITERS: Final = ("risk-gate", "execution")


class JournalGuard:
    """Hears persistence and samples the journal every `SAMPLE_S`, for all accounts of this process."""

    def __init__(self, service: Shell, gates: Mapping[str, AccountGate]) -> None:
        self._service = service
        self._gates = gates
        self.watch = JournalWatch()
        self.rows_follow = asyncio.Event()
        """Persistence has said that its rows are those of this journal."""

        self._heard = asyncio.Event()
        self._ready_at = 0
        """The cursor in the newest beat of a persistence that is ready; 0 = it is not, or has stored nothing."""

    async def run(self) -> None:
        """For ever."""
        await self._service.bus.subscribe(subjects.pattern(subjects.HEARTBEAT), self._on_heartbeat)
        while True:
            await self.look()
            await self._until_next()

    async def _until_next(self) -> None:
        """`SAMPLE_S`; meanwhile a first word of persistence is looked at when it comes: a new ledger waits for it."""
        over = asyncio.get_running_loop().time() + SAMPLE_S
        while (left := over - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._heard.wait()
            self._heard.clear()
            if self._ready_at and not self.rows_follow.is_set():
                await self._see_whether_rows_follow()

    async def _see_whether_rows_follow(self) -> None:
        """A cursor beyond the end is of a journal that was there before: such rows follow nothing."""
        with contextlib.suppress(BusUnavailable):
            if self._ready_at <= (await self._service.bus.state(topology.OMS.name)).last_sequence:
                self.rows_follow.set()

    def _on_heartbeat(self, record: Record) -> None:
        tokens = subjects.tokens(subjects.HEARTBEAT, record.subject)
        if tokens is None or tokens["service"] != PERSISTENCE:
            return
        try:
            beat = codec.decode(Heartbeat, record.data, subject=record.subject)
        except DecodeError:
            return
        self.watch.hear(beat.slot, beat.cursor)
        self._ready_at = beat.cursor if beat.ready else 0
        if not self.rows_follow.is_set():
            self._heard.set()

    async def look(self) -> None:
        """One sample, and what follows from it."""
        stored = self.watch.stored
        try:
            state = await self._service.bus.state(topology.OMS.name)
            commands = await self._service.bus.state(topology.CONTROL.name)
        except BusUnavailable:
            return
        found = self.watch.sample(
            self._service.clock.monotonic_ns(),
            stored=stored,
            last_sequence=state.last_sequence,
            full_percent=state.full_percent,
            commands_percent=commands.full_percent,
        )
        for trouble in found:
            await self._act(trouble, stored, state.last_sequence)

    async def _act(self, found: Found, stored: int, last_sequence: int) -> None:
        if found.trouble is Trouble.LOST and await _end_of(self._service, topology.OMS.name) >= stored:
            self.watch.is_whole()
            return
        is_early = found.trouble in (Trouble.FILLS, Trouble.COMMANDS_FILL)
        severity = AlertSeverity.WARNING if is_early else AlertSeverity.CRITICAL
        await self._service.alert(severity, found.trouble.value, found.text)
        if found.trouble is Trouble.LOST:
            for gate in self._gates.values():
                known_by = gate.state.incarnation if found.shrank else ""
                await begin_anew(gate, Loss(stored, found.text, known_by))
        elif not is_early:
            name = found.trouble.value.lower().replace("_", "-")
            await halt_all(self._service, f"{name}-{last_sequence}", found.text, state=TradingState.REDUCING)


async def begin_anew(gate: AccountGate, lost: Loss) -> None:
    """The journal lost records: all is halted, and ids of orders get another incarnation.

    What the lost records said of orders and fills comes back from the venue, which execution asks at its start.
    """
    service, account = gate.shell, gate.state.account
    if gate.stopped or (_is_dealt_with(gate, lost) and not await _commands_are_lost(gate)):
        return
    text = f"{lost.text}: {WHAT_TO_DO}"
    await service.alert(AlertSeverity.CRITICAL, Trouble.LOST.value, text, account=account)
    halt_id = f"lost-{lost.known}-{gate.state.incarnation or 'none'}"
    await halt_all(service, halt_id, text, state=TradingState.HALTED)
    control = await _end_of(service, topology.CONTROL.name)
    await gate.write(lambda: _incarnation(gate, lost.known, min(_control(gate), control), text))
    await gate.save_snapshot()


async def find_loss(gate: AccountGate) -> Loss | None:
    """What snapshots know and the journal does not hold, or commands that were read and are gone.

    Asked before a leader writes anything: its first record could take the number of what it looks for.
    """
    service, account = gate.shell, gate.state.account
    last = await _end_of(service, topology.OMS.name)
    found = [
        await SnapshotStore(service.bus, service=name, account=account).loss(last_sequence=last)
        for name in SNAPSHOT_WRITERS
    ]
    gate.advance()
    # An account that has no incarnation yet came after the restoring: nothing of it can have been lost.
    if gate.state.incarnation and (end := await _restored_end(service)):
        found.append(Loss(end, f"the journal was restored up to {end}"))
    if losses := [loss for loss in found if loss is not None and not _is_dealt_with(gate, loss)]:
        return max(losses, key=lambda loss: loss.known)
    if await _commands_are_lost(gate):
        return Loss(last, f"commands end before {_control(gate)}, which was read")
    return None


async def _restored_end(service: Shell) -> int:
    """Asked of the journal: the halt of a restoring may be resumed before a gate starts that has not begun anew."""
    while True:
        try:
            record = await service.bus.last(topology.OMS.name, subjects.halt(RESTORED_BY))
        except BusUnavailable:
            await asyncio.sleep(BUS_RETRY_S)
            continue
        return restored_end([codec.decode(Halt, record.data, subject=record.subject)]) if record else 0


def _is_dealt_with(gate: AccountGate, lost: Loss) -> bool:
    """A later incarnation began because of it. Numbers alone do not say: a new journal grows through them again."""
    state = gate.state
    return lost.known <= state.lost_sequence and lost.incarnation in ("", *state.former_incarnations)


async def _commands_are_lost(gate: AccountGate) -> bool:
    return _control(gate) > await _end_of(gate.shell, topology.CONTROL.name)


async def _end_of(service: Shell, stream: str) -> int:
    """The last sequence of the stream; waits for the bus as long as needed."""
    while True:
        try:
            return (await service.bus.state(stream)).last_sequence
        except BusUnavailable:
            await asyncio.sleep(BUS_RETRY_S)


async def halt_all(service: Shell, halt_id: str, reason: str, *, state: Any) -> None:
    """Adds the halt; asks again until it stands."""
    halt = Halt(
        halt_id=halt_id,
        scope=HaltScope.ALL,
        state=state,
        cancel=CancelPolicy.NONE if state is TradingState.REDUCING else CancelPolicy.NON_PROTECTIVE,
        reason=reason[:512],
        source="risk-gate",
        ts_ns=service.clock.wall_ns(),
    )
    while True:
        try:
            await service.bus.append(
                subjects.halt("risk-gate"), codec.encode(halt), codec.headers_for(halt), message_id=halt_id
            )
        except PitwireError as error:
            await service.alert(AlertSeverity.CRITICAL, "HALT_NOT_STORED", f"{halt_id}: {error}")
            await asyncio.sleep(HALT_RETRY_S)
        else:
            return


def _control(gate: AccountGate) -> int:
    return gate.state.cursors.control_sequence


def _incarnation(gate: AccountGate, known: int, control_sequence: int, reason: str) -> Message:
    place = gate.place()
    place["cursors"] = place["cursors"].model_copy(update={"control_sequence": control_sequence})
    return IncarnationStarted(**place, incarnation=random_token(6), reason=reason[:512], lost_sequence=known)
