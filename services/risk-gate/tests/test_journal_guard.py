"""The guard of the journal on the bus in memory: what it halts, and how a gate begins anew where records are gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from pitwire.common import codec, subjects
from pitwire.common.bus.port import StreamState
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import CancelPolicy, CommandVerb, DenialCode, TradingState
from pitwire.common.errors import BusUnavailable
from pitwire.common.halts import restored_halt
from pitwire.common.schemas.control import Heartbeat
from pitwire.common.schemas.ledger import Denied, IncarnationStarted, Resume
from pitwire.common.snapshots import Loss, SnapshotStore
from pitwire.risk_gate.handlers import journal_guard
from pitwire.risk_gate.handlers.account_gate import QUIET_NS
from pitwire.risk_gate.handlers.journal_guard import JournalGuard, begin_anew, halt_all

Ask = Callable[[str], Awaitable[StreamState]]
World = Any
Desk = Any
"""What the fixture gives: modules of a folder with a hyphen cannot import each other."""


async def beat(world: World, cursor: int, *, ready: bool = False) -> None:
    message = Heartbeat(
        service="persistence", slot="0", instance="p", ts_ns=world.clock.wall_ns(), cursor=cursor, ready=ready
    )
    await world.hands.bus.publish(
        subjects.heartbeat("persistence", "0"), codec.encode(message), codec.headers_for(message)
    )


async def guard(desk: Desk) -> JournalGuard:
    """Listening, and looked once."""
    made = JournalGuard(desk.shell, {"main": desk.gate})
    desk.shell.spawn("guard", made.run())
    await desk.shell.settle()
    return made


def codes_of(desk: Desk) -> list[str]:
    return [code for _, code, _ in desk.shell.alerts]


def incarnations(world: World) -> list[IncarnationStarted]:
    return [event for event in world.ledger() if isinstance(event, IncarnationStarted)]


async def test_rows_that_do_not_follow_for_five_minutes_make_accounts_reduce(world: World) -> None:
    desk = await world.desk()
    made = await guard(desk)
    await beat(world, 1)
    world.clock.advance(ns=301 * NS_PER_S)
    await made.look()
    await desk.shell.settle()
    (halt,) = desk.gate.state.halts.active.values()
    assert (halt.state, halt.cancel, halt.halt_id.rsplit("-", 1)[0]) == (
        TradingState.REDUCING,
        CancelPolicy.NONE,
        "persistence-lags",
    )
    await world.price("60000")
    await world.ask(1)
    (denied,) = world.verdicts()
    assert isinstance(denied, Denied)
    assert denied.code is DenialCode.TRADING_REDUCING


async def test_rows_that_follow_halt_nothing_and_a_breaker_does_not_resume_by_itself(world: World) -> None:
    desk = await world.desk()
    made = await guard(desk)
    for _ in range(3):
        await beat(world, (await desk.shell.bus.state("OMS")).last_sequence)
        world.clock.advance(ns=200 * NS_PER_S)
        await made.look()
    assert not desk.gate.state.halts.active
    await beat(world, 1)
    await world.command(CommandVerb.PAUSE, strategy="momentum")
    await made.look()
    world.clock.advance(ns=301 * NS_PER_S)
    await made.look()
    await beat(world, 10_000)
    await desk.shell.settle()
    assert len(desk.gate.state.halts.active) == 1


@pytest.mark.parametrize(
    ("percent", "codes", "halts"), [(60, [], 0), (75, ["JOURNAL_FILLS"], 0), (90, ["JOURNAL_FILLS", "JOURNAL_FULL"], 1)]
)
async def test_a_journal_that_fills_is_told_and_then_makes_accounts_reduce(
    world: World, percent: int, codes: list[str], halts: int
) -> None:
    desk = await world.desk()
    log = world.server.log_of("OMS")
    log.stream = replace(log.stream, max_bytes=log.bytes_held * 100 // percent)
    await guard(desk)
    assert [code for code in codes_of(desk) if code.startswith("JOURNAL")] == codes
    log.stream = replace(log.stream, max_bytes=10**9)
    world.clock.advance(ns=QUIET_NS)
    await world.price("60000")
    assert len(desk.gate.state.halts.active) == halts


@pytest.mark.parametrize(
    ("ready", "beyond", "follow"), [(True, 0, True), (True, -2, True), (True, 1, False), (False, 0, False)]
)
async def test_only_rows_within_the_journal_follow_it(world: World, ready: bool, beyond: int, follow: bool) -> None:
    """Persistence says for a while that it is ready with the rows of a journal that is gone."""
    desk = await world.desk()
    made = await guard(desk)
    await beat(world, (await desk.shell.bus.state("OMS")).last_sequence + beyond, ready=ready)
    await desk.shell.settle()
    assert made.rows_follow.is_set() is follow


async def test_commands_that_fill_their_stream_are_told_of(world: World) -> None:
    desk = await world.desk()
    await world.command(CommandVerb.PAUSE, strategy="momentum")
    log = world.server.log_of("CTL")
    log.stream = replace(log.stream, max_bytes=log.bytes_held * 100 // 80)
    await guard(desk)
    assert [code for code in codes_of(desk) if code == "COMMANDS_FILL"] == ["COMMANDS_FILL"]
    assert not desk.gate.state.halts.active


async def test_a_snapshot_beyond_the_end_of_the_journal_begins_a_new_incarnation_and_halts_all(world: World) -> None:
    """Acknowledged records are gone: no id may be made twice, and a person looks before trading goes on."""
    first = await world.desk()
    await world.price("60000")
    for number in range(1, 6):
        await world.ask(number, quantity="0.001")
    await first.gate.save_snapshot()
    await first.shell.kill()
    world.server.lose_tail("OMS", 3)
    second = await world.desk("1")
    assert "JOURNAL_LOST" in codes_of(second)
    (halt,) = second.gate.state.halts.active.values()
    assert halt.state is TradingState.HALTED
    before, after = incarnations(world)
    assert before.incarnation != after.incarnation
    assert after.lost_sequence > 0
    assert second.gate.state.incarnation == after.incarnation


async def test_the_loss_of_the_one_last_record_is_seen_before_the_new_leader_takes_its_number(world: World) -> None:
    """After a clean stop the snapshot stands at the last record, which the leadership would write anew."""
    first = await world.desk()
    await first.gate.save_snapshot()
    await first.shell.kill()
    world.server.lose_tail("OMS", 1)
    second = await world.desk("1")
    (halt,) = second.gate.state.halts.active.values()
    assert halt.state is TradingState.HALTED
    assert "the journal ends at" in halt.reason
    before, after = incarnations(world)
    assert before.incarnation != after.incarnation


async def test_a_loss_is_seen_after_another_record_has_taken_the_place_of_the_lost_one(world: World) -> None:
    """A new leader ended between its leadership and its look, or a halt came first."""
    first = await world.desk()
    await first.gate.save_snapshot()
    await first.shell.kill()
    world.server.lose_tail("OMS", 1)
    await halt_all(world.hands, "drill", "came first", state=TradingState.HALTED)
    second = await world.desk("1")
    assert len(second.gate.state.halts.active) == 2
    assert len(incarnations(world)) == 2


async def test_a_loss_is_dealt_with_once(world: World) -> None:
    first = await world.desk()
    await first.gate.save_snapshot()
    await first.shell.kill()
    world.server.lose_tail("OMS", 2)
    for name in ("1", "2", "3"):
        desk = await world.desk(name)
        await desk.shell.kill()
    assert len(incarnations(world)) == 2
    halts = [r for r in world.server.log_of("OMS").records if r.subject.startswith("oms.halt.")]
    assert len(halts) == 1


@pytest.mark.parametrize("lost", [3, 12], ids=["after the first loss was dealt with", "with what was written about it"])
async def test_a_second_loss_below_the_first_is_a_loss_of_its_own(world: World, lost: int) -> None:
    """The journal that grew after a loss passes through the numbers of the lost records again."""
    first = await world.desk()
    made = await guard(first)
    await beat(world, 10_000)
    for _ in range(2):
        await made.look()
    assert first.gate.state.lost_sequence == 10_000
    await world.price("60000")
    for number in range(1, 6):
        await world.ask(number, quantity="0.001")
    await first.gate.save_snapshot()
    await first.shell.kill()
    world.server.lose_tail("OMS", lost)
    held = [event.incarnation for event in incarnations(world)]
    assert len(held) == (2 if lost == 3 else 1)
    for name in ("1", "2"):
        second = await world.desk(name)
        assert len(incarnations(world)) == len(held) + 1
        await second.shell.kill()
    newest = world.desks[-1].gate.state
    assert newest.incarnation not in {*held, first.gate.state.incarnation}
    assert f"lost-{first.gate.state.ledger_sequence}-{held[-1]}" in newest.halts.active


async def test_a_snapshot_of_the_lost_life_is_no_second_loss(world: World) -> None:
    """Execution keeps a snapshot of the journal that is gone until it has read as much of the new one."""
    first = await world.desk()
    await world.price("60000")
    await world.ask(1, quantity="0.001")
    state = first.gate.state
    store = SnapshotStore(world.hands.bus, service="execution", account="main")
    await store.save(state.rewound(), oms_sequence=5_000, record_hash="of the lost life", ts_ns=1)
    await first.shell.kill()
    for name in ("1", "2"):
        desk = await world.desk(name)
        await desk.shell.kill()
        assert len(incarnations(world)) == 2


@pytest.mark.parametrize("is_resumed", [False, True], ids=["still halted", "resumed before this gate started"])
async def test_a_journal_that_was_put_back_begins_a_new_incarnation_once(world: World, is_resumed: bool) -> None:
    """What came after the last row is known to nobody: no id of it may be made again."""
    first = await world.desk()
    await first.shell.kill()
    end = len(world.server.log_of("OMS").records)
    halt = restored_halt(end, ts_ns=1)
    await world.hands.bus.append(subjects.halt(halt.source), codec.encode(halt), codec.headers_for(halt))
    if is_resumed:
        resume = Resume(
            resume_id="r1", cleared=(halt.halt_id,), command_id="c1", operator="ops", reason="by another gate", ts_ns=2
        )
        await world.hands.bus.append(subjects.RESUME, codec.encode(resume), codec.headers_for(resume))
    for name in ("1", "2"):
        desk = await world.desk(name)
        await desk.shell.kill()
        assert len(incarnations(world)) == 2
    newest = world.desks[-1].gate.state
    assert newest.lost_sequence == end
    assert (halt.halt_id in newest.halts.active) is not is_resumed
    assert f"lost-{end}-{incarnations(world)[0].incarnation}" in newest.halts.active


async def test_an_account_that_is_new_after_a_restoring_that_was_dealt_with_halts_nothing(world: World) -> None:
    halt = restored_halt(1, ts_ns=1)
    await world.hands.bus.append(subjects.halt(halt.source), codec.encode(halt), codec.headers_for(halt))
    resume = Resume(
        resume_id="r1", cleared=(halt.halt_id,), command_id="c1", operator="ops", reason="long ago", ts_ns=2
    )
    await world.hands.bus.append(subjects.RESUME, codec.encode(resume), codec.headers_for(resume))
    desk = await world.desk()
    assert len(incarnations(world)) == 1
    assert not desk.gate.state.halts.active
    assert "JOURNAL_LOST" not in codes_of(desk)


async def test_a_journal_that_is_gone_altogether_begins_with_a_halt(world: World) -> None:
    first = await world.desk()
    await first.gate.save_snapshot()
    await first.shell.kill()
    world.server.recreate("OMS")
    second = await world.desk("1")
    assert [halt.state for halt in second.gate.state.halts.active.values()] == [TradingState.HALTED]
    assert second.gate.state.lost_sequence > 0


async def test_rows_beyond_the_end_of_the_journal_are_a_witness_too(world: World) -> None:
    """The database outlives the disk of the bus: what it has stored was there."""
    desk = await world.desk()
    made = await guard(desk)
    await beat(world, 10_000)
    for _ in range(2):
        await made.look()
    await desk.shell.settle()
    assert desk.gate.state.lost_sequence == 10_000
    assert [halt.state for halt in desk.gate.state.halts.active.values()] == [TradingState.HALTED]


async def test_rows_of_records_that_came_while_the_journal_answered_are_no_loss(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await world.desk()
    made = await guard(desk)
    ask: Ask = desk.shell.bus.state
    ends: list[int] = []

    async def answer(stream: str) -> StreamState:
        found = await ask(stream)
        if stream != "OMS":
            return found
        ends.append(found.last_sequence)
        await halt_all(world.hands, f"h{found.last_sequence}", "one more record", state=TradingState.REDUCING)
        await beat(world, found.last_sequence + 1)
        return found

    monkeypatch.setattr(desk.shell.bus, "state", answer)
    for _ in range(5):
        await made.look()
    assert "JOURNAL_LOST" not in codes_of(desk)
    assert len(ends) == 5, "not even a suspicion, which would have asked once more"


async def test_the_journal_is_asked_once_more_before_it_counts_as_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late answers of a server that lags: two are no loss, and a loss after them is still one."""
    desk = await world.desk()
    made = await guard(desk)
    ask: Ask = desk.shell.bus.state
    end = (await ask("OMS")).last_sequence
    ends = [end - 1, end - 1, end]

    async def answer(stream: str) -> StreamState:
        found = await ask(stream)
        return replace(found, last_sequence=ends.pop(0)) if stream == "OMS" and ends else found

    await beat(world, end)
    monkeypatch.setattr(desk.shell.bus, "state", answer)
    for _ in range(2):
        await made.look()
    assert not ends
    assert "JOURNAL_LOST" not in codes_of(desk)
    await beat(world, 10_000)
    for _ in range(2):
        await made.look()
    assert "JOURNAL_LOST" in codes_of(desk)


async def test_a_loss_is_dealt_with_although_the_bus_goes_away_meanwhile(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_guard, "HALT_RETRY_S", 0.0)
    monkeypatch.setattr(journal_guard, "BUS_RETRY_S", 0.0)
    desk = await world.desk()
    desk.shell.bus.disconnect()
    desk.shell.spawn("begin anew", begin_anew(desk.gate, Loss(10_000, "rows of 10000 are stored")))
    await desk.shell.settle()
    assert desk.shell.failures == []
    assert "HALT_NOT_STORED" in codes_of(desk)
    desk.shell.bus.reconnect()
    assert await desk.gate.until(lambda: desk.gate.state.lost_sequence == 10_000, timeout_s=5)
    await desk.shell.settle()
    assert [halt.state for halt in desk.gate.state.halts.active.values()] == [TradingState.HALTED]
    assert desk.shell.failures == []


async def test_a_halt_stands_before_the_end_of_the_commands_is_known(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_guard, "BUS_RETRY_S", 0.0)
    desk = await world.desk()
    ask: Ask = desk.shell.bus.state
    silent = True

    async def answer(stream: str) -> StreamState:
        if silent:
            raise BusUnavailable(stream)
        return await ask(stream)

    monkeypatch.setattr(desk.shell.bus, "state", answer)
    desk.shell.spawn("begin anew", begin_anew(desk.gate, Loss(10_000, "rows of 10000 are stored")))
    await desk.shell.settle()
    assert desk.shell.failures == []
    halts = [r for r in world.server.log_of("OMS").records if r.subject.startswith("oms.halt.")]
    assert len(halts) == 1
    silent = False
    assert await desk.gate.until(lambda: desk.gate.state.lost_sequence == 10_000, timeout_s=5)


async def test_commands_of_a_control_stream_that_was_lost_are_read_from_its_new_beginning(world: World) -> None:
    first = await world.desk()
    await world.command(CommandVerb.PAUSE, strategy="momentum", paused="true")
    await world.command(CommandVerb.PAUSE, "c2", strategy="momentum", paused="false")
    await first.shell.kill()
    world.server.recreate("CTL")
    second = await world.desk("1")
    assert second.shell.failures == []
    answer = await world.command(CommandVerb.PAUSE, "c3", strategy="momentum", paused="true")
    assert answer.text == "momentum paused"
    assert second.gate.state.strategy("momentum").paused
