"""The proof that no decision knew the future: with the data cut anywhere, every earlier decision stays the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from pitwire.backtest.core.candles import Candles
from pitwire.backtest.core.engine import Run, Wanted

CUTS: Final = 20
"""Cuts that are tried, evenly spread, besides the one before the last candle."""

SPREAD: Final = 0.618_033_988_749_895
"""The golden ratio's fraction: multiples of it fall evenly and hit no period of the data."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first decision that changed when the data ended at `cut_ns`; None where one run made no such decision."""

    cut_ns: int
    whole: Wanted | None
    cut: Wanted | None

    @property
    def text(self) -> str:
        """What was decided with the data after the cut in sight, and without."""
        return f"with later candles: {_told(self.whole)}; without: {_told(self.cut)}"


@dataclass(frozen=True, slots=True)
class Checked:
    """How many cuts were tried, how many decisions compared, and what differed."""

    cuts: int
    decisions: int
    differences: tuple[Difference, ...]


def check_lookahead(
    candles: Sequence[Candles], whole: Run, run_again: Callable[[Sequence[Candles]], Run], *, cuts: int = CUTS
) -> Checked:
    """Runs the strategy anew on data that ends at each cut and compares every decision up to the cut, bit by bit."""
    found: list[Difference] = []
    compared = 0
    times = cut_times(whole, cuts)
    for cut_ns in times:
        shorter = [each.until(rows_until(each, cut_ns)) for each in candles]
        shorter = [each for each in shorter if len(each)]
        again = run_again(shorter)
        expected = [each for each in whole.wanted if each.ts_ns <= cut_ns]
        compared += len(expected)
        difference = _first_difference(cut_ns, expected, again.wanted)
        if difference is not None:
            found.append(difference)
    return Checked(len(times), compared, tuple(found))


def cut_times(run: Run, cuts: int) -> tuple[int, ...]:
    """Close times at which the data is cut: spread over the run, and right after decisions, where leaks show first."""
    closes = sorted({each.ts_ns for each in run.wanted})
    last = len(run.open_ns) - 1
    step = run.open_ns[1] - run.open_ns[0] if last else 1
    spread = {run.open_ns[int(last * ((number * SPREAD) % 1.0))] + step for number in range(1, cuts // 2 + 1)}
    after = (
        {closes[len(closes) * number // (cuts - cuts // 2)] for number in range(cuts - cuts // 2)} if closes else set()
    )
    return tuple(sorted(spread | after | ({run.open_ns[last - 1] + step} if last else set())))


def rows_until(candles: Candles, cut_ns: int) -> int:
    """Candles that have closed by then."""
    low, high = 0, len(candles)
    while low < high:
        middle = (low + high) // 2
        if candles.open_ns[middle] + candles.step_ns <= cut_ns:
            low = middle + 1
        else:
            high = middle
    return low


def _first_difference(cut_ns: int, whole: Sequence[Wanted], cut: Sequence[Wanted]) -> Difference | None:
    for number in range(max(len(whole), len(cut))):
        one = whole[number] if number < len(whole) else None
        two = cut[number] if number < len(cut) else None
        if one != two:
            return Difference(cut_ns, one, two)
    return None


def _told(wanted: Wanted | None) -> str:
    if wanted is None:
        return "nothing"
    intent = wanted.intent
    what = " ".join(str(getattr(intent, name, "")) for name in ("side", "quantity", "instrument_id")).strip()
    return f"{wanted.verdict} {what or 'cancel'} ({intent.reason}) at {wanted.ts_ns}"
