"""Mean reversion: in below the band, out at the mean or the stop, sized by what a stop costs."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from pitwire.common.instruments import quantity_for
from pitwire.common.testing.market import candle, definition
from pitwire.strategy import Target
from pitwire.strategy.core.outputs import shown
from pitwire.strategy.strategies.mean_reversion import MeanReversion, MeanReversionParams

BTC = "BTC-USDT.sim"


class Paper:
    """A portfolio whose orders fill at once, at the close."""

    def __init__(self, capital: str = "1000") -> None:
        self.equity = self.capital = Decimal(capital)
        self.held = Decimal(0)
        self.paid: Decimal | None = None

    def holds(self, instrument_id: str) -> bool:
        return bool(self.held)

    def is_working(self, instrument_id: str) -> bool:
        return False

    def position(self, instrument_id: str) -> Any:
        return SimpleNamespace(average_price=self.paid)

    def quantity_for(self, instrument_id: str, value: Decimal, price: Decimal) -> Decimal:
        return quantity_for(definition(instrument_id), value=value, price=price)


def run(strategy: MeanReversion, closes: Iterable[float], paper: Any = None, *, first: int = 0) -> list[str]:
    """`B`, `S` or `.` with the reason, one a candle."""
    paper = paper or Paper()
    found: list[str] = []
    for minute, close in enumerate(closes, start=first):
        seen = candle(minute, f"{close:.2f}")
        decision = strategy.on_candle(seen, paper)
        if isinstance(decision, Target):
            paper.held, paper.paid = decision.quantity, seen.close
        kind = "." if not isinstance(decision, Target) else "B" if decision.quantity else "S"
        found.append(f"{kind} {decision.reason}")
    return found


def signals(found: Sequence[str]) -> str:
    return "".join(line[0] for line in found)


def reversion(**changed: Any) -> MeanReversion:
    values: dict[str, Any] = {"length": 20, "edge_percent_min": 0.3}
    return MeanReversion(MeanReversionParams(**(values | changed)))


CALM = [1_000.0 + 2 * (n % 2) for n in range(40)]
"""A deviation of 1 around 1,001: the band ends at 999, the stop lies three deviations below the entry."""


def test_it_buys_below_the_band_and_sells_at_the_mean() -> None:
    found = run(reversion(), [*CALM, 990.0, 992.0, 995.0, 1_003.0, 1_001.0])
    assert signals(found[40:]) == "B..S."
    assert (found[40], found[43]) == ("B below the band", "S back at the mean")


def test_what_does_not_pay_for_the_fees_is_left() -> None:
    found = run(reversion(), [*CALM, 998.5])
    assert found[-1].startswith(". below the band, but 0.2")
    assert run(reversion(edge_percent_min=0.2), [*CALM, 998.5])[-1] == "B below the band"


def test_it_gives_up_at_the_stop_and_waits_for_the_mean_before_the_next_entry() -> None:
    """S-49: no exits, no stops. The stop stays where it was set at the entry, however wide the band becomes."""
    knife = [990.0, 980.0, 960.0, 940.0, 920.0, 900.0, 880.0, 860.0]
    found = run(reversion(), [*CALM, *knife])
    assert signals(found[40:]) == "BS......"
    assert found[-1] == ". stopped out, waits for the mean"
    back = [*knife, *([1_000.0] * 30), *CALM[:30], 985.0]
    assert signals(run(reversion(), [*CALM, *back])).count("B") == 2


def test_a_stop_costs_the_chosen_share_of_equity() -> None:
    paper = Paper("10000")
    strategy = reversion(risk_percent=Decimal("0.5"), size_percent_max=Decimal(100))
    run(strategy, [*CALM, 990.0], paper)
    stop = strategy.lines[BTC].stop
    assert stop is not None
    assert float(paper.held) * (990.0 - stop) == pytest.approx(50.0, rel=0.01)


def test_a_wilder_market_is_traded_smaller_and_never_beyond_the_largest_size() -> None:
    sizes: list[Decimal] = []
    for spread in (2, 8, 16):
        paper = Paper("10000")
        noisy = [1_000.0 + spread * (n % 2) for n in range(40)]
        run(reversion(risk_percent=Decimal("0.25")), [*noisy, 1_000.0 - 5 * spread], paper)
        sizes.append(paper.held)
    assert sizes[0] > sizes[1] > sizes[2] > 0
    assert sizes[0] * 990 <= 3_000


def test_a_position_from_before_the_start_gets_a_stop_from_what_was_paid() -> None:
    paper, strategy = Paper(), reversion()
    run(strategy, CALM, paper)
    paper.held, paper.paid = Decimal(1), Decimal(1_000)
    assert run(strategy, [998.0], paper, first=25) == [". on the way to the mean: kept"]
    stop = strategy.lines[BTC].stop
    assert stop is not None
    assert 990 < stop < 998
    assert run(strategy, [stop - 1], paper, first=30) == ["S stopped out"]


def test_a_price_that_does_not_move_is_no_reason_to_trade() -> None:
    assert set(run(reversion(), [1_000.0] * 60)[19:]) == {". the price does not move"}


def test_what_comes_later_changes_nothing_before() -> None:
    """No look-ahead."""
    rng, closes = random.Random(4), [1_000.0]
    while len(closes) < 600:
        closes.append(closes[-1] * math.exp(rng.gauss(0, 0.004)))
    other = [*closes[:400], *(close * 2 for close in closes[400:])]
    found = run(reversion(), closes)
    assert "B" in signals(found[:400])
    assert found[:400] == run(reversion(), other)[:400] == run(reversion(), closes[:400])


def test_figures_behind_a_decision_are_told() -> None:
    paper: Any = Paper()
    strategy = reversion()
    run(strategy, CALM, paper)
    decision = strategy.on_candle(candle(40, "990.00"), paper)
    figures = {name: shown(value) for name, value in decision.values.items()}  # type: ignore[union-attr] # below the band it is a Target
    assert set(figures) == {"close", "z", "lower", "middle", "upper", "deviation", "stop"}
    assert figures["close"] == "990"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"length": 1}, "greater than or equal to 2"),
        ({"entry_deviations": 0}, "greater than 0"),
        ({"stop_deviations": float("inf")}, "finite"),
        ({"risk_percent": "0"}, "greater than 0"),
        ({"size_percent_max": "100.1"}, "less than or equal to 100"),
        ({"edge": 1}, "Extra inputs are not permitted"),
    ],
)
def test_a_wrong_parameter_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        MeanReversionParams(**wrong)


def test_history_is_longer_than_the_band() -> None:
    assert MeanReversionParams().length <= MeanReversion(MeanReversionParams()).history <= 500
