"""Money put in or taken out by command: booked once, neither profit nor loss, and never more than is free."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from pitwire.common.enums import CommandVerb
from pitwire.common.schemas.ledger import CapitalRecorded

World = Any


async def test_money_moved_by_command_is_booked_and_moves_what_profit_is_measured_from(world: World) -> None:
    """S-10, S-23."""
    desk = await world.desk()
    await world.price("60000")
    assert (
        await world.command(CommandVerb.CAPITAL, "c1", asset="USDT", amount="5000")
    ).text == "+5000 USDT of sim-main"
    await world.command(CommandVerb.CAPITAL, "c2", asset="USDT", amount="-25000.5")
    await world.command(CommandVerb.CAPITAL, "c3", asset="BTC", amount="0.1", venue_account="sim-main")
    state = desk.gate.state
    assert (state.cash, state.balance("sim-main", "BTC")) == (Decimal("79999.5"), Decimal("0.1"))
    assert state.equity() == state.start_of_day_equity == state.peak_equity == Decimal("85999.5")
    records = [event for event in world.ledger() if isinstance(event, CapitalRecorded)]
    assert [record.command_id for record in records] == ["", "c1", "c2", "c3"]
    await desk.shell.kill()
    again = await world.desk("1")
    assert again.gate.state.cash == Decimal("79999.5")


async def test_an_asset_is_put_in_at_what_it_is_worth_now_not_at_what_the_ledger_recorded_last(world: World) -> None:
    """S-23. Nothing is held, so the recorded mark is as old as the last order."""
    desk = await world.desk()
    await world.price("60000")
    await world.ask(1, quantity="0.0000001")
    for second in range(1, 4):
        await world.price("40000", seconds=second)
    await world.command(CommandVerb.CAPITAL, "c1", asset="BTC", amount="1")
    state = desk.gate.state
    assert state.equity() == state.start_of_day_equity == state.peak_equity == Decimal(140_000)
    await world.price("41000", seconds=5)
    await world.ask(2, quantity="0.0000001")
    assert (state.equity(), state.start_of_day_equity) == (Decimal(141_000), Decimal(140_000))


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"asset": "USDT", "amount": "0"}, "amount 0"),
        ({"asset": "USDT", "amount": "-100000.01"}, "100000 USDT of sim-main are free"),
        ({"asset": "USDT", "amount": "NaN"}, "amount"),
        ({"asset": "us dt", "amount": "1"}, "asset"),
        ({"amount": "1"}, "asset"),
        ({"asset": "USDT", "amount": "1", "venue_account": "other"}, "give one of sim-main"),
        ({"asset": "USDT", "amount": "1", "to": "x"}, "unknown argument: to"),
    ],
)
async def test_what_cannot_have_moved_is_refused(world: World, args: dict[str, str], told: str) -> None:
    desk = await world.desk()
    result = await world.command(CommandVerb.CAPITAL, **args)
    assert (result.status, told in result.text) == ("REFUSED", True), result.text
    assert desk.gate.state.cash == Decimal(100000)


async def test_what_working_orders_may_spend_is_not_free_to_leave(world: World) -> None:
    await world.desk()
    await world.price("60000")
    await world.ask(1, quantity="0.1")
    result = await world.command(CommandVerb.CAPITAL, asset="USDT", amount="-94000")
    assert result.status == "REFUSED"
    assert (await world.command(CommandVerb.CAPITAL, "c2", asset="USDT", amount="-93000")).status == "DONE"
