"""Names, grids and bounds of what can be traded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pitwire.common.errors import InvalidName
from pitwire.common.instruments import (
    InstrumentRegistry,
    assets_of,
    is_dust,
    quantity_for,
    shape_fault,
    tradable_quantity,
)
from pitwire.common.schemas.market import Instrument

D = Decimal


def instrument(symbol: str = "BTC-USDT", venue_symbol: str = "BTCUSDT", **changed: Any) -> Instrument:
    base, quote = symbol.split("-")
    values: dict[str, Any] = {
        "instrument_id": f"{symbol}.sim",
        "symbol": symbol,
        "venue": "sim",
        "venue_symbol": venue_symbol,
        "base": base,
        "quote": quote,
        "tick_size": D("0.01"),
        "lot_size": D("0.001"),
        "min_quantity": D("0.002"),
        "max_quantity": D("10.0005"),
        "min_notional": D(5),
        "max_notional": D(1000),
    }
    return Instrument(**(values | changed))


@pytest.mark.parametrize(
    ("venue_symbol", "symbol"),
    [
        ("ETHBTC", "ETH-BTC"),
        ("BTCEUR", "BTC-EUR"),
        ("BTCFDUSD", "BTC-FDUSD"),
        ("AB", "A-B"),
        ("1INCHBUSD", "1INCH-BUSD"),
    ],
)
def test_base_and_quote_come_from_the_venue_and_never_from_cutting_its_symbol(venue_symbol: str, symbol: str) -> None:
    """S-54: the last four bytes made ET/HBTC, BT/CEUR and BTCF/DUSD, and short symbols crashed."""
    registry = InstrumentRegistry((instrument(symbol, venue_symbol),))
    found = registry.by_venue_symbol("sim", venue_symbol)
    assert found is not None
    assert [found.base, found.quote] == symbol.split("-")
    assert assets_of(found.instrument_id) == (found.base, found.quote)


@pytest.mark.parametrize("name", ["BTCUSDT.sim", "BTC-USDT", "-USDT.sim", "BTC-.sim", "A-B-C.sim", ""])
def test_a_name_that_is_not_base_quote_venue_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        assets_of(name)


def test_the_newest_definition_holds() -> None:
    registry = InstrumentRegistry((instrument(),))
    registry.put(instrument(tick_size=D("0.1")))
    found = registry.get("BTC-USDT.sim")
    assert found is not None
    assert found.tick_size == D("0.1")
    assert (len(registry), [i.symbol for i in registry]) == (1, ["BTC-USDT"])
    assert "ETH-USDT.sim" not in registry
    assert registry.get("ETH-USDT.sim") is None


SHAPES = """
# quantity price  notional at -> code limit observed
1       100.00   price -> -
1       100.01   price -> -
1       100.005  price -> PRICE_TICK 0.01 100.005
1.0001  100      price -> QUANTITY_LOT 0.001 1.0001
0.001   100      price -> QUANTITY_RANGE 0.002 0.001
0.002   2500     price -> -
0.002   2499.99  price -> NOTIONAL_BELOW_MINIMUM 5 4.99998
10      100      price -> -
10.001  99       price -> QUANTITY_RANGE 10.0005 10.001
10      100.01   price -> NOTIONAL_ABOVE_MAXIMUM 1000 1000.1
0.002   1        none  -> -
"""


@pytest.mark.parametrize("row", [r for r in SHAPES.strip().splitlines() if not r.startswith("#")])
def test_an_order_must_stand_on_the_grid_of_its_instrument(row: str) -> None:
    """S-48, I-15: tick, lot and bounds, exact to one step."""
    given, expected = row.split("->")
    quantity, price, at = given.split()
    fault = shape_fault(
        instrument(), quantity=D(quantity), prices=(D(price),), notional_price=D(price) if at == "price" else None
    )
    if expected.strip() == "-":
        assert fault is None
        return
    assert fault is not None
    code, limit, observed = expected.split()
    assert (fault.code.value, fault.limit, fault.observed) == (code, D(limit), D(observed))


@pytest.mark.parametrize(
    ("quantity", "wanted"),
    [("1.0019", "1.001"), ("-1.0019", "1.001"), ("0.0019", "0"), ("0.002", "0.002"), ("99", "10.000")],
)
def test_what_can_be_traded_of_a_quantity(quantity: str, wanted: str) -> None:
    """S-8, S-48: down to a lot and into the bounds; dust cannot be traded."""
    assert tradable_quantity(instrument(), D(quantity)) == D(wanted)


def test_a_budget_buys_whole_lots_and_never_more_than_it_pays_for() -> None:
    assert quantity_for(instrument(), value=D(100), price=D("33.34")) == D("2.999")
    assert quantity_for(instrument(), value=D("0.01"), price=D(100)) == 0


def test_dust_is_less_than_can_be_sold() -> None:
    assert is_dust(instrument(), D("0.0019"))
    assert is_dust(instrument(), D("-0.0019"))
    assert not is_dust(instrument(), D("0.002"))


@pytest.mark.parametrize("changed", [{"base": "ETH"}, {"quote": "EUR"}, {"venue": "other"}, {"symbol": "BTC-EUR"}])
def test_a_definition_whose_names_disagree_is_refused(changed: dict[str, Any]) -> None:
    """S-54: what folds read from the name is what the venue listed."""
    with pytest.raises(ValidationError, match=r"must be BASE-QUOTE\.VENUE"):
        Instrument.model_validate(instrument().model_dump(mode="json") | changed)
