"""The venue's balances against the books: while they differ the account only reduces, until a person settles it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import orjson
import pytest
from services.execution.tests.builders import ACCOUNT, BTC, VENUE_ACCOUNT, resume, venue_order
from services.execution.tests.world import Process, ProcessWorld

from pitwire.common import codec, subjects
from pitwire.common.clock import NS_PER_S
from pitwire.common.enums import CancelPolicy, HaltScope, NotSentReason, TradingState
from pitwire.common.schemas.execution import NotSent
from pitwire.common.schemas.ledger import Halt
from pitwire.execution.adapters.fake import RICH
from pitwire.execution.core.agreement import HALT_PREFIX, Agreement, Difference, halt_of
from pitwire.execution.core.fold import ExecutionCore
from pitwire.execution.handlers.balances import BalanceCheck
from pitwire.execution.handlers.venue_desk import VenueDesk

USDT_SHORT = (Difference("USDT", Decimal(90), Decimal(100)),)


def test_the_same_difference_has_the_same_halt_and_another_one_another() -> None:
    first = halt_of("main", "v", USDT_SHORT, source="execution", ts_ns=1)
    again = halt_of("main", "v", USDT_SHORT, source="execution", ts_ns=2)
    other = halt_of("main", "w", USDT_SHORT, source="execution", ts_ns=1)
    assert first.halt_id == again.halt_id != other.halt_id
    assert (first.scope, first.target, first.state, first.cancel) == (
        HaltScope.ACCOUNT, "main", TradingState.REDUCING, CancelPolicy.NONE,
    )  # fmt: skip
    moved = (Difference("USDT", Decimal(40), Decimal(50)),)
    assert halt_of("main", "v", moved, source="execution", ts_ns=1).halt_id == first.halt_id, "trading went on"
    assert "90 USDT at the venue, 100 by the books" in first.reason


def test_what_a_person_has_settled_outlives_a_snapshot() -> None:
    agreement = Agreement()
    agreement.resumed([f"{HALT_PREFIX}1", "h2"])
    again = Agreement.restore(orjson.loads(orjson.dumps(agreement.snapshot())))
    assert (again.is_settled(f"{HALT_PREFIX}1"), again.is_settled("h2")) == (True, False)


# -- in a process ----------------------------------------------------------------------------------------------------


def halts(world: ProcessWorld) -> list[Halt]:
    records = world.server.log_of("OMS").records
    return [codec.decode(Halt, r.data, subject=r.subject) for r in records if r.subject == subjects.halt("execution")]


class Looking:
    """The check of a process' one venue account, run by hand."""

    def __init__(self, world: ProcessWorld, process: Process) -> None:
        desk: VenueDesk = process.runtime.desks[0].venues[VENUE_ACCOUNT]
        self.world = world
        self.core: ExecutionCore = process.core
        self.certain: Mapping[str, int] = {BTC: 10**6}
        self.check = BalanceCheck(desk, desk._instruments, process.shell, process.runtime._halts.publish)

    async def look(self) -> list[str]:
        """Halts in the journal afterwards."""
        await self.check.look(self.certain)
        await self.world.settle()
        return [each.halt_id for each in halts(self.world)]


@pytest.fixture
async def looking(world: ProcessWorld) -> Looking:
    for asset in ("USDT", "BTC"):
        await world.write(subjects.ledger(ACCOUNT), world.ledger.capital(asset, str(RICH)))
    process = await world.process()
    await world.approve()
    return Looking(world, process)


async def test_fills_and_fees_are_booked_as_the_venue_books_them(looking: Looking) -> None:
    """I-9: an order traded, and both say the same."""
    assert await looking.look() == []
    assert looking.check.suspected == ()


async def test_a_difference_halts_when_it_was_seen_twice_and_only_once(looking: Looking) -> None:
    looking.world.venue.held_assets["USDT"] -= 10
    assert await looking.look() == []
    (halt_id,) = await looking.look()
    assert halt_id.startswith(HALT_PREFIX)
    assert await looking.look() == [halt_id]
    (found,) = halts(looking.world)
    assert (found.state, found.target) == (TradingState.REDUCING, ACCOUNT)


async def test_a_difference_stays_the_same_one_while_trading_goes_on(looking: Looking) -> None:
    looking.world.venue.held_assets["USDT"] -= 10
    await looking.look()
    await looking.world.approve()
    assert len(await looking.look()) == 1


async def test_a_difference_that_somebody_explains_in_time_was_none(looking: Looking) -> None:
    """A deposit and its record do not come in the same moment."""
    looking.world.venue.held_assets["USDT"] += 10
    assert await looking.look() == []
    await looking.world.write(subjects.ledger(ACCOUNT), looking.world.ledger.capital("USDT", "10"))
    await looking.world.settle()
    assert await looking.look() == []
    assert await looking.look() == []


async def test_while_it_disagrees_only_reductions_leave(looking: Looking) -> None:
    looking.world.venue.held_assets["BTC"] -= 1
    await looking.look()
    await looking.look()
    order_id = await looking.world.approve()
    (told,) = [e for e in looking.world.exec_events() if getattr(e, "client_order_id", "") == order_id]
    assert isinstance(told, NotSent)
    assert told.reason is NotSentReason.REDUCING


async def test_what_a_person_ignored_does_not_halt_again_and_another_difference_does(looking: Looking) -> None:
    looking.world.venue.held_assets["USDT"] -= 10
    await looking.look()
    (halt_id,) = await looking.look()
    await looking.world.write(subjects.RESUME, resume(halt_id))
    await looking.world.settle()
    for _ in range(3):
        assert await looking.look() == [halt_id]
    assert looking.core.halts.state_for(ACCOUNT)[0] is TradingState.ACTIVE
    looking.world.venue.held_assets["USDT"] -= 1
    await looking.look()
    assert len(await looking.look()) == 2


async def test_what_nobody_trades_may_lie_in_the_account(looking: Looking) -> None:
    looking.world.venue.held_assets["DOGE"] = Decimal(7)
    assert await looking.look() == []
    assert looking.check.suspected == ()


async def test_nothing_is_concluded_while_a_trade_is_not_booked_yet(looking: Looking) -> None:
    looking.world.venue.stream_mute = True
    looking.world.venue.add_foreign(venue_order("human-1", venue_order_id="900"))
    looking.world.venue.fill("human-1", Decimal(1))
    looking.certain = {BTC: 0}
    assert await looking.look() == []
    assert looking.check.suspected == ()
    assert looking.check.is_open, "it is looked at again soon"


async def test_without_capital_nobody_has_said_what_the_account_began_with(world: ProcessWorld) -> None:
    process = await world.process()
    looking = Looking(world, process)
    world.venue.held_assets["USDT"] -= 10
    world.venue.reads_down = True
    assert await looking.look() == []


async def test_a_wipe_is_survived_orders_end_by_proof_and_the_account_only_reduces(looking: Looking) -> None:
    """A testnet forgets every order and trade, and gives the account anew what it began with."""
    world = looking.world
    order_id = await world.approve(limit_price="90")
    world.venue.wipe()
    world.venue.held_assets.clear()
    world.venue.lose_stream()
    await world.settle()
    for _ in range(6):
        world.clock.advance(ns=NS_PER_S)
        looking.check._venue_desk.wanted.set()
        await world.settle()
    assert world.told(order_id)[-1] in {"EXPIRED EXPIRED", "UNKNOWN UNKNOWN"}
    await looking.look()
    assert len(await looking.look()) == 1
    assert "at the venue" in halts(world)[0].reason
