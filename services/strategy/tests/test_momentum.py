"""Momentum: crosses remembered, one entry each, exits, cooldown; per instrument; by prices alone."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from pitwire.common.instruments import quantity_for
from pitwire.common.testing.market import candle, definition
from pitwire.strategy import Target
from pitwire.strategy.strategies.momentum import Momentum, MomentumParams

BTC, ETH = "BTC-USDT.sim", "ETH-USDT.sim"


class Paper:
    """A portfolio whose orders fill at once, at the close; `denies` lets nothing through."""

    def __init__(self, capital: str = "1000") -> None:
        self.equity = self.capital = Decimal(capital)
        self.held: dict[str, Decimal] = {}
        self.working: set[str] = set()
        self.denies = False

    def holds(self, instrument_id: str) -> bool:
        return bool(self.held.get(instrument_id))

    def is_working(self, instrument_id: str) -> bool:
        return instrument_id in self.working

    def quantity_for(self, instrument_id: str, value: Decimal, price: Decimal) -> Decimal:
        return quantity_for(definition(instrument_id), value=value, price=price)


def run(
    strategy: Momentum, closes: Iterable[float], paper: Any = None, *, instrument: str = BTC, first: int = 0
) -> list[str]:
    """`B`, `S` or `.` with the reason, one a candle."""
    paper = paper or Paper()
    found: list[str] = []
    for minute, close in enumerate(closes, start=first):
        decision = strategy.on_candle(candle(minute, f"{close:.2f}", instrument), paper)
        if isinstance(decision, Target) and not paper.denies:
            paper.held[instrument] = decision.quantity
        kind = "." if not isinstance(decision, Target) else "B" if decision.quantity else "S"
        found.append(f"{kind} {decision.reason}")
    return found


def signals(found: Sequence[str]) -> str:
    return "".join(line[0] for line in found)


def momentum(**changed: Any) -> Momentum:
    values: dict[str, Any] = {"fast": 3, "slow": 6, "threshold_percent": 0.5, "cooldown": 0}
    return Momentum(MomentumParams(**(values | changed)))


def walk(count: int, *, volatility: float, seed: int = 1, start: float = 1_000.0) -> list[float]:
    rng = random.Random(seed)
    closes = [start]
    while len(closes) < count:
        closes.append(closes[-1] * math.exp(rng.gauss(0, volatility)))
    return closes


FALL, RISE = [100.0 - n for n in range(12)], [89.0 + 1.5 * n for n in range(12)]


def test_it_buys_after_a_cross_upwards_and_sells_after_the_cross_down() -> None:
    """S-61: the reference test of this could not fail."""
    found = run(momentum(), [*FALL, *RISE, *reversed(RISE)])
    assert signals(found).replace(".", "") == "BS"
    assert signals(found).index("B") > len(FALL)
    assert signals(found).index("S") > len(FALL) + len(RISE)


def test_a_cross_is_remembered_until_the_threshold_is_passed() -> None:
    """S-43: tested only on the crossing bar, none of 10,539 crossovers signalled at 1 % volatility."""
    slow_rise = [89.0 + 0.12 * n for n in range(40)]
    found = run(momentum(threshold_percent=0.15), [*FALL, *slow_rise])
    crossed = next(n for n, line in enumerate(found) if "crossed up, gap below 0.15 %" in line)
    bought = signals(found).index("B")
    assert bought > crossed
    assert all("crossed up, gap below" in line for line in found[crossed:bought])


@pytest.mark.parametrize("volatility", [0.001, 0.005, 0.01])
def test_crosses_do_signal_at_ordinary_volatility(volatility: float) -> None:
    """S-43, by count: the reference signalled 0 of 10,539."""
    closes = walk(20_000, volatility=volatility)
    threshold = volatility * 50
    found = run(momentum(fast=12, slow=26, threshold_percent=threshold), closes)
    assert signals(found).count("B") > 100


def test_a_cross_that_crosses_back_before_the_threshold_is_forgotten() -> None:
    nudge = [89.0, 90.0, 91.0, 92.0, 92.0, 90.0, 86.0, 84.0, 82.0, 80.0, 79.0, 78.0]
    found = run(momentum(threshold_percent=5.0), [*FALL, *nudge])
    assert any("crossed up, gap below" in line for line in found)
    assert found[-1] == ". the trend is down"


def test_one_cross_is_one_entry() -> None:
    paper = Paper()
    strategy = momentum()
    run(strategy, [*FALL, *RISE], paper)
    paper.held.clear()
    assert set(run(strategy, [107.0 + n for n in range(10)], paper, first=30)) == {
        ". no cross upwards since the last trade"
    }


def test_an_entry_that_was_denied_is_wanted_again_while_the_trend_holds() -> None:
    paper = Paper()
    paper.denies = True
    assert signals(run(momentum(), [*FALL, *RISE], paper)).count("B") > 3


def test_nothing_is_asked_for_while_an_order_is_on_its_way() -> None:
    paper = Paper()
    paper.working.add(BTC)
    found = run(momentum(), [*FALL, *RISE], paper)
    assert set(found[6:]) == {". an order is on its way"}


def test_after_an_exit_it_waits_for_the_cooldown() -> None:
    """S-49: no exits, no cooldown."""
    dip = [100.0, 95.0, 92.0, 96.0, 101.0, *(105.0 + 3 * n for n in range(15))]
    eager, patient = (signals(run(momentum(cooldown=n), [*FALL, *RISE, *dip])) for n in (0, 9))
    sold = eager.index("S")
    assert patient.index("S") == sold
    assert 0 < eager.index("B", sold) - sold < 9
    assert patient.index("B", sold) - sold == 9


def test_the_size_is_a_share_of_equity_at_the_close() -> None:
    paper = Paper("5000")
    run(momentum(size_percent=Decimal(10)), [*FALL, *RISE], paper)
    assert paper.held[BTC] * 100 == pytest.approx(Decimal(500), rel=Decimal("0.1"))


def test_each_instrument_has_its_own_averages() -> None:
    """S-44: one state shared by all symbols."""
    first, second = walk(400, volatility=0.01, seed=1), walk(400, volatility=0.01, seed=2, start=50.0)
    together, paper = momentum(), Paper()
    mixed = [
        (run(together, [a], paper, first=n)[0], run(together, [b], paper, instrument=ETH, first=n)[0])
        for n, (a, b) in enumerate(zip(first, second, strict=True))
    ]
    assert [a for a, _ in mixed] == run(momentum(), first)
    assert [b for _, b in mixed] == run(momentum(), second, instrument=ETH)


def test_what_comes_later_changes_nothing_before() -> None:
    """No look-ahead."""
    closes = walk(600, volatility=0.01)
    other = [*closes[:400], *(close * 3 for close in closes[400:])]
    assert run(momentum(), closes)[:400] == run(momentum(), other)[:400] == run(momentum(), closes[:400])


def test_history_is_long_enough_for_the_seed_to_be_forgotten() -> None:
    """S-42: warm-up of at least four times the longest period."""
    assert Momentum(MomentumParams()).history >= 4 * MomentumParams().slow
    assert Momentum(MomentumParams()).history <= 500


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"fast": 30, "slow": 30}, "fast is 30, expected less than slow"),
        ({"fast": 1}, "greater than or equal to 2"),
        ({"threshold_percent": -0.1}, "greater than or equal to 0"),
        ({"threshold_percent": float("nan")}, "finite"),
        ({"size_percent": 0}, "greater than 0"),
        ({"size_percent": 101}, "less than or equal to 100"),
        ({"cooldown": -1}, "greater than or equal to 0"),
        ({"fasst": 3}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_parameter_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        MomentumParams(**wrong)


def test_before_the_averages_are_full_it_holds() -> None:
    assert run(momentum(), [100.0] * 5) == [". averages are not full yet"] * 5
