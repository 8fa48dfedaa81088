"""A command takes effect once and its answer says what stands, whatever answer is lost and whichever gate was first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest

from pitwire.common import codec, subjects
from pitwire.common.bus.memory import MemoryBus
from pitwire.common.enums import CommandVerb, ExecType, HaltScope, OrderStatus
from pitwire.common.errors import AppendRefused, InvariantBroken
from pitwire.common.schemas.base import Message
from pitwire.common.schemas.control import CommandResult
from pitwire.common.schemas.ledger import Approved, Halt, LedgerEvent, RiskDecision
from pitwire.common.testing.hands import BTC
from pitwire.common.units import NS_PER_S
from pitwire.risk_gate.handlers import commands

World = Any
RACES_LOST = "pitwire_risk_gate_races_lost_total"
ORDER = {"instrument_id": BTC, "side": "BUY", "quantity": "0.01", "order_type": "LIMIT", "limit_price": "60000"}
CASES = [
    pytest.param(CommandVerb.PAUSE, {"strategy": "momentum"}, "momentum paused", id="pause"),
    pytest.param(CommandVerb.LIMITS, {"order_value_max": "100"}, "limits version 2", id="limits"),
    pytest.param(CommandVerb.CAPITAL, {"asset": "USDT", "amount": "5000"}, "+5000 USDT of sim-main", id="capital"),
    pytest.param(CommandVerb.ORDER, ORDER, "APPROVED ", id="order"),
    pytest.param(CommandVerb.ORDER, ORDER | {"quantity": "1"}, "DENIED ORDER_VALUE_EXCEEDED", id="denied"),
]


def of_command(world: World) -> list[tuple[int, Message]]:
    """The ledger records that carry a command, with their places in the journal."""
    log = [record for record in world.server.log_of("OMS").records if record.subject == subjects.ledger("main")]
    events = [(record.sequence, codec.decode_known(record.subject, record.schema, record.data)) for record in log]
    return [(sequence, event) for sequence, event in events if carries_a_command(event)]


def carries_a_command(event: Message) -> bool:
    if isinstance(event, RiskDecision):
        return all(v.intent is not None and v.intent.basis.subject == subjects.COMMAND for v in event.verdicts)
    return bool(getattr(event, "command_id", ""))


def assert_done_once(world: World, result: CommandResult, told: str) -> None:
    [(sequence, record)] = of_command(world)
    assert (result.oms_sequence, result.text.startswith(told)) == (sequence, True), result
    assert result.status == ("REFUSED" if told.startswith("DENIED") else "DONE")
    assert isinstance(record, LedgerEvent)
    assert record.cursors.control_sequence == 1


async def answer(world: World, command_id: str = "c1") -> CommandResult | None:
    record = await world.hands.bus.last("CTL", subjects.command_result("operator", command_id))
    return None if record is None else codec.decode(CommandResult, record.data, subject=record.subject)


def before_effect(monkeypatch: pytest.MonkeyPatch, bus: MemoryBus, act: Callable[[], Awaitable[None]]) -> None:
    """Acts once, when the process has made a record that carries a command and begins to append it."""
    append, due = bus.append, [True]

    async def watched(subject: str, data: bytes, headers: dict[str, str], **fields: Any) -> int:
        if due and carries_a_command(codec.decode_known(subject, headers[codec.SCHEMA_HEADER], data)):
            due.clear()
            await act()
        return await append(subject, data, headers, **fields)

    monkeypatch.setattr(bus, "append", watched)


def lose(monkeypatch: pytest.MonkeyPatch, bus: MemoryBus, fault: str = "lose_answers", times: int = 1) -> None:
    async def act() -> None:
        setattr(bus, fault, times)

    before_effect(monkeypatch, bus, act)


async def holding(world: World) -> None:
    """momentum holds 0.15 BTC, which the gate has read and no ledger record covers."""
    await world.ask(1, quantity="0.15")
    [verdict] = world.verdicts()
    assert isinstance(verdict, Approved)
    await world.report(
        1,
        verdict,
        ExecType.TRADE,
        order_status=OrderStatus.FILLED,
        trade_id="1",
        last_quantity=Decimal("0.15"),
        last_price=Decimal(60000),
    )


@pytest.mark.parametrize("fault", ["lose_answers", "lose_requests"])
@pytest.mark.parametrize(("verb", "args", "told"), CASES)
async def test_a_command_whose_answer_or_request_is_lost_takes_effect_once(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: CommandVerb, args: dict[str, str], told: str, fault: str
) -> None:
    """S-38."""
    desk = await world.desk()
    await world.price("60000")
    lose(monkeypatch, desk.shell.bus, fault)
    assert_done_once(world, await world.command(verb, **args), told)


@pytest.mark.parametrize(("verb", "args", "told"), CASES)
async def test_a_command_that_two_gates_race_for_takes_effect_once(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: CommandVerb, args: dict[str, str], told: str
) -> None:
    """S-38."""
    desks = [await world.desk(str(number)) for number in range(2)]
    await world.price("60000")
    lost = sum(desk.figure(RACES_LOST) for desk in desks)
    both = asyncio.Barrier(2)

    async def wait() -> None:
        await both.wait()

    for desk in desks:
        before_effect(monkeypatch, desk.shell.bus, wait)
    assert_done_once(world, await world.command(verb, **args), told)
    assert desks[0].gate.state.state_hash() == desks[1].gate.state.state_hash()
    assert sum(desk.figure(RACES_LOST) for desk in desks) == lost + 1


@pytest.mark.parametrize(("verb", "args", "told"), CASES)
async def test_a_gate_that_ends_between_record_and_answer_is_answered_for_by_the_next(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: CommandVerb, args: dict[str, str], told: str
) -> None:
    """S-40."""
    first = await world.desk()
    await world.price("60000")
    append = first.shell.bus.append

    async def ends(subject: str, *rest: Any, **fields: Any) -> int:
        if subject.startswith("ctl.res."):
            await asyncio.Event().wait()
        return int(await append(subject, *rest, **fields))

    monkeypatch.setattr(first.shell.bus, "append", ends)
    with pytest.raises(InvariantBroken, match="not answered"):
        await world.command(verb, **args)
    await first.shell.kill()
    await world.desk("1")
    result = await answer(world)
    assert result is not None
    assert_done_once(world, result, told)


async def test_a_flatten_whose_answer_is_lost_tells_the_order_that_closes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = await world.desk()
    await world.price("60000")
    await holding(world)
    lose(monkeypatch, desk.shell.bus)
    result = await world.command(CommandVerb.FLATTEN)
    sale = world.verdicts()[-1]
    assert (len(world.verdicts()), sale.intent.side, sale.intent.quantity) == (2, "SELL", Decimal("0.15"))
    assert_done_once(world, result, f"APPROVED {sale.client_order_id}")


@pytest.mark.parametrize("verb", [CommandVerb.CANCEL, CommandVerb.FLATTEN])
async def test_a_cancel_in_several_records_tells_every_order_whichever_answer_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch, verb: CommandVerb
) -> None:
    monkeypatch.setattr(commands, "CANCEL_WAIT_S", 0)
    desk = await world.desk()
    await world.price("60000")
    for number in range(1, 34):
        await world.ask(number, quantity="0.0002")
    working = {order.client_order_id for order in desk.gate.state.working_orders()}
    lose(monkeypatch, desk.shell.bus, times=2)
    result = await world.command(verb, instrument_id=BTC)
    assert {line.removeprefix("CANCEL_APPROVED ") for line in result.data.values()} == working
    assert (len(result.data), result.oms_sequence) == (33, of_command(world)[-1][0])


async def test_what_an_order_takes_while_a_withdrawal_waits_is_not_free_to_leave(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S-17."""
    desk = await world.desk()
    await world.price("60000")
    append, go = desk.shell.bus.append, asyncio.Event()

    async def slow(*args: Any, **fields: Any) -> int:
        await go.wait()
        return int(await append(*args, **fields))

    monkeypatch.setattr(desk.shell.bus, "append", slow)
    await world.ask(1, quantity="0.1")
    with pytest.raises(InvariantBroken, match="not answered"):
        await world.command(CommandVerb.CAPITAL, asset="USDT", amount="-99000")
    go.set()
    await world.hands.settle()
    result = await answer(world)
    assert result is not None
    assert (result.status, "93994.00000 USDT of sim-main are free" in result.text) == ("REFUSED", True), result.text
    assert not of_command(world)


async def test_a_trade_that_no_record_covers_yet_counts_in_what_is_free(world: World) -> None:
    await world.desk()
    await world.price("60000")
    await holding(world)
    refused = await world.command(CommandVerb.CAPITAL, asset="USDT", amount="-91000.01")
    assert "91000.00 USDT of sim-main are free" in refused.text


async def test_an_answer_that_finds_no_room_waits_for_some_and_ends_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "ANSWER_RETRY_S", 0)
    desk = await world.desk()
    append, full = desk.shell.bus.append, [3]

    async def without_room(subject: str, *rest: Any, **fields: Any) -> int:
        if subject.startswith("ctl.res.") and full[0]:
            full[0] -= 1
            raise AppendRefused("maximum bytes exceeded")
        return int(await append(subject, *rest, **fields))

    monkeypatch.setattr(desk.shell.bus, "append", without_room)
    result = await world.command(CommandVerb.PAUSE, strategy="momentum")
    assert (result.text, desk.shell.failures) == ("momentum paused", [])
    assert [code for _, code, _ in desk.shell.alerts if code == "ANSWER_NOT_STORED"] == ["ANSWER_NOT_STORED"]


async def test_a_flatten_that_was_cut_short_and_is_found_past_its_time_says_what_was_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await world.desk()
    await world.price("60000")
    await world.ask(1, quantity="0.1")

    async def ends(*_: Any, **__: Any) -> bool:
        await asyncio.sleep(3_600)
        return False

    monkeypatch.setattr(first.gate, "until", ends)
    with pytest.raises(InvariantBroken, match="not answered"):
        await world.command(CommandVerb.FLATTEN)
    await first.shell.kill()
    world.clock.advance(ns=3_600 * NS_PER_S)
    await world.desk("1")
    result = await answer(world)
    assert result is not None
    assert result.status == "EXPIRED"
    assert result.text.startswith("expired before it was finished; done of it: CANCEL_APPROVED ")


async def test_a_halt_is_resumed_though_the_account_that_is_asked_has_stopped(world: World) -> None:
    """A record that nobody can read ends the fold of its account; halts of others must not stay for ever."""
    await world.desk()
    await world.price("60000")
    await world.hands.bus.append(subjects.exec_events("main"), b'{"account":"main"', {"Schema": "ExecReport/1"})
    await world.hands.settle()
    second = Halt(halt_id="h2", scope=HaltScope.ACCOUNT, target="second", reason="test", source="operator")
    await world.send(subjects.halt("operator"), second)
    result = await world.command(CommandVerb.RESUME, halts="h2")
    assert (result.status, result.text) == ("DONE", "resumed 1")
