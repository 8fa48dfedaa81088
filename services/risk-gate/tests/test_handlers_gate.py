"""The gate on the bus in memory: order of work, read-back after doubt, restarts, two gates on one ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common import codec, journal, subjects
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import CommandVerb, DenialCode, Side
from pitwire.common.errors import AppendRefused
from pitwire.common.portfolio import AccountState
from pitwire.common.schemas.ledger import Approved, Denied, Halt, LimitsApplied, MarksRecorded, Resume, RiskDecision
from pitwire.common.testing.hands import BTC, CONFIG, POISON
from pitwire.risk_gate.handlers.account_gate import QUIET_NS

World = Any
"""What the fixture of this name gives: modules of a folder with a hyphen cannot import each other."""


async def test_a_first_start_opens_the_ledger_once(world: World) -> None:
    desk = await world.desk()
    await desk.shell.kill()
    await world.desk("1")
    names = [type(event).__name__ for event in world.ledger()]
    opening = ["LeaderChanged", "IncarnationStarted", "CapitalRecorded", "LimitsApplied", "StrategyRegistered"]
    assert names == [*opening, "StrategyRegistered", "StrategyRegistered", "LeaderChanged"]


async def test_an_intent_is_approved_and_its_exposure_reserved(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    await world.ask(1)
    (verdict,) = world.verdicts()
    assert isinstance(verdict, Approved)
    assert desk.gate.state.working_quantity("momentum", BTC, Side.BUY) == Decimal("0.01")


async def test_republished_intents_are_decided_once_and_write_nothing_more(world: World) -> None:
    await world.desk()
    await world.price("60000")
    await world.ask(1)
    before = len(world.ledger())
    await world.ask(1)
    await world.ask(1)
    assert len(world.ledger()) == before


@pytest.mark.parametrize(("seconds", "left"), [(59, 1_000), (60, 0)])
async def test_a_gate_that_was_down_for_a_minute_makes_no_order_of_what_waited(
    world: World, seconds: int, left: int
) -> None:
    """What the stream still has is denied as expired; after a minute it has nothing."""
    first = await world.desk()
    await world.price("60000")
    await first.shell.kill()
    for number in range(1, 1_001):
        message = world.intent(number)
        subject = subjects.intent("main", "momentum")
        await world.hands.bus.append(subject, codec.encode(message), codec.headers_for(message))
    world.clock.advance(ns=seconds * NS_PER_S)
    await world.desk("1")
    for _ in range(10):
        await world.hands.settle()
    assert [v.code for v in world.verdicts() if isinstance(v, Denied)] == [DenialCode.INTENT_EXPIRED] * left
    assert len(world.verdicts()) == left


async def test_waiting_intents_share_one_ledger_record(world: World) -> None:
    first = await world.desk()
    await world.price("60000")
    await first.shell.kill()
    for number in range(1, 51):
        await world.ask(number, quantity="0.001")
    await world.desk("1")
    sizes = [len(event.verdicts) for event in world.ledger() if isinstance(event, RiskDecision)]
    assert max(sizes) == 20
    assert sum(sizes) == 50


@pytest.mark.parametrize("fault", ["lose_answers", "lose_requests"])
async def test_a_lost_answer_or_request_neither_doubles_nor_loses_a_decision(world: World, fault: str) -> None:
    desk = await world.desk()
    await world.price("60000")
    for number in range(1, 11):
        setattr(desk.shell.bus, fault, 1)
        await world.ask(number, quantity="0.001")
    assert [v.intent.intent_no for v in world.verdicts() if v.intent] == list(range(1, 11))
    assert not desk.shell.failures


async def test_the_fold_of_the_journal_stands_where_the_live_gate_stands(world: World) -> None:
    old = await world.desk()
    await world.price("60000")
    for number in range(1, 6):
        await world.ask(number, quantity="0.001")
    await old.shell.kill()
    replay = AccountState("main", "USDT")
    for record in world.server.log_of("OMS").records:
        event = codec.decode_known(record.subject, record.schema, record.data)
        if record.subject == subjects.ledger("main"):
            replay.apply_ledger(record.sequence, event, record.data)  # type: ignore[arg-type] # a ledger subject
    assert replay.state_hash() == old.gate.state.state_hash()


async def test_a_market_day_rolls_once(world: World) -> None:
    await world.desk()
    await world.price("60000")
    await world.price("60000", seconds=86_400)
    await world.price("60000", seconds=86_401)
    assert [type(event).__name__ for event in world.ledger()].count("DayRolled") == 2


async def test_a_halt_denies_and_a_resume_command_clears_it(world: World) -> None:
    await world.desk()
    await world.price("60000")
    halt = Halt.model_validate({"halt_id": "h1", "scope": "ALL", "reason": "test", "source": "operator"})
    await world.send(subjects.halt("operator"), halt)
    await world.ask(1)
    result = await world.command(CommandVerb.RESUME, halts="h1")
    await world.ask(2)
    verdicts = world.verdicts()
    assert [getattr(v, "code", None) for v in verdicts] == [DenialCode.TRADING_HALTED, None]
    assert (result.status, result.data["cleared"]) == ("DONE", "h1")
    assert [r for r in world.server.log_of("OMS").records if r.schema == Resume.schema_name()]


async def test_an_undecodable_halt_halts_everything(world: World) -> None:
    await world.desk()
    await world.price("60000")
    await world.hands.bus.append(subjects.halt("operator"), b"not json")
    await world.hands.settle()
    await world.ask(1)
    assert [getattr(v, "code", None) for v in world.verdicts()] == [DenialCode.TRADING_HALTED]


async def test_an_unreadable_intent_is_denied_by_name_and_three_quarantine_the_strategy(world: World) -> None:
    await world.desk()
    await world.price("60000")
    for _ in range(3):
        await world.hands.bus.append(subjects.intent("main", "momentum"), b"{", {"Schema": "OrderIntent/1"})
    await world.hands.settle()
    await world.ask(1)
    codes = [getattr(v, "code", None) for v in world.verdicts()]
    assert codes == [*[DenialCode.MALFORMED] * 3, DenialCode.STRATEGY_PAUSED]


@pytest.mark.parametrize(
    ("verb", "args", "told"),
    [
        (CommandVerb.RESUME, {"halts": "nope"}, "no such active halt"),
        (CommandVerb.PAUSE, {"strategy": "nope"}, "no strategy"),
        (CommandVerb.PAUSE, {"strategy": "momentum", "paused": "perhaps"}, "neither true nor false"),
        (CommandVerb.LIMITS, {"nope": "1"}, "unknown argument: nope"),
        (CommandVerb.LIMITS, {}, "no limit given"),
        (CommandVerb.CANCEL, {"instrument": BTC}, "unknown argument: instrument"),
        (CommandVerb.FLATTEN, {"symbol": BTC}, "unknown argument: symbol"),
        (CommandVerb.LIMITS, {"order_value_max": "-1"}, "order_value_max"),
        (CommandVerb.ORDER, {"instrument_id": BTC, "side": "UP", "quantity": "1", "order_type": "MARKET"}, "side"),
        (
            CommandVerb.ORDER,
            {"instrument_id": BTC, "side": "BUY", "quantity": "NaN", "order_type": "MARKET"},
            "quantity",
        ),
        (
            CommandVerb.ORDER,
            {"instrument_id": "X-Y.sim", "side": "BUY", "quantity": "1", "order_type": "MARKET"},
            "UNKNOWN_INSTRUMENT",
        ),
    ],
)
async def test_a_wrong_command_is_refused_with_its_reason_and_changes_nothing(
    world: World, verb: CommandVerb, args: dict[str, str], told: str
) -> None:
    desk = await world.desk()
    await world.price("60000")
    limits = desk.gate.state.limits
    result = await world.command(verb, **args)
    assert (result.status, told in result.text) == ("REFUSED", True), result.text
    assert desk.gate.state.limits == limits
    assert not desk.gate.state.working_orders()


async def test_limits_changed_by_command_survive_a_restart(world: World) -> None:
    desk = await world.desk()
    await world.command(CommandVerb.LIMITS, order_value_max="100")
    await desk.shell.kill()
    again = await world.desk("1")
    assert again.gate.state.limits is not None
    assert again.gate.state.limits.order_value_max == Decimal(100)
    assert len([event for event in world.ledger() if isinstance(event, LimitsApplied)]) == 2


async def test_a_manual_order_passes_the_same_checks(world: World) -> None:
    await world.desk()
    await world.price("60000")
    big = {"instrument_id": BTC, "side": "BUY", "quantity": "1", "order_type": "MARKET"}
    refused = await world.command(CommandVerb.ORDER, "c1", **big)
    done = await world.command(CommandVerb.ORDER, "c2", **{**big, "quantity": "0.01"})
    assert ("ORDER_VALUE_EXCEEDED" in refused.text, done.status) == (True, "DONE")


async def test_a_command_is_answered_once_even_over_a_restart(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    await world.command(CommandVerb.ORDER, instrument_id=BTC, side="BUY", quantity="0.01", order_type="MARKET")
    await desk.shell.kill()
    await world.desk("1")
    await world.hands.settle()
    answers = [r for r in world.server.log_of("CTL").records if r.subject.startswith("ctl.res.")]
    assert len(answers) == 1
    assert len(world.verdicts()) == 1


async def test_two_gates_on_one_ledger_decide_each_intent_once_and_stand_alike(world: World) -> None:
    """No lease: whoever is first wins, the other folds what it says, also where it had read further."""
    desks = [await world.desk(str(n)) for n in range(2)]
    await world.price("60000")
    for number in range(1, 41):
        await world.ask(number, quantity="0.0002")
        halt = Halt.model_validate(
            {"halt_id": f"h{number}", "scope": "VENUE", "target": "x", "reason": "t", "source": "o"}
        )
        await world.hands.bus.append(subjects.halt("operator"), codec.encode(halt), codec.headers_for(halt))
    await world.hands.settle()
    world.clock.advance(ns=QUIET_NS)
    await world.price("60000")
    assert [v.intent.intent_no for v in world.verdicts() if v.intent] == list(range(1, 41))
    assert not [failure for desk in desks for failure in desk.shell.failures]
    for desk in desks:
        desk.gate.state.advance(desk.gate.state.observed_sequence)
    assert desks[0].gate.state.state_hash() == desks[1].gate.state.state_hash()
    written = [desk.figure("pitwire_risk_gate_records_total") for desk in desks]
    assert sum(written) == len([r for r in world.server.log_of("OMS").records if ".risk." in r.subject])
    assert all(written)
    assert sum(desk.figure("pitwire_risk_gate_races_lost_total") for desk in desks) > 0


async def test_news_gets_a_record_of_its_own_only_where_no_decision_follows_soon(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    await world.ask(1)
    for number in (1, 2):
        halt = Halt.model_validate(
            {"halt_id": f"h{number}", "scope": "VENUE", "target": "x", "reason": "t", "source": "o"}
        )
        await world.hands.bus.append(subjects.halt("operator"), codec.encode(halt), codec.headers_for(halt))
        await world.hands.settle()
        assert isinstance(world.ledger()[-1], RiskDecision)
        assert desk.gate.state.has_news
        if number == 1:
            await world.ask(2)
    assert not any(isinstance(record, MarksRecorded) for record in world.ledger())
    world.clock.advance(ns=QUIET_NS)
    await world.price("60000")
    assert isinstance(world.ledger()[-1], MarksRecorded)
    assert not desk.gate.state.has_news


async def test_a_gate_that_read_further_than_the_winner_goes_on_from_the_ledger(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    other = await world.desk("1")
    await other.shell.kill()
    halt = Halt.model_validate({"halt_id": "h1", "scope": "ALL", "reason": "t", "source": "o"})
    event = other.gate.place()
    await world.hands.bus.append(subjects.halt("operator"), codec.encode(halt), codec.headers_for(halt))
    desk.gate.state.observe(99, halt)
    desk.gate.state.advance(99)
    record = LimitsApplied.model_validate(event | {"limits": CONFIG.accounts["main"].limits.model_dump()})
    desk.gate.written(98, record, codec.encode(record))
    assert desk.gate.state.ledger_sequence == 98
    assert not desk.gate.state.halts.active


async def test_a_restarted_gate_reads_no_intent_again(world: World) -> None:
    """Bad, good, bad, good: read again from the beginning the bad ones alone would count as several in a row."""
    await world.desk()
    await world.price("60000")
    for number in (1, 2):
        await world.hands.bus.append(subjects.intent("main", "momentum"), b"{", {"Schema": "OrderIntent/1"})
        await world.hands.settle()
        await world.ask(number, quantity="0.001")
    await world.desks[-1].shell.kill()
    await world.desk("1")
    await world.desks[-1].shell.kill()
    desk = await world.desk("2")
    assert len(world.verdicts()) == 4
    assert desk.gate.state.cursors.intent_sequence == 4
    assert not desk.gate.state.strategy("momentum").paused


@pytest.mark.parametrize("lives", [1, 2])
async def test_intents_in_sequences_that_a_lost_tail_gave_back_are_decided(world: World, lives: int) -> None:
    """The intent stream is written behind: a restart of its server may lose its end, and that costs nothing."""
    await world.desk()
    await world.price("60000")
    for number in range(1, 6):
        await world.ask(number, quantity="0.001")
    for life in range(lives):
        await world.desks[-1].shell.kill()
        world.server.lose_tail("INTENT", 3)
        desk = await world.desk(f"{life + 1}")
        assert not desk.shell.failures
        await world.ask(6 + life, quantity="0.001")
    assert [v.intent.intent_no for v in world.verdicts() if v.intent] == list(range(1, 6 + lives))


async def test_a_life_of_the_intent_stream_after_a_lost_tail_goes_on_over_a_restart(world: World) -> None:
    """Unreadable intents have no number: only the sequence says that they are decided."""
    await world.desk()
    await world.price("60000")
    for number in range(1, 6):
        await world.ask(number, quantity="0.001")
    await world.desks[-1].shell.kill()
    world.server.lose_tail("INTENT", 3)
    await world.desk("1")
    await world.hands.bus.append(subjects.intent("main", "momentum"), b"{", {"Schema": "OrderIntent/1"})
    await world.hands.settle()
    await world.desks[-1].shell.kill()
    desk = await world.desk("2")
    assert [getattr(v, "code", None) for v in world.verdicts()] == [*[None] * 5, DenialCode.MALFORMED]
    assert desk.gate.state.cursors.intent_sequence == 3


@pytest.mark.parametrize("poison", [subjects.ledger("main"), subjects.exec_events("main")])
async def test_a_record_that_cannot_be_read_halts_its_account_and_leaves_the_process_alive(
    world: World, poison: str
) -> None:
    desk = await world.desk()
    await world.price("60000")
    await world.hands.bus.append(poison, POISON, {"Schema": "MarksRecorded/1"})
    await world.hands.settle()
    await world.ask(1)
    result = await world.command(CommandVerb.ORDER, instrument_id=BTC, side="BUY", quantity="0.01", order_type="MARKET")
    assert not world.verdicts()
    assert "the account is stopped" in result.text
    assert not desk.shell.failures
    halts = [r for r in world.server.log_of("OMS").records if r.schema == Halt.schema_name()]
    assert [codec.decode(Halt, r.data, subject=r.subject).target for r in halts] == ["main"]
    await desk.shell.kill()
    again = await world.desk("1")
    assert again.gate.stopped
    assert len([r for r in world.server.log_of("OMS").records if r.schema == Halt.schema_name()]) == 1


async def test_a_cancel_reaches_every_order_in_its_scope_and_no_other(world: World) -> None:
    desk = await world.desk()
    await world.price("60000")
    for number in range(1, 34):
        await world.ask(number, quantity="0.0002")
    none = await world.command(CommandVerb.CANCEL, "c1", instrument_id="ETH-USDT.sim")
    done = await world.command(CommandVerb.CANCEL, "c2", instrument_id=BTC)
    assert (none.text, len(done.data)) == ("nothing to do", 33)
    assert all(order.cancel_requested for order in desk.gate.state.working_orders())


async def test_a_ledger_that_takes_nothing_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal is no race: the write waits beyond the races it may lose."""
    monkeypatch.setattr(journal, "REFUSED_WAIT_S", 0)
    monkeypatch.setattr(journal, "RACES_MAX", 2)
    desk = await world.desk()
    await world.price("60000")
    taken = desk.shell.bus.append
    refusals = 3

    async def full(*args: Any, **kwargs: Any) -> int:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise AppendRefused("maximum bytes exceeded")
        return int(await taken(*args, **kwargs))

    monkeypatch.setattr(desk.shell.bus, "append", full)
    await world.ask(1)
    assert len(world.verdicts()) == 1
    assert [code for _, code, _ in desk.shell.alerts] == ["LEDGER_REFUSED"]


async def test_a_resume_that_took_effect_before_a_crash_is_done_not_refused(world: World) -> None:
    await world.desk()
    await world.price("60000")
    halt = Halt.model_validate({"halt_id": "h1", "scope": "ALL", "reason": "test", "source": "operator"})
    await world.send(subjects.halt("operator"), halt)
    resume = Resume(resume_id="c1", cleared=("h1",), command_id="c1", operator="operator", reason="t", ts_ns=1)
    await world.send(subjects.RESUME, resume)
    result = await world.command(CommandVerb.RESUME, "c1", halts="all")
    assert (result.status, result.data["cleared"]) == ("DONE", "h1")
